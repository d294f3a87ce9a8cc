// Package bpf runs filter programs in the oob stage: classic BPF and eBPF, both in one flat form.
//
// A Program is a plain value of fixed size without pointers: package load makes it in-band from what tcpdump or clang
// built, and refuses what is not bounded and memory-safe; the oob stage's owner copies it and calls Run for each frame.
// Nothing is generated at run time: exec interprets. What it does is safe for any value of a Program, be it verified or
// not: operands are named by a byte in a file of 256 words, the program counter is masked, packet and stack accesses are
// checked, and the number of steps is limited.
//
// The file of words holds the registers, the stack of 512 bytes and the program's constants, so that an instruction has
// one kind of operand only, and a spilled register is one more word. Package load chooses 32-bit instructions wherever it
// has shown that the result is the same: on GOARCH=arm they cost two thirds of the 64-bit ones.
//
// Stage: any. Follows: RFC 9669 (BPF instruction set, 2024), as package load translates it. Does not support: maps,
// writing to the packet, 64-bit division.
package bpf

import "mortise/stack/filter"

// Limits.
const (
	// MaxInsns is how many instructions a Program holds: tcpdump's longest everyday expressions take some 200.
	MaxInsns = 512
	// MaxSteps is how many steps a run may take: the static bound of the time that a frame costs. A step is an instruction; a
	// helper that copies takes one more for four bytes, a division DivSteps more.
	MaxSteps = 256
	// DivSteps is what a division costs beyond its own step.
	DivSteps = 8
	// StackSize is the size in bytes of a program's stack.
	StackSize = 512
)

// The file of words.
const (
	Regs      = 16             // words of registers: R0 to R10, and what the translation needs
	StackWord = Regs           // first word of the stack
	ConstWord = StackWord + 64 // first word of the constants
	Words     = 256
)

// ethernetLen is the shortest frame that Run looks into.
const ethernetLen = 14

// running is set in what exec returns when there is no verdict yet; an instruction's number is below it.
const running = 1 << 16

// Program is a program that is ready to run. The zero value drops every frame.
//
// CAUTION: only what package load returns is known to end by a verdict of its own; any other is merely safe.
type Program struct {
	file [2*Words + 2]uint32 // low and high halves in turn; two more, so that any half has a high one
	code [MaxInsns + 1]Insn  // the last one is never written: RetK, with the verdict DROP
	base uint32              // offset in the frame of the program's byte 0
	ret  [2]uint32           // the verdicts for the value 0 and for any other; ret[0] is codes where values are verdicts
	n    uint32              // instructions
	left uint32              // steps, where exec stopped
}

// codes in ret[0] says that the value which a program returns is the verdict.
const codes = 1 << 31

// Insn is an instruction: Op, destination, source and size in a word, from the highest bit down, and a constant. Words have
// nine bits, twice their number.
type Insn struct{ W, K uint32 }

const (
	opShift  = 25
	dstShift = 17
	srcShift = 8
	sizeMask = 1<<7 - 1
)

// Make returns an instruction.
//
//oob:stage inband
func Make(op Op, dst, src, size uint8, k uint32) Insn {
	return Insn{uint32(op)<<opShift | uint32(dst)<<dstShift | uint32(src)<<srcShift | uint32(size)&sizeMask, k}
}

// Op returns the instruction's operation.
//
//oob:stage inband
func (i Insn) Op() Op { return Op(i.W >> opShift) }

// Dst returns the word that the instruction changes, or compares.
//
//oob:stage inband
func (i Insn) Dst() uint8 { return uint8(i.W >> dstShift) }

// Src returns the word that the instruction reads.
//
//oob:stage inband
func (i Insn) Src() uint8 { return uint8(i.W >> srcShift) }

// Run returns the program's verdict on the frame of n bytes at addr, which is a multiple of four plus two. What lies outside
// of the frame is never read; nothing in it is changed. A run uses the program's own memory: one at a time.
//
//oob:stage any
func (p *Program) Run(addr uintptr, n uint32) filter.Verdict {
	if n < ethernetLen {
		return p.verdict(0)
	}
	pc, steps := uint32(0), uint32(MaxSteps)
	for range MaxSteps/2 + 1 { // what is slow takes two steps at least
		r := p.exec(addr, n, pc, steps)
		if r < running {
			return filter.Verdict(r)
		}
		var ok bool
		if steps, ok = p.slow(addr, n, r%running, p.left); !ok {
			break
		}
		pc = r%running + 1
	}
	return filter.Drop
}

// verdict returns what the value v stands for.
//
//oob:stage any
func (p *Program) verdict(v uint32) filter.Verdict {
	if p.ret[0] >= codes {
		if v > uint32(filter.VLAN) {
			return filter.Skip // as EVL takes what is no code
		}
		return filter.Verdict(v)
	}
	if v == 0 {
		return filter.Verdict(p.ret[0] & 3)
	}
	return filter.Verdict(p.ret[1] & 3)
}
