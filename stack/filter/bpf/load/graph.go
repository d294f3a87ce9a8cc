package load

// next returns the instruction behind pc.
func (v *verifier) next(pc int) int {
	if v.insns[pc].wide {
		return pc + 2
	}
	return pc + 1
}

// ways returns where the program may go on behind pc; taken is -1 when the instruction is no jump.
func (v *verifier) ways(pc int) (taken, next int) {
	in := &v.insns[pc]
	if c := in.class(); c == clJmp || c == clJmp32 {
		switch in.op & 0xf0 {
		case jmpExit:
			return -1, -1
		case jmpJA:
			return pc + 1 + int(in.off), -1
		case jmpCall:
			return -1, pc + 1
		}
		return pc + 1 + int(in.off), pc + 1
	}
	return -1, v.next(pc)
}

// graph checks each instruction as such, that jumps lead to instructions and all are reached, and finds the live registers.
func (v *verifier) graph() *Refusal {
	n := len(v.insns)
	v.facts, v.joins, v.live, v.kept = make([]fact, n), make([]bool, n), make([]uint16, n), make([][]memory, n)
	for pc := range v.insns {
		if in := &v.insns[pc]; !in.second {
			if why := in.invalid(); why != "" {
				return refuse(pc, "%s", why)
			}
		}
	}
	reached, work := make([]bool, n), []int{0}
	arrive := func(from, to int) *Refusal {
		if to < 0 || to >= n {
			return refuse(from, "the program does not end here: control leaves it")
		}
		if v.insns[to].second {
			return refuse(from, "it jumps into the middle of an instruction of 16 bytes")
		}
		if reached[to] || to <= from {
			v.joins[to] = true
		}
		if !reached[to] {
			reached[to] = true
			work = append(work, to)
		}
		return nil
	}
	reached[0] = true
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		taken, next := v.ways(pc)
		in := &v.insns[pc]
		if next != -1 || in.class() != clJmp && in.class() != clJmp32 {
			if r := arrive(pc, next); r != nil {
				return r
			}
		}
		if isJump(in) {
			if r := arrive(pc, taken); r != nil {
				return r
			}
		}
	}
	for pc := range v.insns {
		if !reached[pc] && !v.insns[pc].second {
			return refuse(pc, "it is never reached")
		}
	}
	v.liveness()
	return nil
}

// isJump reports whether in has an offset to jump by.
func isJump(in *insn) bool {
	if c := in.class(); c != clJmp && c != clJmp32 {
		return false
	}
	op := in.op & 0xf0
	return op != jmpCall && op != jmpExit
}

// liveness finds which registers are read behind each instruction before they are written again: what the others hold
// makes no difference between states.
func (v *verifier) liveness() {
	for changed := true; changed; {
		changed = false
		for pc := len(v.insns) - 1; pc >= 0; pc-- {
			if v.insns[pc].second {
				continue
			}
			out := uint16(0)
			for taken, next := v.ways(pc); ; taken, next = next, -1 {
				if taken >= 0 {
					out |= v.live[taken]
				}
				if next < 0 {
					break
				}
			}
			read, written := v.insns[pc].uses()
			if in := out&^written | read; in != v.live[pc] {
				v.live[pc], changed = in, true
			}
		}
	}
}

// uses returns the registers that in reads and those that it writes.
func (i *insn) uses() (read, written uint16) {
	d, s := uint16(1)<<i.dst, uint16(1)<<i.src
	if i.op&bySource == 0 {
		s = 0
	}
	switch i.class() {
	case clLd:
		if i.wide {
			return 0, d
		}
		read, written = 1<<6, 1|0x3e
		if i.op&0xe0 == modeInd {
			read |= 1 << i.src
		}
	case clLdx:
		return 1 << i.src, d
	case clSt:
		return d, 0
	case clStx:
		return d | 1<<i.src, 0
	case clAlu, clAlu64:
		switch i.op & 0xf0 {
		case aluMov:
			return s, d
		case aluEnd, aluNeg:
			return d, d
		}
		return d | s, d
	case clJmp, clJmp32:
		switch i.op & 0xf0 {
		case jmpJA:
			return 0, 0
		case jmpExit:
			return 1, 0
		case jmpCall:
			return 0x3e, 0x3f
		}
		return d | s, 0
	}
	return read, written
}
