package bpf

import (
	"fmt"

	"mortise/stack/filter"
)

// Code is what a Program is built from.
type Code struct {
	Insns  []Insn
	Consts []uint64 // the words from ConstWord on
	// Base is the offset in the frame of the program's byte 0.
	Base uint32
	// Codes says that the value which the program returns is the verdict. Else 0 stands for Zero and any other for Else.
	Codes      bool
	Zero, Else filter.Verdict
	// Steps is how many steps the longest path takes; a run that takes more drops the frame.
	Steps int
}

// Build makes p the program of c. What is not there drops the frame.
//
//oob:stage inband
func (p *Program) Build(c *Code) error {
	if len(c.Insns) > MaxInsns {
		return fmt.Errorf("%d instructions, at most %d fit", len(c.Insns), MaxInsns)
	}
	if len(c.Consts) > Words-ConstWord {
		return fmt.Errorf("%d different constants, at most %d fit", len(c.Consts), Words-ConstWord)
	}
	if c.Steps < 1 || c.Steps > MaxSteps {
		return fmt.Errorf("%d steps, 1 to %d are allowed", c.Steps, MaxSteps)
	}
	*p = Program{limit: uint32(c.Steps), base: c.Base, n: uint32(len(c.Insns)), ret: [2]uint32{uint32(c.Zero & 3), uint32(c.Else & 3)}}
	if c.Codes {
		p.ret[0] = codes
	}
	copy(p.code[:], c.Insns)
	for i, v := range c.Consts {
		p.file[2*(ConstWord+i)], p.file[2*(ConstWord+i)+1] = uint32(v), uint32(v>>32)
	}
	p.file[2*10] = StackSize
	return nil
}

// Len returns the number of instructions.
//
//oob:stage inband
func (p *Program) Len() int { return int(p.n) }

// At returns the instruction at pc.
//
//oob:stage inband
func (p *Program) At(pc uint32) Insn { return p.code[pc%MaxInsns] }

// Word returns the word i of the file.
//
//oob:stage inband
func (p *Program) Word(i uint8) uint64 {
	return uint64(p.file[2*int(i)]) | uint64(p.file[2*int(i)+1])<<32
}

// Step executes the instruction at pc alone on a frame as Run's. It returns the verdict when the
// program has ended, else the next program counter.
//
//oob:stage inband
func (p *Program) Step(addr uintptr, n, pc uint32) (next uint32, verdict filter.Verdict, ended bool) {
	if n < ethernetLen {
		return pc, p.verdict(0), true
	}
	const none = ^uint32(0)
	limit := p.limit
	p.first, p.limit, p.next = pc, 1, none
	verdict = p.Run(addr, n)
	next, p.first, p.limit = p.next, 0, limit
	if next == none {
		return pc, verdict, true
	}
	return next, 0, false
}
