package stage

import (
	"fmt"
	"strings"
)

// Kind says which exception ended an activation.
type Kind uint32

// The kinds, by vector on ARMv7; the last is the FIQ's.
const (
	Undefined Kind = iota + 1
	SupervisorCall
	PrefetchAbort
	DataAbort
	Endless // the watchdog's warning came amid the activation; ARMv7 only
)

func (k Kind) String() string {
	switch k {
	case Undefined:
		return "undefined instruction"
	case SupervisorCall:
		return "supervisor call"
	case PrefetchAbort:
		return "prefetch abort"
	case DataAbort:
		return "data abort"
	case Endless:
		return "activation that does not end"
	}
	return fmt.Sprintf("Kind(%d)", uint32(k))
}

// maxChain bounds a call chain.
const maxChain = 24

// A Call is an element of a call chain.
type Call struct {
	PC   uintptr
	Func string // empty when PC is not in the image's text
	File string
	Line int
}

func (c Call) String() string {
	if c.Func == "" {
		return fmt.Sprintf("%#08x", c.PC)
	}
	return fmt.Sprintf("%s (%s:%d)", c.Func, c.File[strings.LastIndexByte(c.File, '/')+1:], c.Line)
}

// A Fault is a fault of oob code, as in-band reports it.
type Fault struct {
	Kind       Kind
	PC, LR, SP uintptr      // LR is 0 for an endless activation: unknown
	Addr       uintptr      // that was accessed, of a data or prefetch abort
	Registers  fmt.Stringer // the others: RegistersV7 or RegistersV8
	Inband     uint32       // PSR of the in-band context that the activation had interrupted
	Time       uint32       // Now at the fault
	Number     uint32       // 1 for the first fault since Init

	Chain []Call // innermost call first
	// Cause is the service of the Go runtime that the oob code called ("runtime.panicdivide"), or empty when the oob code
	// itself faulted.
	Cause string
	// Second is the fault that the containment of this one had, nil as a rule; its fallback writes were not all made.
	Second *Fault
	// Func is the oob function to blame: the first of Chain that is not Go's own.
	Func Call
}

func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oob fault %d: %v in %v", f.Number, f.Kind, f.Func)
	if f.Cause != "" {
		fmt.Fprintf(&b, ", through %s", f.Cause)
	}
	fmt.Fprintf(&b, "\n  pc %08x lr %08x sp %08x, in-band psr %08x\n%v", f.PC, f.LR, f.SP, f.Inband, f.Registers)
	for _, c := range f.Chain {
		fmt.Fprintf(&b, "    %v\n", c)
	}
	if s := f.Second; s != nil && len(s.Chain) > 0 {
		fmt.Fprintf(&b, "  and, while it was being contained, a %v in %v: pc %08x addr %08x\n",
			s.Kind, s.Chain[0], s.PC, s.Addr)
	}
	return b.String()
}

// image is what a call chain is read from: the running image's text and symbols, and the oob stack.
type image interface {
	// Load returns the word at addr, which is a multiple of 4; ok is false outside of text and stack.
	Load(addr uintptr) (w uint32, ok bool)
	// Function returns the name and the address of the function that pc is in; ok is false when there is none.
	Function(pc uintptr) (name string, entry uintptr, ok bool)
	// Calls returns the calls that the instruction at pc belongs to, innermost first: two or more where a function is
	// inlined.
	Calls(pc uintptr) []Call
}

// explain completes f by the calls that led to it.
func (f *Fault) explain(m image, chain []uintptr) {
	for _, pc := range chain {
		f.Chain = append(f.Chain, m.Calls(pc)...)
	}
	f.Func, f.Cause = blame(f.Chain)
}

// blame returns the innermost call of a function that is not Go's own, and the function of Go's that it called.
func blame(calls []Call) (c Call, cause string) {
	for i, c := range calls {
		switch {
		case isLibrary(c.Func):
			cause = c.Func
		case c.Func == "" && i+1 < len(calls): // a jump to nowhere is its caller's fault
		default:
			return c, cause
		}
	}
	return c, cause
}

// isLibrary reports whether the function is Go's: its package path has no dot in the first element and is not ours.
func isLibrary(name string) bool {
	pkg := name[:strings.LastIndexByte(name, '/')+1]
	if pkg == "" {
		pkg, _, _ = strings.Cut(name, ".")
		return pkg != "main" && pkg != ""
	}
	first, _, _ := strings.Cut(pkg, "/")
	return first != module && !strings.Contains(first, ".")
}

const module = "mortise"
