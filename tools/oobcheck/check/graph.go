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

	callees []edge
	worst   int32 // most bytes of stack in use, callees included
	worstAt *edge // the callee that uses them, nil if none does
	// most is the most instructions executed, callees included: in the scope "" by any call, in another one by a call in
	// that scope, without what extra counts.
	most      map[string]int64
	extra     map[string]map[uint32]int64 // by scope and loop: instructions of all its rounds in the scope together
	unbounded bool                        // most is not known
	findings  []finding
	bounds    []Loop
}

// edge is a call in a function, or a branch into another one.
type edge struct {
	pc     uint32
	callee *function
}

// finding is something in a function that may not be.
type finding struct {
	pc         uint32
	kind, text string
}

// scan follows the flow of control of the function sym and returns what it finds; problems go to report.
func (c *checker) scan(sym symbol) *function {
	f := &function{symbol: sym, taken: 1 << 30}
	insns, leaders := c.follow(f)
	f.cut(insns, leaders)
	c.measureStack(f)
	return f
}

// follow decodes every instruction that can be reached in the function, and finds where blocks begin.
func (c *checker) follow(f *function) (map[uint32]insn, map[uint32]bool) {
	insns := map[uint32]insn{}
	leaders := map[uint32]bool{f.addr: true}
	for work := []uint32{f.addr}; len(work) > 0; {
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
			i := decode(pc, w)
			goesOn := c.classify(f, &i)
			i.ends = !goesOn
			insns[pc] = i
			if i.flow == branch && i.target >= f.addr && i.target < f.end {
				leaders[i.target] = true
				work = append(work, i.target)
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
			c.report(f, i.pc, "indirect call", "call through R%d: of an interface's method or a func value", i.rm)
		}
		return true
	case ret:
		return conditional
	case jumpRegister:
		c.report(f, i.pc, "indirect branch", "branch to an address that is computed")
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
func (f *function) cut(insns map[uint32]insn, leaders map[uint32]bool) {
	index := map[uint32]int{}
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
	at := make([]int32, len(f.blocks))
	seen := make([]bool, len(f.blocks))
	seen[0] = true
	for work := []int{0}; len(work) > 0; {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		b := &f.blocks[n]
		b.depth = b.depth[:0]
		depth := at[n]
		for k := range b.insns {
			i := &b.insns[k]
			if i.spReg != 0 && k > 0 {
				c.settle(i, &b.insns[k-1])
			}
			b.depth = append(b.depth, depth)
			depth = c.stackAfter(f, i, depth)
			f.stack = max(f.stack, depth)
			f.note(i, b.depth[k], depth)
		}
		for _, s := range b.succ {
			switch {
			case !seen[s]:
				seen[s], at[s] = true, depth
				work = append(work, s)
			case at[s] != depth:
				c.report(f, f.blocks[s].insns[0].pc, "stack", "reached with %d and with %d bytes of stack in use", at[s], depth)
			}
		}
	}
}

// settle turns a change of SP by a register into one by a constant, if the instruction before has loaded it.
func (c *checker) settle(i, before *insn) {
	by, ok := before.imm, before.op == movImm
	if before.op == loadWord && before.rn == regPC {
		by, ok = c.image.word(before.pc + 8 + before.imm)
	}
	if ok && before.rd == i.rm && before.cond == always {
		i.spDelta, i.spReg = i.spReg*int32(by), 0
	}
}

// stackAfter returns how many bytes are in use after i.
func (c *checker) stackAfter(f *function, i *insn, depth int32) int32 {
	switch {
	case i.flow == ret:
		if depth != i.spDelta {
			c.report(f, i.pc, "stack", "returns with %d bytes of stack in use", depth-i.spDelta)
		}
	case i.spConst:
		// Another stack, or SP as a scratch register: what of the oob stack lies above it is in use.
		sp, _ := c.image.word(i.pc + 8 + i.imm)
		s := c.stackSymbol
		if sp >= s.addr && sp <= s.end {
			return int32(s.end - sp)
		}
		return 0
	case i.spLost, i.spReg != 0, i.spDelta != 0 && i.cond != always:
		c.report(f, i.pc, "stack", "the stack pointer changes in a way that is not understood (%08x)", i.raw)
	default:
		return depth - i.spDelta
	}
	return depth
}

// note keeps what i does to memory near SP.
func (f *function) note(i *insn, before, after int32) {
	if i.rn != regSP {
		return
	}
	switch {
	case i.op == storeWord || i.op == storePart:
		depth := before
		if i.spBefore {
			depth = after
		}
		if to := int32(i.imm) - depth; to >= 0 {
			f.args = max(f.args, to+4)
		}
	case i.stores && i.spDelta == 0 || i.op == addReg || i.op == subReg:
		f.taken = -1 << 30
	case i.op == addImm && i.rd != regSP:
		f.taken = min(f.taken, int32(i.imm)-before)
	}
}
