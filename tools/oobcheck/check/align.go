package check

import (
	"path"
	"slices"
	"strings"
)

// Device memory and the memory that devices write want aligned accesses, and no copies. Where addresses go is not known in
// general, but some of it can be seen, in the packages that touch such memory (Config.Device):
//
// Two accesses by one address that cannot both be aligned: of words at an address and two bytes further, for example. One
// address is a register's value, and what is added to it by constants, in one function; what is loaded from one field of
// one structure, which is taken for one value; and what a callee makes of an argument. A constant address is known itself.
//
// Block accesses: copies by Go's runtime, and loads and stores of several registers or of vector registers, unless the
// address is the stack's or a variable's.

// touch is an access in a package of Config.Device.
type touch struct {
	base   place // of the address; noBase: offset is it
	offset uint64
	size   uint8
	pc     uint64 // of the access, or of the call that makes it
}

const (
	noBase place = -1
	// symbolBase is the first place that stands for a value which an instruction made.
	symbolBase place = 1 << 26
	// fieldBase is the first that stands for the value of a field.
	fieldBase place = 1 << 29
	// maxTouches bounds what of a function its callers are told.
	maxTouches = 256
)

// member is a field of what base points to.
type member struct {
	base   place
	offset uint64
}

// device reports whether the instruction at pc was written in a package that touches device memory.
func (c *checker) device(pc uint64) bool {
	if len(c.Device) == 0 {
		return false
	}
	dir := path.Dir(c.image.position(pc).File)
	return slices.ContainsFunc(c.Device, func(d string) bool {
		return dir == d || strings.HasPrefix(dir, strings.TrimSuffix(d, "/")+"/") && strings.HasSuffix(d, "/")
	})
}

// align looks for accesses that cannot all be aligned, and for block accesses. Callees have been visited.
func (c *checker) align(f *function) {
	if len(c.Device) == 0 {
		return
	}
	a := aligner{checker: c, f: f, fields: map[member]place{}, before: map[int]*state{}}
	a.before[0] = &state{values: map[place]value{}, inLoop: true, narrow: c.image.bits == 32, symbols: true}
	for work := []int{0}; len(work) > 0; {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		s := a.before[n].clone()
		for k := range f.blocks[n].insns {
			a.step(s, &f.blocks[n], k)
		}
		for _, to := range f.blocks[n].succ {
			if a.before[to] == nil {
				a.before[to] = s.clone()
			} else if !a.before[to].merge(s) {
				continue
			}
			work = append(work, to)
		}
	}
	for n := range f.blocks {
		if a.before[n] == nil {
			continue
		}
		s := a.before[n].clone()
		for k := range f.blocks[n].insns {
			a.look(s, &f.blocks[n], k)
			a.step(s, &f.blocks[n], k)
		}
	}
	a.judge()
}

// aligner follows addresses through a function.
type aligner struct {
	*checker
	f      *function
	fields map[member]place
	before map[int]*state
	all    []touch
}

// step is checker.step, behind which each register that changed has a value: what is not known is given a name.
func (a *aligner) step(s *state, b *block, k int) {
	i := &b.insns[k]
	from, loaded := a.address(s, i, b.depth[k])
	a.checker.step(a.f, s, b, k)
	writes := i.writes
	if i.flow == call || i.flow == callRegister {
		writes = 1<<registers - 1
	}
	for r := range uint8(registers) {
		if writes>>r&1 == 0 {
			continue
		}
		v := s.get(place(r))
		if v.own = a.ordinary(v); v.exact || v.own || i.cond != always {
			s.set(place(r), v)
			continue
		}
		name := symbolBase + place((i.pc-a.f.addr)/4*32) + place(r)
		if loaded && i.loads && !i.pair && !i.several && i.rd == r && int(i.size)*8 == a.image.bits {
			key := member{from.base, from.offset}
			if a.fields[key] == 0 {
				a.fields[key] = fieldBase + place(len(a.fields)+1)
			}
			name = a.fields[key]
		} else {
			for p, v := range s.values { // what an earlier pass left under this name is another value
				if v.exact && v.based && v.base == name {
					s.values[p] = anything
				}
			}
		}
		s.set(place(r), value{exact: true, based: true, base: name, mask: ^uint64(0)})
	}
}

// address returns where a load or store goes, if that is known: relative to a base other than SP, or constant.
func (a *aligner) address(s *state, i *insn, depth int32) (t touch, ok bool) {
	if !i.loads && !i.stores || i.rn == regPC || i.rn == regSP || i.indexed {
		return t, false
	}
	imm := i.imm
	if i.several || i.post {
		imm = 0
	}
	return a.at(s.get(place(i.rn)).plus(imm), i.size, i.pc)
}

// at returns the access of size bytes at the address v.
func (a *aligner) at(v value, size uint8, pc uint64) (t touch, ok bool) {
	if !v.exact || v.half {
		return t, false
	}
	t = touch{noBase, v.add, size, pc}
	if v.based {
		t.base = v.base
	}
	return t, t.base != regSP
}

// look notes the accesses of instruction k, and those that its callees make of its arguments.
func (a *aligner) look(s *state, b *block, k int) {
	i := &b.insns[k]
	for _, e := range a.f.callees {
		if e.pc == i.pc {
			for _, t := range e.callee.touches {
				from := t.base
				if from >= slotBase/2 { // an argument in the stack: SP at the callee's entry is SP here
					from -= place(b.depth[k])
				}
				if t, ok := a.at(s.get(from).plus(t.offset), t.size, i.pc); ok {
					a.all = append(a.all, t)
				}
			}
		}
	}
	if !i.loads && !i.stores && i.flow != call || !a.device(i.pc) {
		return
	}
	if i.flow == call {
		a.copies(s, i, b.depth[k])
		return
	}
	t, known := a.address(s, i, b.depth[k])
	if i.rn != regSP && i.rn != regPC && (i.several || i.pair && a.image.bits == 32 || i.vectors|i.saves != 0) && !a.ordinary(s.get(place(i.rn))) {
		if _, ok := a.source.at(a.image.position(i.pc), "burst"); !ok {
			a.report(a.f, i.pc, "block access", "several registers are loaded or stored at once, and the memory may be a device's (//oob:burst why)")
		}
	}
	if known {
		a.all = append(a.all, t)
	}
}

// copies reports a copy by Go's runtime, if one of its addresses may be a device's.
func (a *aligner) copies(s *state, i *insn, depth int32) {
	callee, _ := a.image.function(i.target)
	if callee.name != "runtime.memmove" && callee.name != "runtime.memclrNoHeapPointers" && callee.name != "runtime.memequal" &&
		callee.name != "runtime.duffcopy" && callee.name != "runtime.duffzero" {
		return
	}
	wide := a.image.bits == 64
	addresses := []value{}
	switch {
	case callee.name == "runtime.duffzero" && wide:
		addresses = append(addresses, s.get(20))
	case callee.name == "runtime.duffcopy" && wide:
		addresses = append(addresses, s.get(20), s.get(21))
	case callee.name == "runtime.duffzero":
		addresses = append(addresses, s.get(1))
	case callee.name == "runtime.duffcopy":
		addresses = append(addresses, s.get(1), s.get(2))
	case wide:
		addresses = append(addresses, s.get(0), s.get(1))
	default:
		addresses = append(addresses, s.get(slot(4-depth, 4)), s.get(slot(8-depth, 4)))
	}
	if callee.name == "runtime.memclrNoHeapPointers" {
		addresses = addresses[:1]
	}
	for _, v := range addresses {
		if !a.ordinary(v) {
			a.report(a.f, i.pc, "block access", "%s, and the memory may be a device's", callee.name)
			return
		}
	}
}

// ordinary reports whether v is an address of the stack or of a variable.
func (a *aligner) ordinary(v value) bool {
	switch {
	case v.own:
		return true
	case !v.exact || v.half:
		return false
	case v.based:
		return v.base == regSP
	}
	for _, s := range a.image.file.Sections {
		if s.Addr != 0 && v.add >= s.Addr && v.add < s.Addr+s.Size {
			return true
		}
	}
	return false
}

// judge reports bases whose accesses cannot all be aligned, and keeps what concerns callers.
func (a *aligner) judge() {
	byBase := map[place][]touch{}
	for _, t := range a.all {
		if t.base == noBase {
			if t.offset&uint64(t.size-1) != 0 {
				a.report(a.f, t.pc, "unaligned access", "%d bytes at %#x", t.size, t.offset)
			}
			continue
		}
		byBase[t.base] = append(byBase[t.base], t)
		if t.base < symbolBase && len(a.f.touches) < maxTouches && !slices.ContainsFunc(a.f.touches, func(u touch) bool {
			return u.base == t.base && u.size == t.size && (u.offset-t.offset)%16 == 0
		}) {
			a.f.touches = append(a.f.touches, t)
		}
	}
	for _, touches := range byBase {
		slices.SortFunc(touches, func(t, u touch) int { return int(int64(t.pc) - int64(u.pc)) })
		for n, t := range touches {
			// The one of smaller size must be aligned to its own size only.
			conflict := func(u touch) bool { return (t.offset-u.offset)&uint64(min(t.size, u.size)-1) != 0 }
			if m := slices.IndexFunc(touches[:n], conflict); m >= 0 {
				u := touches[m]
				a.report(a.f, t.pc, "unaligned access", "%d bytes at an address that is %d bytes from one of %d bytes in line %d: they cannot both be aligned",
					t.size, int64(a.image.signed(a.image.wrapped(t.offset-u.offset))), u.size, a.image.position(u.pc).Line)
				break
			}
		}
	}
}
