package check

import (
	"maps"
	"math/bits"
)

// place is where a value is kept: a register, or a word of the stack by its address relative to SP at the function's
// entry, plus slotBase.
type place int32

const slotBase place = 1 << 20

func slot(offset int32) place { return slotBase + place(offset) }

// value is what is known of a value: that it is the constant add; or that it is add more than the value of base was when
// the loop's head was last passed, or for the stack pointer when the function was entered; or that no bits but those of
// mask are set.
type value struct {
	exact bool // base and add count
	based bool
	base  place
	add   uint32
	mask  uint32
}

var anything = value{mask: ^uint32(0)}

func constant(c uint32) value { return value{exact: true, add: c, mask: c} }

func bounded(mask uint32) value { return value{mask: mask} }

// max returns the largest number that v can be.
func (v value) max() uint32 { return v.mask }

func (v value) constant() (uint32, bool) { return v.add, v.exact && !v.based }

func (v value) plus(c uint32) value {
	if !v.exact {
		return anything
	}
	if v.based {
		return value{exact: true, based: true, base: v.base, add: v.add + c, mask: ^uint32(0)}
	}
	return constant(v.add + c)
}

func (v value) join(w value) value {
	if v == w {
		return v
	}
	return bounded(v.mask | w.mask)
}

// state is the values at a point of a function. In a loop's state, what is absent is what it was at the loop's head; in a
// function's, it is unknown.
type state struct {
	values map[place]value
	inLoop bool
}

func (s *state) get(p place) value {
	if p == regSP {
		return value{exact: true, based: true, base: regSP, mask: ^uint32(0)}
	}
	if v, ok := s.values[p]; ok {
		return v
	}
	if s.inLoop {
		return value{exact: true, based: true, base: p, mask: ^uint32(0)}
	}
	return anything
}

func (s *state) set(p place, v value) { s.values[p] = v }

func (s *state) clone() *state { return &state{maps.Clone(s.values), s.inLoop} }

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
	before = map[int]*state{head: {values: map[place]value{}, inLoop: inside != nil}}
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
	switch i.op {
	case movImm:
		result = constant(i.imm)
	case movTop:
		if v, ok := s.get(place(i.rd)).constant(); ok {
			result = constant(v&0xffff | i.imm<<16)
		}
	case movReg:
		switch i.rm {
		case regSP:
			result = s.get(regSP).plus(-uint32(depth))
		case regPC:
		default:
			result = s.get(place(i.rm))
		}
	case addImm:
		switch i.rn {
		case regSP:
			result = s.get(regSP).plus(i.imm - uint32(depth))
		case regPC:
		default:
			result = s.get(place(i.rn)).plus(i.imm)
		}
	case addReg:
		if i.rn == regSP && i.rm < regSP {
			if v, ok := s.get(place(i.rm)).constant(); ok {
				result = s.get(regSP).plus(v - uint32(depth))
			}
		}
		if i.rn >= regSP && i.rn != regLR || i.rm >= regSP && i.rm != regLR {
			break
		}
		a, b := s.get(place(i.rn)), s.get(place(i.rm))
		if v, ok := b.constant(); ok {
			result = a.plus(v)
		} else if v, ok := a.constant(); ok {
			result = b.plus(v)
		}
	case subReg:
		if i.rn == regSP || i.rm == regSP || i.rn == regPC {
			break
		}
		if v, ok := s.get(place(i.rm)).constant(); ok {
			result = s.get(place(i.rn)).plus(-v)
		}
	case andImm:
		result = and(s.get(place(i.rn)), constant(i.imm))
	case andReg:
		result = and(s.get(place(i.rn)), s.get(place(i.rm)))
	case maskTo:
		result = bounded(i.imm)
	case shiftR:
		result = bounded(s.get(place(i.rm)).mask >> i.imm)
	case shiftL:
		result = bounded(s.get(place(i.rm)).mask << i.imm)
	case loadWord:
		switch {
		case i.rn == regSP && int32(i.imm)-slotDepth < f.taken:
			result = s.get(slot(int32(i.imm) - slotDepth))
		case i.rn == regPC:
			if w, ok := c.image.word(i.pc + 8 + i.imm); ok {
				result = constant(w)
			}
		}
	case storeWord, storePart:
		if i.rn == regSP {
			off := int32(i.imm) - slotDepth
			v := anything
			if i.op == storeWord && i.rd != regSP && i.rd != regPC && off < f.taken {
				v = s.get(place(i.rd))
			}
			set(slot(off&^3), v)
		}
	}
	if field(i.raw, 25, 3) == 4 && i.rn == regSP && i.stores {
		for p := range s.values {
			if p >= slotBase/2 {
				s.set(p, anything)
			}
		}
		if s.inLoop {
			c.report(f, i.pc, "loop", "STM to the stack inside a loop is not understood")
		}
	}
	moved := anything
	if i.moved != 0 {
		moved = s.get(place(i.rn)).plus(uint32(i.moved))
	}
	for r := range uint8(15) {
		if i.writes>>r&1 == 0 {
			continue
		}
		if r == i.rn && i.moved != 0 {
			set(place(r), moved)
			continue
		}
		v := anything
		if r == i.rd && bits.OnesCount16(i.writes) == 1 {
			v = result
		}
		set(place(r), v)
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
	for r := range place(15) {
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
	bottom := -depth
	if args == 1<<30 {
		for p := range s.values {
			if p >= slotBase/2 {
				s.set(p, anything)
			}
		}
		// What the loop's state does not hold must be forgotten too: no frame is larger than the stack.
		for off := bottom; off < bottom+4096; off += 4 {
			s.set(slot(off), anything)
		}
		return
	}
	for off := bottom; off < bottom+args; off += 4 {
		s.set(slot(off), anything)
	}
}
