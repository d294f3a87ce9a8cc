package check

import (
	"maps"
	"math/bits"
)

// place is where a value is kept: a register, or bytes of the stack by their address relative to SP at the function's entry.
// A word of 64 bits and one of 32 at the same address are two places: each store to one makes the others there unknown.
type place int32

const (
	slotBase place = 1 << 20
	wideBase place = 1 << 24
)

func slot(offset int32, size uint8) place {
	if size == 8 {
		return wideBase + place(offset)
	}
	return slotBase + place(offset)
}

// value is what is known of a value: that it is the constant add; or that it is add more than the value of base was when
// the loop's head was last passed, or for the stack pointer when the function was entered; or that no bits but those of
// mask are set.
type value struct {
	exact bool // base and add count
	based bool
	half  bool // of an exact value the low 32 bits count only
	some  bool // it is not 0, of one that is not exact
	own   bool // it is an address in the stack or in a variable (align.go)
	base  place
	add   uint64
	mask  uint64
}

var anything = value{mask: ^uint64(0)}

func constant(c uint64) value { return value{exact: true, add: c, mask: c} }

func bounded(mask uint64) value { return value{mask: mask} }

func (v value) constant() (uint64, bool) { return v.add, v.exact && !v.based && !v.half }

func (v value) plus(c uint64) value {
	if !v.exact {
		return value{mask: ^uint64(0), own: v.own}
	}
	v.add += c
	v.mask = ^uint64(0)
	if !v.based && !v.half {
		v.mask = v.add
	}
	return v
}

// low returns what a load or an operation of 32 bits leaves of v in a register of 64.
func (v value) low() value {
	const all = 1<<32 - 1
	switch {
	case v.exact && !v.based:
		return constant(v.add & all)
	case v.exact:
		v.half = true
	}
	v.mask &= all
	return v
}

func (v value) join(w value) value {
	if v == w {
		return v
	}
	return value{mask: v.mask | w.mask, own: v.own && w.own, some: v.some && w.some}
}

// state is the values at a point of a function. In a loop's state, what is absent is what it was at the loop's head; in a
// function's, it is unknown.
type state struct {
	values map[place]value
	inLoop bool
	narrow bool // registers have 32 bits
	// symbols: values that are not known have names (align.go); it begins as a loop's state at the function's entry.
	symbols bool
}

func (s *state) get(p place) value {
	if p == regSP {
		return value{exact: true, based: true, base: regSP, mask: ^uint64(0)}
	}
	if p == regZero {
		return constant(0)
	}
	if v, ok := s.values[p]; ok {
		return v
	}
	if s.inLoop {
		return value{exact: true, based: true, base: p, mask: ^uint64(0)}
	}
	return anything
}

func (s *state) set(p place, v value) {
	if s.narrow {
		v.add, v.mask = v.add&(1<<32-1), v.mask|^uint64(1<<32-1)
		if v.exact && !v.based {
			v.mask = v.add
		}
	}
	s.values[p] = v
}

// store notes that n bytes at offset change to v, of which the place of size bytes is known.
func (s *state) store(offset int32, size uint8, v value) {
	s.forget(offset, offset+int32(size))
	if size == 4 || size == 8 {
		s.set(slot(offset, size), v)
	}
}

// forget makes what lies in the stack from offset first up to end unknown.
func (s *state) forget(first, end int32) {
	first &^= 3
	for at := first - 4; at < end; at += 4 {
		if at >= first {
			s.set(slot(at, 4), anything)
		}
		s.set(slot(at, 8), anything)
	}
}

// forgetStack makes all of it unknown: no frame is larger than the stack, and the caller's may be looked at too.
func (s *state) forgetStack(depth int32) {
	for p := range s.values {
		if p >= slotBase/2 {
			s.set(p, anything)
		}
	}
	if s.inLoop { // what is absent there is what it was
		s.forget(-depth, -depth+4096)
	}
}

func (s *state) clone() *state {
	t := *s
	t.values = maps.Clone(s.values)
	return &t
}

// merge joins t into s and reports whether s changed.
func (s *state) merge(t *state) bool {
	changed := false
	join := func(p place) {
		old := s.get(p)
		if v := old.join(t.get(p)); v != old {
			s.values[p], changed = v, true
		}
	}
	for p := range t.values {
		join(p)
	}
	for p := range s.values {
		join(p)
	}
	return changed
}

// solve computes the values before each of the blocks, from the state before the block head on. With inside, only flow
// among those blocks counts, and flow back to head does not.
func (c *checker) solve(f *function, head int, inside map[int]bool) (before, after map[int]*state) {
	before = map[int]*state{head: {values: map[place]value{}, inLoop: inside != nil, narrow: c.image.bits == 32}}
	after = map[int]*state{}
	for work := []int{head}; len(work) > 0; {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		s := before[n].clone()
		b := &f.blocks[n]
		for k := range b.insns {
			c.step(f, s, b, k)
		}
		after[n] = s
		for _, to := range b.succ {
			if inside != nil && (to == head || !inside[to]) {
				continue
			}
			if before[to] == nil {
				before[to] = s.clone()
			} else if !before[to].merge(s) {
				continue
			}
			work = append(work, to)
		}
	}
	return before, after
}

// step lets instruction k of b change s.
func (c *checker) step(f *function, s *state, b *block, k int) {
	i := &b.insns[k]
	depth := b.depth[k]
	if i.flow == call || i.flow == callRegister {
		c.clobber(f, s, i, depth)
		return
	}
	slotDepth := depth
	if i.spBefore {
		slotDepth -= i.spDelta
	}
	result := anything
	set := func(p place, v value) {
		if i.cond != always {
			v = v.join(s.get(p))
		}
		s.set(p, v)
	}
	// of returns the value of a register as an operand.
	of := func(r uint8) value {
		switch r {
		case regSP:
			return s.get(regSP).plus(-uint64(depth))
		case regPC:
			return anything
		}
		return s.get(place(r))
	}
	switch i.op {
	case movImm:
		result = constant(i.imm)
	case movTop:
		if v, ok := s.get(place(i.rd)).constant(); ok {
			result = constant(v&i.keep | i.imm)
		}
	case movReg:
		result = of(i.rm)
	case addImm:
		result = of(i.rn).plus(i.imm)
	case addReg:
		a, b := of(i.rn), of(i.rm)
		if v, ok := b.constant(); ok {
			result = a.plus(v)
		} else if v, ok := a.constant(); ok {
			result = b.plus(v)
		}
	case subReg:
		if v, ok := of(i.rm).constant(); ok {
			result = of(i.rn).plus(-v)
		}
	case andImm:
		result = and(of(i.rn), constant(i.imm))
	case andReg:
		result = and(of(i.rn), of(i.rm))
	case maskTo:
		result = bounded(i.keep)
	case shiftR:
		result = bounded(c.image.wrapped(of(i.rm).mask) >> i.imm)
		if c.image.bits == 64 && !i.wide {
			result = bounded(of(i.rm).mask & (1<<32 - 1) >> i.imm)
		}
	case shiftL:
		result = bounded(of(i.rm).mask << i.imm)
	case loadWord:
		switch {
		case i.rn == regSP && int32(i.imm)-slotDepth+int32(i.size) <= f.taken && !i.pair:
			result = s.get(slot(int32(i.imm)-slotDepth, i.size))
		case i.rn == regPC:
			if w, ok := c.image.load(i.literal, i.size); ok {
				result = constant(w)
			}
		}
	case storeWord, storePart:
		if i.rn == regSP {
			c.storeToStack(f, s, i, int32(i.imm)-slotDepth)
		}
	}
	if c.image.bits == 64 && !i.wide {
		result = result.low()
	}
	if i.several && i.rn == regSP && i.stores {
		s.forgetStack(depth)
		if s.inLoop && !s.symbols {
			c.report(f, i.pc, "loop", "STM to the stack inside a loop is not understood")
		}
	}
	moved := anything
	if i.moved != 0 {
		moved = s.get(place(i.rn)).plus(uint64(int64(i.moved)))
	}
	for r := range uint8(registers) {
		if i.writes>>r&1 == 0 {
			continue
		}
		if r == i.rn && i.moved != 0 {
			set(place(r), moved)
			continue
		}
		v := anything
		if r == i.rd && bits.OnesCount64(i.writes) == 1 {
			v = result
		}
		set(place(r), v)
	}
}

// storeToStack lets a store by SP, to offset from SP at the function's entry, change s.
func (c *checker) storeToStack(f *function, s *state, i *insn, offset int32) {
	n := int32(1)
	if i.pair {
		n = 2
	}
	for k := range n {
		at := offset + k*int32(i.size)
		v := anything
		r := i.rd
		if k == 1 {
			r = i.rd2
		}
		if i.op == storeWord && r != regSP && r != regPC && at+int32(i.size) <= f.taken {
			v = s.get(place(r))
		}
		if i.cond != always {
			v = v.join(s.get(slot(at, i.size)))
		}
		s.store(at, i.size, v)
	}
}

func and(a, b value) value {
	x, okA := a.constant()
	y, okB := b.constant()
	if okA && okB {
		return constant(x & y)
	}
	return bounded(a.mask & b.mask)
}

// clobber forgets what a call may change: all registers, and the words at the bottom of the frame that the callee has for
// its arguments and results.
func (c *checker) clobber(f *function, s *state, i *insn, depth int32) {
	for r := range place(registers) {
		s.set(r, anything)
	}
	args := int32(1 << 30)
	if i.flow == call {
		if callee := c.functions[i.target]; callee != nil {
			args = callee.args
			if callee.taken < 1<<29 && callee.taken >= 0 || callee.taken < -1<<29 {
				args = 1 << 30
			}
		}
	}
	if args == 1<<30 {
		s.forgetStack(depth)
		return
	}
	s.forget(-depth, -depth+args)
}
