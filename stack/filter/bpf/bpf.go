// Package bpf runs filter programs in the oob stage: classic BPF and eBPF, both in one flat form.
//
// A Program is a plain value of fixed size without pointers: package load makes it in-band from what tcpdump or clang
// built, and refuses what is not bounded and memory-safe; the oob stage's owner copies it and calls Run for each frame.
// Nothing is generated at run time: Run interprets. What it does is safe for any value of a Program, be it verified or
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
	// DivSteps is what a division costs beyond its own step: sixteen for two bits each, two to make them ready and take the rest.
	DivSteps = 18
	// PollSteps bounds the steps of all runs of a device's program in an activation: who runs it must see to it by Frames. It
	// is a choice: a program of 24 steps, as usual ones have, runs for each frame of a full activation, and the bound of the
	// longest activation grows by a fifth.
	PollSteps = 768
	// StackSize is the size in bytes of a program's stack.
	StackSize = 512
)

// The file of words.
const (
	Regs      = 16             // words of registers: R0 to R10, and those below
	CopyLeft  = 11             // bytes to be copied
	CopyTo    = 12             // where to in the stack
	CopyFrom  = 13             // where from in the frame
	Rest      = 14             // of a division
	Temporary = 15             // for what the translation needs
	StackWord = Regs           // first word of the stack
	ConstWord = StackWord + 64 // first word of the constants
	Words     = 256
)

// ethernetLen is the shortest frame that Run looks into.
const ethernetLen = 14

// Program is a program that is ready to run. The zero value drops every frame.
//
// CAUTION: only what package load returns is known to end by a verdict of its own; any other is merely safe.
type Program struct {
	file  [2*Words + 2]uint32 // low and high halves in turn; two more, so that any half has a high one
	code  [MaxInsns + 1]Insn  // the last one is never written: RetK, with the verdict DROP
	base  uint32              // offset in the frame of the program's byte 0
	ret   [2]uint32           // the verdicts for the value 0 and for any other; ret[0] is codes where values are verdicts
	n     uint32              // instructions
	first uint32              // where a run begins; 0 but in Step
	limit uint32              // steps that a run may take
	left  uint32              // steps, where it ended
	next  uint32              // the instruction that it did not come to
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

// Steps returns how many steps the last run took.
//
//oob:stage any
func (p *Program) Steps() uint32 { return p.limit - p.left }

// Frames returns for how many frames, of most, the program may run in an activation.
//
//oob:stage inband
func (p *Program) Frames(most uint32) uint32 { return min(most, PollSteps/max(p.limit, 1)) }

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
