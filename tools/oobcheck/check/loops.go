package check

import (
	"cmp"
	"slices"
)

// loop is a natural loop: its head, its blocks, and the blocks that jump back to the head.
type loop struct {
	head    int
	blocks  map[int]bool
	latches []int
	bound   int64  // most jumps back to the head each time that the loop is entered; −1: not known
	test    int    // block whose test the bound counts, −1 if there is none
	scope   string // function in each call of which it has total rounds at most, however often it is entered
	total   int64
}

// dominators returns for each block the set of the blocks that every way to it passes.
func (f *function) dominators() []map[int]bool {
	dom := make([]map[int]bool, len(f.blocks))
	dom[0] = map[int]bool{0: true}
	for changed := true; changed; {
		changed = false
		for n := range f.blocks {
			if n == 0 {
				continue
			}
			var common map[int]bool
			for _, p := range f.blocks[n].pred {
				if dom[p] == nil {
					continue
				}
				if common == nil {
					common = map[int]bool{}
					for d := range dom[p] {
						common[d] = true
					}
					continue
				}
				for d := range common {
					if !dom[p][d] {
						delete(common, d)
					}
				}
			}
			if common == nil {
				continue
			}
			common[n] = true
			if len(dom[n]) != len(common) {
				dom[n], changed = common, true
			}
		}
	}
	return dom
}

// loops returns the function's loops, inner ones first. reducible is false when a cycle has two ways in.
func (f *function) loops(dom []map[int]bool) (found []*loop, reducible bool) {
	byHead := map[int]*loop{}
	back := map[[2]int]bool{}
	for n := range f.blocks {
		for _, s := range f.blocks[n].succ {
			if !dom[n][s] {
				continue
			}
			back[[2]int{n, s}] = true
			l := byHead[s]
			if l == nil {
				l = &loop{head: s, blocks: map[int]bool{s: true}, bound: -1, test: -1}
				byHead[s] = l
				found = append(found, l)
			}
			l.latches = append(l.latches, n)
			for work := []int{n}; len(work) > 0; {
				b := work[len(work)-1]
				work = work[:len(work)-1]
				if !l.blocks[b] {
					l.blocks[b] = true
					work = append(work, f.blocks[b].pred...)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b *loop) int { return cmp.Compare(len(a.blocks), len(b.blocks)) })
	return found, f.acyclic(back)
}

// acyclic reports whether the graph has no cycle without the edges in back.
func (f *function) acyclic(back map[[2]int]bool) bool {
	waits := make([]int, len(f.blocks))
	for n := range f.blocks {
		for _, s := range f.blocks[n].succ {
			if !back[[2]int{n, s}] {
				waits[s]++
			}
		}
	}
	done := 0
	for work := []int{0}; len(work) > 0; done++ {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		for _, s := range f.blocks[n].succ {
			if back[[2]int{n, s}] {
				continue
			}
			if waits[s]--; waits[s] == 0 {
				work = append(work, s)
			}
		}
	}
	return done == len(f.blocks)
}

// derive computes the loop's bound from its exits: a counter that each round moves by a constant and compares with one.
// It returns −1 when no exit is of that kind.
func (c *checker) derive(f *function, l *loop, dom []map[int]bool, whole map[int]*state) int64 {
	before, after := c.solve(f, l.head, l.blocks)
	entry := (*state)(nil)
	if l.head == 0 {
		entry = &state{values: map[place]value{}, narrow: c.image.bits == 32}
	}
	for _, p := range f.blocks[l.head].pred {
		if l.blocks[p] || whole[p] == nil {
			continue
		}
		s := whole[p].clone()
		f.notZero(s, p, l.head)
		if entry == nil {
			entry = s
		} else {
			entry.merge(s)
		}
	}
	best := int64(-1)
	for n := range f.blocks {
		if !l.blocks[n] {
			continue
		}
		if stays := c.exit(f, l, n, dom, before[n], after, entry); stays >= 0 && (best < 0 || stays < best) {
			best, l.test = stays, n
		}
	}
	return best
}

// notZero notes in s, the values at the end of block p, which register is not 0 where p goes on to block to: its branch says so.
func (f *function) notZero(s *state, p, to int) {
	b := &f.blocks[p]
	last := &b.insns[len(b.insns)-1]
	if last.flow != branch || len(b.succ) != 2 || last.cond != condNE && last.cond != condEQ || (last.cond == condNE) != (b.taken == to) {
		return
	}
	r, changed := uint8(registers), uint64(0)
	for k := len(b.insns) - 1; k >= 0; k-- {
		i := &b.insns[k]
		if !i.flags && !i.tests {
			changed |= i.writes
			if i.flow == call || i.flow == callRegister {
				return
			}
			continue
		}
		switch {
		case i.cond != always && !i.tests:
		case (i.op == cmpImm || i.op == teqImm) && i.imm == 0:
			r = i.rn
		case (i.op == andImm || i.op == andReg) && i.writes == 1<<i.rd:
			r = i.rd
		}
		if v := s.get(place(r)); r < registers && changed>>r&1 == 0 && !v.exact && (!i.wide || v.mask <= 1<<32-1) {
			v.some = true
			s.set(place(r), v)
		}
		return
	}
}

// exit returns how often control passes block n and stays in the loop, −1 if that is not known.
func (c *checker) exit(f *function, l *loop, n int, dom []map[int]bool, before *state, after map[int]*state, entry *state) int64 {
	b := &f.blocks[n]
	last := b.insns[len(b.insns)-1]
	if before == nil || entry == nil || last.flow != branch || last.cond == always || len(b.succ) != 2 {
		return -1
	}
	stays := last.cond
	switch out := b.succ[1]; {
	case l.blocks[b.taken] && !l.blocks[out]:
	case !l.blocks[b.taken] && l.blocks[out]:
		stays ^= 1
	default:
		return -1
	}
	for _, latch := range l.latches {
		if !dom[latch][n] {
			return -1
		}
	}
	// Jumps to the next instruction count what reaches the test, once each round.
	v, limit, wide := c.compared(f, b, before)
	step, ok := l.step(v, after, wide)
	if !ok {
		return -1
	}
	first := entry.get(v.base)
	if limit.based {
		if move, ok := l.step(limit, after, wide); !ok || move != 0 {
			return -1
		}
		limit = entry.get(limit.base).plus(limit.add)
	}
	const middle = 1 << 20
	if limit.based && first.based && limit.base == first.base {
		// Two addresses in one place: what counts is how far they are apart.
		first, limit = constant(middle+first.add-limit.add), constant(middle)
	}
	to, ok := limit.constant()
	if limit.exact && !limit.based && limit.half && !wide {
		to, ok = limit.add, true
	}
	if !ok {
		return -1
	}
	if wide {
		return roundsWide(stays, first, v.add, step, to)
	}
	return rounds(stays, narrowed(first), uint32(v.add), uint32(step), uint32(to))
}

// narrowed returns what is known of v's low 32 bits.
func narrowed(v value) value {
	if v.exact && !v.based {
		return constant(uint64(uint32(v.add)))
	}
	return value{mask: uint64(uint32(v.mask)), some: v.some}
}

// roundsWide is rounds for numbers of 64 bits, if all of them are so small that 32 would do: then no number on the way is
// different.
func roundsWide(stays uint8, first value, add, step, limit uint64) int64 {
	small := func(n uint64) bool { return int64(n) == int64(int32(n)) }
	known, ok := first.constant()
	switch {
	case !small(add) || !small(step) || int64(limit) < 0 || !small(limit):
		return -1
	case ok && (int64(known) < 0 || !small(known)):
		return -1
	case !ok && first.mask > 1<<32-1:
		first = bounded(1<<32 - 1)
	}
	return rounds(stays, narrowed(first), uint32(add), uint32(step), uint32(limit))
}

// step returns by how much each round moves what v is based on.
func (l *loop) step(v value, after map[int]*state, wide bool) (step uint64, ok bool) {
	if !v.exact || !v.based || v.half && wide {
		return 0, false
	}
	for k, latch := range l.latches {
		if after[latch] == nil {
			return 0, false
		}
		w := after[latch].get(v.base)
		if !w.exact || !w.based || w.base != v.base || w.half && wide || k > 0 && w.add != step {
			return 0, false
		}
		step = w.add
	}
	return step, true
}

// compared returns the two values that decide the branch at the end of b, and whether they have 64 bits.
func (c *checker) compared(f *function, b *block, before *state) (v, limit value, wide bool) {
	at := -1
	for k := range b.insns {
		if b.insns[k].flags || b.insns[k].tests || b.insns[k].flow == call || b.insns[k].flow == callRegister {
			at = k
		}
	}
	if at < 0 || b.insns[at].cond != always && !b.insns[at].tests {
		return anything, anything, false
	}
	s := before.clone()
	for k := range at {
		c.step(f, s, b, k)
	}
	i := &b.insns[at]
	if i.rn == regSP || i.rn == regPC {
		return anything, anything, false
	}
	switch v = s.get(place(i.rn)); {
	case i.op == cmpImm:
		return v, constant(i.imm), i.wide
	case i.op == teqImm && i.imm == 0:
		return v, constant(0), i.wide
	case i.op == cmpReg && i.rm != regSP && i.rm != regPC:
		return v, s.get(place(i.rm)), i.wide
	case i.subs:
		return v, constant(-i.imm), i.wide
	}
	return anything, anything, false
}

// Conditions (A8.3).
const (
	condEQ = 0
	condNE = 1
	condCS = 2
	condCC = 3
	condHI = 8
	condLS = 9
	condGE = 10
	condLT = 11
	condGT = 12
	condLE = 13
)

// rounds returns how often the condition stays holds for first + add, compared with limit, when first grows by step each
// round: −1 if that is not known to end.
func rounds(stays uint8, first value, add, step, limit uint32) int64 {
	start, known := first.constant()
	most := int64(uint32(first.mask))
	from, by, to := int64(0), int64(int32(step)), int64(limit)
	signed := stays == condLT || stays == condLE || stays == condGT || stays == condGE
	if signed {
		to = int64(int32(limit))
		if !known && most > 1<<31-1 {
			return -1
		}
	}
	if known {
		from = int64(start)
		if signed {
			from = int64(int32(uint32(start)))
		}
		most = from
	}
	add64 := int64(int32(add))
	low, high := int64(0), int64(1)<<32
	if signed {
		low, high = -1<<31, 1<<31
	}
	if known && (from+add64 < low || from+add64 >= high) {
		return -1 // wraps before the first test
	}
	switch stays {
	case condLE, condLS:
		to++
		fallthrough
	case condLT, condCC:
		if by <= 0 || to+by > 1<<31 {
			return -1
		}
		switch {
		case known:
		case !signed:
			add64 = 0 // wherever it starts, it is at least 0 at the first test
		case add64 < 0 || most+add64 >= 1<<31:
			return -1
		}
		return atLeast0(ceil(to-add64-from, by))
	case condGT, condHI:
		to++
		fallthrough
	case condGE, condCS:
		// An unsigned counter must not pass 0 while it is above the limit.
		if by >= 0 || most >= 1<<31 || to+by < low || !known && (most+add64 >= 1<<31 || !signed && add64 < 0) {
			return -1
		}
		return atLeast0((most+add64-to)/-by + 1)
	case condNE:
		if by > 0 && known && (to-add64-from)%by == 0 && to >= from+add64 {
			return (to - add64 - from) / by
		}
		// Down to 0: it must be met exactly, and the first test must not be below it. Behind the first step that takes a counter
		// which is not 0.
		if add64 < 0 && !known && (!first.some || add64 != by) {
			return -1
		}
		unit := int64(uint32(first.mask & -first.mask))
		if known && from > 0 {
			unit = from
		}
		if by < 0 && to == 0 && most < 1<<31 && most > 0 && unit%-by == 0 && add64%-by == 0 {
			return atLeast0((most + add64) / -by)
		}
	}
	return -1
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }

func atLeast0(n int64) int64 { return max(n, 0) }
