package check

import (
	"maps"
	"slices"
)

// block is a run of instructions that is entered at its first and left at its last.
type block struct {
	insns   []insn
	depth   []int32 // bytes of stack in use before each instruction
	succ    []int
	pred    []int
	taken   int // block that the last instruction branches to, −1 if none
	callees []*function
	dead    bool // it ends in a trap
}

// function is a function's flow of control; block 0 is its entry.
type function struct {
	symbol
	blocks []block
	stack  int32 // most bytes in use by the function itself
	// args is how far above its stack pointer at entry the function stores by SP, in bytes.
	args int32
	// taken is the least address, relative to SP at entry, that is taken or stored to by an unknown index.
	taken int32

	ends    []end
	callees []edge
	worst   int32 // most bytes of stack in use, callees included
	worstAt *edge // the callee that uses them, nil if none does
	// most is the most instructions executed, callees included: in the scope "" by any call, in another one by a call in
	// that scope, without what extra counts.
	most      map[string]int64
	extra     map[string]map[uint64]int64 // by scope and loop: instructions of all its rounds in the scope together
	unbounded bool                        // most is not known
	findings  []finding
	vectors   []vectorUse
	touches   []touch // accesses by what the function was given
	saved     uint32  // vector registers that the function itself stores
	fpsr      bool    // and whether it reads FPSR
	bounds    []Loop
}

// end is a return, and how many bytes of stack are then in use more than at the function's entry: 0, unless the function is
// branched to by one that leaves it to take its frame down.
type end struct {
	pc    uint64
	depth int32
}

// edge is a call in a function, or a branch into another one.
type edge struct {
	pc     uint64
	callee *function
}

// vectorUse is an instruction that changes vector registers or computes with them.
type vectorUse struct {
	pc      uint64
	changes uint32
	float   bool
}

// finding is something in a function that may not be.
type finding struct {
	pc         uint64
	kind, text string
}

// scan follows the flow of control of the function sym and returns what it finds; problems go to report.
func (c *checker) scan(sym symbol) *function {
	f := &function{symbol: sym, taken: 1 << 30}
	insns, leaders := c.follow(f)
	f.cut(insns, leaders)
	c.measureStack(f)
	f.useVectors()
	return f
}

// follow decodes every instruction that can be reached in the function, and finds where blocks begin.
func (c *checker) follow(f *function) (map[uint64]insn, map[uint64]bool) {
	insns := map[uint64]insn{}
	leaders := map[uint64]bool{f.addr: true}
	for work := []uint64{f.addr}; len(work) > 0; {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		for {
			if _, seen := insns[pc]; seen {
				break
			}
			w, ok := c.image.word(pc)
			if !ok || pc >= f.end {
				c.report(f, pc, "flow", "control runs off the end of the function")
				break
			}
			i := c.image.decode(pc, w)
			goesOn := c.classify(f, &i)
			i.ends = !goesOn
			insns[pc] = i
			if i.flow == branch && i.target >= f.addr && i.target < f.end {
				leaders[i.target] = true
				work = append(work, i.target)
			}
			for _, t := range i.targets {
				leaders[t] = true
				work = append(work, t)
			}
			if i.flow != next && i.flow != call && i.flow != callRegister || !goesOn {
				leaders[pc+4] = true
			}
			if !goesOn {
				break
			}
			pc += 4
		}
	}
	return insns, leaders
}

// classify reports what an instruction may not be, and tells whether control goes on behind it.
func (c *checker) classify(f *function, i *insn) (goesOn bool) {
	conditional := i.cond != always
	switch i.flow {
	case branch:
		if _, ok := c.image.function(i.target); !ok {
			c.report(f, i.pc, "flow", "branch to %#x, which is in no function", i.target)
		}
		return conditional
	case call:
		callee, ok := c.image.function(i.target)
		if !ok {
			c.report(f, i.pc, "call", "call of %#x, which is no function", i.target)
			return true
		}
		return conditional || c.returns(callee.name)
	case callRegister:
		if len(c.listed(f, i.pc)) == 0 {
			c.report(f, i.pc, "indirect call", "call through a register: of an interface's method or a func value")
		}
		return true
	case ret:
		return conditional
	case jumpRegister:
		if i.targets = c.table(f, i); i.targets == nil {
			c.report(f, i.pc, "indirect branch", "branch to an address that is computed")
		}
		return conditional
	case trap:
		c.report(f, i.pc, "trap", "an instruction that traps (%08x)", i.raw)
		return conditional
	case floating:
		c.report(f, i.pc, "floating point", "a VFP or NEON instruction (%08x): their registers are in-band's", i.raw)
	case unknown:
		c.report(f, i.pc, "unknown instruction", "%08x is not decoded", i.raw)
	}
	return true
}

// cut divides the instructions into blocks and links them.
func (f *function) cut(insns map[uint64]insn, leaders map[uint64]bool) {
	index := map[uint64]int{}
	pcs := slices.Sorted(maps.Keys(insns))
	// The entry comes first: it has the least address.
	for n, pc := range pcs {
		if n == 0 || leaders[pc] || pcs[n-1] != pc-4 {
			index[pc] = len(f.blocks)
			f.blocks = append(f.blocks, block{taken: -1})
		}
		b := &f.blocks[len(f.blocks)-1]
		b.insns = append(b.insns, insns[pc])
	}
	for n := range f.blocks {
		b := &f.blocks[n]
		last := b.insns[len(b.insns)-1]
		if last.flow == branch && last.target >= f.addr && last.target < f.end {
			b.taken = index[last.target]
			f.link(n, b.taken)
		}
		for _, t := range last.targets {
			if to := index[t]; !slices.Contains(b.succ, to) {
				f.link(n, to)
			}
		}
		if last.ends {
			continue
		}
		if to, ok := index[last.pc+4]; ok && to != b.taken {
			f.link(n, to)
		}
	}
}

func (f *function) link(from, to int) {
	f.blocks[from].succ = append(f.blocks[from].succ, to)
	f.blocks[to].pred = append(f.blocks[to].pred, from)
}

// measureStack follows the stack pointer, and finds what of the frame can change behind the analysis' back.
func (c *checker) measureStack(f *function) {
	unsettled := map[*insn]insn{}
	at := make([]int32, len(f.blocks))
	values := make([]spValues, len(f.blocks)) // before each block
	values[0] = spValues{}
	seen := make([]bool, len(f.blocks))
	seen[0] = true
	for work := []int{0}; len(work) > 0; {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		b := &f.blocks[n]
		b.depth = b.depth[:0]
		depth := at[n]
		known := maps.Clone(values[n])
		for k := range b.insns {
			i := &b.insns[k]
			if first, again := unsettled[i]; again {
				*i = first // by what was known then
			}
			if i.spReg != 0 || i.spSet {
				unsettled[i] = *i
				known.settle(i, depth)
			}
			known.step(c, i, depth)
			b.depth = append(b.depth, depth)
			depth = c.stackAfter(f, i, depth)
			f.stack = max(f.stack, depth)
			f.note(i, b.depth[k], depth)
		}
		for _, s := range b.succ {
			switch {
			case !seen[s]:
				seen[s], at[s], values[s] = true, depth, maps.Clone(known)
				work = append(work, s)
			case at[s] != depth:
				c.report(f, f.blocks[s].insns[0].pc, "stack", "reached with %d and with %d bytes of stack in use", at[s], depth)
			case values[s].meet(known):
				work = append(work, s)
			}
		}
	}
}

// spValue is a constant, or relative to what SP was at the function's entry.
type spValue struct {
	relative bool
	n        int64
}

// spValues are the registers of which such a value is known.
type spValues map[uint8]spValue

// meet keeps of known what holds in other, too, and reports whether that is less.
func (known spValues) meet(other spValues) bool {
	before := len(known)
	maps.DeleteFunc(known, func(r uint8, v spValue) bool {
		w, ok := other[r]
		return !ok || v != w
	})
	return len(known) < before
}

// step lets i, executed with depth bytes of stack in use, change what is known.
func (known spValues) step(c *checker, i *insn, depth int32) {
	result, ok := spValue{}, false
	from := func(r uint8) (spValue, bool) {
		if r == regSP {
			return spValue{true, -int64(depth)}, true
		}
		v, ok := known[r]
		return v, ok
	}
	switch i.op {
	case movImm:
		result, ok = spValue{n: c.image.signed(i.imm)}, true
	case movTop:
		if result, ok = known[i.rd]; ok && !result.relative {
			result.n = c.image.signed(uint64(result.n)&i.keep | i.imm)
		}
	case movReg:
		result, ok = from(i.rm)
	case addImm:
		if result, ok = from(i.rn); ok {
			result.n += c.image.signed(i.imm)
		}
	case addReg, subReg:
		if result, ok = from(i.rn); ok {
			by, constant := known[i.rm]
			ok = constant && !by.relative
			if i.op == subReg {
				by.n = -by.n
			}
			result.n += by.n
		}
	case loadWord:
		if i.rn == regPC {
			var w uint64
			w, ok = c.image.load(i.literal, i.size)
			result.n = c.image.signed(w)
		}
	}
	if i.flow == call || i.flow == callRegister {
		clear(known)
		return
	}
	for r := range uint8(registers) {
		if i.writes>>r&1 != 0 {
			delete(known, r)
		}
	}
	if ok && i.cond == always && i.rd < registers && i.writes == 1<<i.rd {
		known[i.rd] = result
	}
}

// useVectors notes which vector registers the function changes and stores.
func (f *function) useVectors() {
	for n := range f.blocks {
		for _, i := range f.blocks[n].insns {
			f.saved, f.fpsr = f.saved|i.saves, f.fpsr || i.fpsr
			if i.vectors != 0 || i.float {
				f.vectors = append(f.vectors, vectorUse{i.pc, i.vectors, i.float})
			}
		}
	}
}

// settle turns a change of SP by a register into one by a constant, if that is known.
func (known spValues) settle(i *insn, depth int32) {
	v, ok := known[i.rm]
	switch {
	case !ok || i.cond != always:
	case i.spSet && v.relative:
		i.spDelta, i.spSet = int32(v.n)+depth, false
	case i.spSet:
		i.spSet, i.spConst, i.literal = false, true, uint64(v.n)
	case !v.relative:
		i.spDelta, i.spReg = i.spReg*int32(v.n), 0
	}
}

// stackAfter returns how many bytes are in use after i.
func (c *checker) stackAfter(f *function, i *insn, depth int32) int32 {
	switch {
	case i.flow == ret:
		f.ends = append(f.ends, end{i.pc, depth - i.spDelta})
	case i.spConst:
		// Another stack, or SP as a scratch register: what of the oob stack lies above it is in use.
		sp := i.literal
		if i.loads {
			sp, _ = c.image.load(i.literal, i.size)
		}
		s := c.stackSymbol
		if sp >= s.addr && sp <= s.end {
			return int32(s.end - sp)
		}
		return 0
	case i.spLost, i.spReg != 0, i.spSet, i.spDelta != 0 && i.cond != always:
		c.report(f, i.pc, "stack", "the stack pointer changes in a way that is not understood (%08x)", i.raw)
	default:
		return depth - i.spDelta
	}
	return depth
}

// Registers of Go's prologues for GOARCH=arm64: the frame pointer, which nothing stores by, and those in which a large
// frame's end is computed before it is SP.
const (
	regFP    = 29
	regCheck = 17
	regFrame = 20
)

// prologue reports whether i, in a function that has before bytes of stack in use, computes an address below SP as Go's
// prologues do: no variable lies there.
func (i *insn) prologue(before int32) bool {
	if !i.wide || int32(i.imm) >= 0 {
		return false
	}
	return i.rd == regFP || before == 0 && (i.rd == regCheck || i.rd == regFrame)
}

// note keeps what i does to memory near SP.
func (f *function) note(i *insn, before, after int32) {
	if i.wide && (i.rn == regFP && (i.stores || i.op == addImm) || i.rm == regFP && (i.op == movReg || i.op == addReg || i.op == subReg)) {
		f.taken = -1 << 30
	}
	if i.rn != regSP {
		return
	}
	switch {
	case i.op == storeWord || i.op == storePart:
		depth := before
		if i.spBefore {
			depth = after
		}
		n := int32(i.size)
		if i.pair {
			n *= 2
		}
		if to := int32(i.imm) - depth; to >= 0 {
			f.args = max(f.args, to+max(n, 4))
		}
	case i.stores && i.spDelta == 0 || i.op == addReg || i.op == subReg:
		f.taken = -1 << 30
	case i.op == addImm && i.rd != regSP && !i.prologue(before):
		f.taken = min(f.taken, int32(i.imm)-before)
	}
}
