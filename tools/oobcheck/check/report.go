package check

import (
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is the result of a check.
type Report struct {
	File       string  `json:"file"`
	StackBytes int     `json:"stack_bytes"`
	GuardBytes int     `json:"guard_bytes"`
	Entries    []Entry `json:"entries"`
}

// Entry is the result for one function at which activations begin.
type Entry struct {
	Name         string    `json:"name"`
	StackBytes   int       `json:"worst_stack_bytes"`
	StackChain   []Call    `json:"worst_stack_chain"`
	Instructions int64     `json:"worst_instructions"` // −1: not bounded
	Functions    int       `json:"functions"`
	CodeBytes    int       `json:"code_bytes"`
	Findings     []Finding `json:"findings"`
	Costs        []Cost    `json:"costs"`
	Loops        []Loop    `json:"loops"`
}

// Loop is a loop that the entry's code reaches.
type Loop struct {
	Func    string   `json:"func"`
	At      Position `json:"at"`
	Rounds  int64    `json:"rounds"`  // at most, beyond the first; −1: not bounded
	Derived bool     `json:"derived"` // from the code; else as an annotation says
	// Total, as an annotation says, bounds the rounds in each call of Scope together.
	Total int64  `json:"total,omitempty"`
	Scope string `json:"scope,omitempty"`
}

// Cost is what one call of a function takes at worst, callees included.
type Cost struct {
	Func         string `json:"func"`
	Instructions int64  `json:"worst_instructions"`
	StackBytes   int    `json:"worst_stack_bytes"`
}

// Finding is something that the entry's code may not do.
type Finding struct {
	Kind  string   `json:"kind"`
	Text  string   `json:"text"`
	At    Position `json:"at"`
	Chain []Call   `json:"chain"` // from the entry to the function, each with the line of its call of the next; last At
}

// Call is a step of a chain of calls.
type Call struct {
	Func string   `json:"func"`
	At   Position `json:"at"`
}

// Passed reports whether nothing was found.
func (r *Report) Passed() bool {
	return !slices.ContainsFunc(r.Entries, func(e Entry) bool { return len(e.Findings) > 0 })
}

// String sums the report up in a line.
func (r *Report) String() string {
	var stack, functions, findings int
	var most int64
	for _, e := range r.Entries {
		stack, functions, findings = max(stack, e.StackBytes), max(functions, e.Functions), findings+len(e.Findings)
		if most >= 0 && (e.Instructions > most || e.Instructions < 0) {
			most = e.Instructions
		}
	}
	verdict := "PASS"
	if findings > 0 {
		verdict = fmt.Sprintf("FAIL, %d findings", findings)
	}
	return fmt.Sprintf("%s: %d functions, at worst %d of %s bytes of stack and %s instructions an activation", verdict, functions,
		stack, number(int64(r.StackBytes-r.GuardBytes)), number(most))
}

// entry makes the result of an entry, whose stack may have limit bytes.
func (c *checker) entry(root, saver *function, limit int) Entry {
	e := Entry{Name: root.name, StackBytes: int(root.worst), Instructions: root.cost(""), Findings: []Finding{}}
	type step struct {
		caller *function
		pc     uint64
	}
	via := map[*function]step{root: {}}
	for work := []*function{root}; len(work) > 0; {
		f := work[0]
		work = work[1:]
		e.Functions++
		e.CodeBytes += int(f.end - f.addr)
		cost := Cost{Func: f.name, Instructions: f.cost(""), StackBytes: int(f.worst)}
		if f.unbounded {
			cost.Instructions, e.Instructions = -1, -1
		}
		e.Costs = append(e.Costs, cost)
		e.Loops = append(e.Loops, f.bounds...)
		for _, found := range append(f.findings[:len(f.findings):len(f.findings)], f.unsaved(saver)...) {
			n := Finding{Kind: found.kind, Text: found.text, At: c.image.position(found.pc)}
			for g, pc := f, found.pc; g != nil; g, pc = via[g].caller, via[g].pc {
				n.Chain = append(n.Chain, Call{g.name, c.image.position(pc)})
			}
			slices.Reverse(n.Chain)
			e.Findings = append(e.Findings, n)
		}
		for _, edge := range f.callees {
			if _, seen := via[edge.callee]; !seen {
				via[edge.callee] = step{f, edge.pc}
				work = append(work, edge.callee)
			}
		}
	}
	slices.SortStableFunc(e.Costs, func(a, b Cost) int { return int(max(-1, min(1, b.Instructions-a.Instructions))) })
	for f := root; f != nil; {
		at := f.addr
		var callee *function
		if f.worstAt != nil {
			at, callee = f.worstAt.pc, f.worstAt.callee
		}
		e.StackChain = append(e.StackChain, Call{f.name, c.image.position(at)})
		f = callee
	}
	if e.StackBytes > limit {
		e.Findings = append(e.Findings, Finding{
			Kind: "stack", Text: fmt.Sprintf("%d bytes of stack at worst, %d are there", e.StackBytes, limit),
			At: e.StackChain[len(e.StackChain)-1].At, Chain: e.StackChain,
		})
	}
	return e
}

// unsaved returns the first instruction of f that changes vector registers which saver has not saved: they are in-band's.
func (f *function) unsaved(saver *function) []finding {
	for _, u := range f.vectors {
		switch left := u.changes &^ saver.saved; {
		case left != 0:
			return []finding{{u.pc, "floating point", fmt.Sprintf("V%d changes, which %s does not save: it is in-band's",
				bits.TrailingZeros32(left), short(saver.name))}}
		case u.float && !saver.fpsr:
			return []finding{{u.pc, "floating point", fmt.Sprintf("computes with vector registers, and %s does not save FPSR", short(saver.name))}}
		}
	}
	return nil
}

// Write prints the report: a table, then each finding with the calls that lead to it.
func (r *Report) Write(w io.Writer, costs bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "oob entry\tfunctions\tbytes\tworst stack\tof\tworst instructions\t  \n")
	for _, e := range r.Entries {
		verdict := "  PASS"
		if n := len(e.Findings); n > 0 {
			verdict = fmt.Sprintf("  FAIL: %d findings", n)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", short(e.Name), e.Functions, e.CodeBytes, e.StackBytes,
			r.StackBytes-r.GuardBytes, number(e.Instructions), verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if costs {
		for _, e := range r.Entries {
			fmt.Fprintf(w, "\n%s: at worst, callees included\n", short(e.Name))
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
			for _, c := range e.Costs {
				fmt.Fprintf(t, "%s\t%d\t  %s\n", number(c.Instructions), c.StackBytes, short(c.Func))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(w, "\n%s: loops\n", short(e.Name))
			for _, l := range e.Loops {
				how := "stated"
				if l.Derived {
					how = "derived"
				}
				if l.Scope != "" {
					how += fmt.Sprintf("; %s stated for %s", number(l.Total), l.Scope)
				}
				fmt.Fprintf(t, "%s\t%s\t  %v  %s\n", number(l.Rounds), how, l.At, short(l.Func))
			}
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	printed := map[string]bool{}
	for _, e := range r.Entries {
		for _, f := range e.Findings {
			text := f.String()
			if !printed[text] {
				printed[text] = true
				if _, err := fmt.Fprintf(w, "\n%s", text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s: %s\n", f.At, f.Kind, f.Text)
	for _, c := range f.Chain {
		fmt.Fprintf(&b, "\t%s  %v\n", short(c.Func), c.At)
	}
	return b.String()
}

func short(name string) string { return strings.TrimPrefix(name, module+"/") }

// number writes n with commas, and −1 as what it means.
func number(n int64) string {
	if n < 0 {
		return "unbounded"
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Activation returns the most instructions of an activation, −1 if it is not bounded. The first entry is where they begin.
func (r *Report) Activation() int64 { return r.Entries[0].Instructions }
