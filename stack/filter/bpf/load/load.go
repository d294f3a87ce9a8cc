// Package load makes filter programs for the oob stage: eBPF objects that clang built, and classic BPF as tcpdump prints
// it, become programs of package bpf, or are refused by instruction and source line.
//
// A program is accepted when every path through it ends within bpf.MaxSteps steps by a verdict, and reads nothing but the
// frame, what it has written itself, and the fields of its context that exist here. Explain runs an accepted program on a
// frame and tells which instruction decided. docs/filters.md says what programs may contain.
//
// Nothing here trusts its input: objects come over the network.
//
// Stage: in-band, and the host. Follows: RFC 9669 (BPF instruction set, 2024); ELF-64 Object File Format 1.5 (1998); BPF
// Type Format (Linux 6.1, Documentation/bpf/btf.rst); McCanne and Jacobson, The BSD Packet Filter (1993). Does not
// support: maps, global data, calls of functions, atomic operations, 64-bit division, the instructions of cpu v4.
package load

import (
	"fmt"
	"strings"

	"mortise/stack/filter/bpf"
)

// Filter is an accepted program.
type Filter struct {
	// Program is ready to run: the oob stage's owner copies it.
	Program bpf.Program
	// Steps is how many steps the longest path takes.
	Steps int

	source []string // by instruction of the source: its text
	lines  []Line   // and its line, where known
	from   []int    // by instruction of Program: that of the source
	frame  bool     // offsets count from the frame's first byte
}

// Line is a line of a source file.
type Line struct {
	File string
	Line int
	Text string
}

// String returns the line as compilers print it.
func (l Line) String() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

// Refusal is why a program is not accepted.
type Refusal struct {
	Insn   int    // number of the instruction, -1 when it is none's fault
	Source string // its text
	Line   Line   // where it comes from, zero when the object does not say
	Why    string
}

// Error says all of it.
func (r *Refusal) Error() string {
	var b strings.Builder
	if r.Line.Line != 0 {
		fmt.Fprintf(&b, "%v: ", r.Line)
	}
	if r.Insn >= 0 {
		fmt.Fprintf(&b, "instruction %d", r.Insn)
		if r.Source != "" {
			fmt.Fprintf(&b, " (%s)", r.Source)
		}
		b.WriteString(": ")
	}
	b.WriteString(r.Why)
	if r.Line.Text != "" {
		fmt.Fprintf(&b, "\n\t%s", strings.TrimSpace(r.Line.Text))
	}
	return b.String()
}

// assembler collects the instructions and constants of a Program.
type assembler struct {
	code   bpf.Code
	from   []int
	consts map[uint64]uint8
	source int   // instruction of the source that is translated now
	jumps  []int // those whose targets are instructions of the source
	full   bool
}

// constant returns the word that holds v.
func (a *assembler) constant(v uint64) uint8 {
	if w, ok := a.consts[v]; ok {
		return w
	}
	if len(a.code.Consts) == bpf.Words-bpf.ConstWord {
		a.full = true
		return 0
	}
	if a.consts == nil {
		a.consts = map[uint64]uint8{}
	}
	w := uint8(bpf.ConstWord + len(a.code.Consts))
	a.code.Consts = append(a.code.Consts, v)
	a.consts[v] = w
	return w
}

// emit appends an instruction.
func (a *assembler) emit(op bpf.Op, dst, src, size uint8, k uint32) {
	a.code.Insns = append(a.code.Insns, bpf.Make(op, dst, src, size, k))
	a.from = append(a.from, a.source)
}

// divide appends a division of the word dst by src, or of what it leaves: bpf.DivSteps instructions and one at most. zero says that
// src may be 0.
func (a *assembler) divide(modulo bool, dst, src uint8, zero bool) {
	if src == dst {
		a.emit(bpf.Mov, bpf.Temporary, src, 0, 0)
		src = bpf.Temporary
	}
	a.emit(bpf.Mov, bpf.Rest, a.constant(0), 0, 0)
	size := uint8(0)
	if zero && !modulo {
		size = 1
	}
	for range 16 {
		a.emit(bpf.Divide, dst, src, size, 0)
	}
	if modulo {
		a.emit(bpf.Mov, dst, bpf.Rest, 0, 0)
	}
}

// jump appends a jump whose targets are instructions of the source: link makes them the Program's.
func (a *assembler) jump(op bpf.Op, dst, src uint8, taken, next int) {
	a.jumps = append(a.jumps, len(a.code.Insns))
	a.emit(op, dst, src, 0, uint32(taken)|uint32(next)<<16)
}

// link gives the jumps the targets in start, by instruction of the source.
func (a *assembler) link(start []int) {
	for _, i := range a.jumps {
		k := a.code.Insns[i].K
		a.code.Insns[i].K = uint32(start[k&0xffff]) | uint32(start[k>>16])<<16
	}
}

// build makes f's Program of what was collected.
func (a *assembler) build(f *Filter) error {
	if a.full {
		return &Refusal{Insn: -1, Why: fmt.Sprintf("it has more different constants than fit: %d", bpf.Words-bpf.ConstWord)}
	}
	f.from, a.code.Steps = a.from, f.Steps
	if err := f.Program.Build(&a.code); err != nil {
		return &Refusal{Insn: -1, Why: err.Error()}
	}
	return nil
}
