package load

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
)

// Step is an instruction of the source that was executed, and what it found.
type Step struct {
	Insn   int
	Source string
	Line   Line   // zero where the object does not say
	Found  string // the operands of a comparison, the value of a load; "" of others
}

// Explanation is why a program has its verdict on a frame.
type Explanation struct {
	Verdict filter.Verdict
	Steps   []Step // the last one decided
	Why     string // in a sentence
}

// VerdictName names a verdict as EVL does.
func VerdictName(v filter.Verdict) string { return [4]string{"DROP", "ACCEPT", "SKIP", "VLAN"}[v&3] }

// Explain runs the program on a frame, instruction by instruction. It has a copy of the Program: the oob stage's goes on.
func (f *Filter) Explain(frame []byte) Explanation {
	p := f.Program
	buffer := make([]uint32, len(frame)/4+2)
	var pin runtime.Pinner // an address that is an integer keeps nothing in its place
	pin.Pin(&buffer[0])
	defer pin.Unpin()
	addr := uintptr(unsafe.Pointer(&buffer[0])) + 2 // as frames lie in their slots
	copy(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&buffer[0]), 2)), len(frame)), frame)

	var e Explanation
	if len(frame) < 14 {
		_, e.Verdict, _ = p.Step(addr, uint32(len(frame)), 0)
		e.Why = fmt.Sprintf("%s: the frame is shorter than its header", VerdictName(e.Verdict))
		return e
	}
	pc := uint32(0)
	for range bpf.MaxSteps {
		in, source := p.At(pc), f.from[min(int(pc), len(f.from)-1)]
		a, b := p.Word(in.Dst()), p.Word(in.Src())
		next, verdict, ended := p.Step(addr, uint32(len(frame)), pc)
		if len(e.Steps) == 0 || e.Steps[len(e.Steps)-1].Insn != source || next < pc {
			e.Steps = append(e.Steps, Step{Insn: source, Source: f.source[source], Line: lineOf(f.lines, source)})
		}
		last := &e.Steps[len(e.Steps)-1]
		if found := f.found(&p, in, a, b, ended); found != "" {
			last.Found = found
		}
		if ended {
			e.Verdict = verdict
			e.Why = e.why(in)
			return e
		}
		pc = next
	}
	e.Why = "DROP: out of steps"
	return e
}

// found describes what in did; a and b are its operands before.
func (f *Filter) found(p *bpf.Program, in bpf.Insn, a, b uint64, ended bool) string {
	switch op := in.Op(); {
	case bpf.JEQ <= op && op <= bpf.JSGE:
		return fmt.Sprintf("compares %#x with %#x", uint32(a), uint32(b))
	case bpf.JEQ64 <= op && op <= bpf.JSGE64:
		return fmt.Sprintf("compares %#x with %#x", a, b)
	case bpf.LdW <= op && op <= bpf.LdB, op == bpf.Msh:
		if ended {
			return fmt.Sprintf("reads byte %d of the frame, beyond its end", in.K)
		}
		return fmt.Sprintf("%#x at byte %d of the frame", p.Word(in.Dst()), in.K)
	case bpf.LdWI <= op && op <= bpf.LdBI:
		at := uint32(b) + in.K
		if !f.frame {
			at += ethernetLen
		}
		if ended {
			return fmt.Sprintf("reads byte %d of the frame, beyond its end", int32(at))
		}
		return fmt.Sprintf("%#x at byte %d of the frame", p.Word(in.Dst()), at)
	case op == bpf.LoadBytes || op == bpf.LoadFrame:
		if p.Word(0) != 0 {
			return "the bytes lie beyond the frame's end: -EFAULT"
		}
		return fmt.Sprintf("copies %d bytes", uint32(p.Word(4)))
	case op == bpf.RetR:
		return fmt.Sprintf("the value is %#x", uint32(a))
	}
	return ""
}

// why says which instruction decided, and which comparison led there.
func (e *Explanation) why(end bpf.Insn) string {
	last := &e.Steps[len(e.Steps)-1]
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %s", VerdictName(e.Verdict), last)
	if end.Op() == bpf.RetK || end.Op() == bpf.RetR {
		for i := len(e.Steps) - 2; i >= 0; i-- {
			if strings.HasPrefix(e.Steps[i].Found, "compares") {
				fmt.Fprintf(&b, ", where %s led", &e.Steps[i])
				break
			}
		}
	}
	return b.String()
}

// String returns the step in one line.
func (s *Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "instruction %d (%s)", s.Insn, s.Source)
	if s.Line.Line != 0 {
		fmt.Fprintf(&b, " of %v", s.Line)
	}
	if s.Found != "" {
		fmt.Fprintf(&b, ": %s", s.Found)
	}
	return b.String()
}
