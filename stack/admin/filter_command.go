package admin

import (
	"fmt"
	"io"
	"strings"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/gateway"
)

// filterCommand shows, sets or removes a device's program: evl net -F.
func (a *Admin) filterCommand(w io.Writer, args []string) error {
	p := Program{Returns: load.Matching}
	var match, other string
	o, err := parse(args, 0, 1, func(o *options) {
		o.interfaceFlag()
		o.StringVar(&p.Function, "f", "", "")
		o.StringVar(&match, "m", "", "")
		o.StringVar(&other, "e", "", "")
		o.BoolVar(&p.Returns.Codes, "c", false, "")
	})
	if err == nil && o.Arg(0) != "" {
		err = o.needName("device")
	}
	if err == nil {
		p.Returns, err = returns(match, other, p.Returns.Codes)
	}
	if err != nil {
		return err
	}
	switch p.Name = o.Arg(0); p.Name {
	case "":
		return a.tellFilters(w, o.name)
	case "none":
		err = a.RemoveFilter(o.name)
	default:
		err = a.SetFilter(o.name, p)
	}
	if err != nil {
		return err
	}
	return a.tellFilters(w, o.name)
}

// returns reads what a classic program's value means.
func returns(match, other string, codes bool) (r load.Returns, err error) {
	r = load.Matching
	if r.Codes = codes; codes && match+other != "" {
		return r, fmt.Errorf("codes: %w: match and else are for a program whose value is no verdict", ErrInvalid)
	}
	for _, v := range []struct {
		text string
		to   *filter.Verdict
	}{{match, &r.Match}, {other, &r.Else}} {
		if v.text == "" {
			continue
		}
		verdict, ok := gateway.Verdicts[v.text]
		if !ok {
			return r, fmt.Errorf("verdict %q: %w, want accept, skip, drop or vlan", v.text, ErrInvalid)
		}
		*v.to = verdict
	}
	return r, nil
}

// tellFilters writes a line of a device's program, or of each device's.
func (a *Admin) tellFilters(w io.Writer, name string) error {
	list := a.Filters()
	if name != "" {
		f, err := a.Filter(name)
		if err != nil {
			return err
		}
		list = []Filter{f}
	}
	for _, f := range list {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	return nil
}

func (f Filter) String() string {
	if f.Name == "" {
		return f.Device + ": no filter program"
	}
	s := f.Device + ": " + f.Name
	if f.Function != "" {
		s += " " + f.Function
	}
	v := f.Verdicts
	return s + fmt.Sprintf(", %d instructions, at most %d steps a frame, %d frames an activation; DROP %d, ACCEPT %d, SKIP %d, VLAN %d; %d steps in all, %d at most",
		f.Insns, f.Most, f.Frames, v.Drop, v.Accept, v.Skip, v.VLAN, f.Steps, f.Longest)
}

// explainCommand says what becomes of a frame, and why.
func (a *Admin) explainCommand(w io.Writer, args []string) error {
	o, err := parse(args, 1, 1522, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("device")
	}
	if err != nil {
		return err
	}
	frame, err := ParseFrame(strings.Join(o.Args(), ""))
	if err != nil {
		return err
	}
	e, err := a.Explain(o.name, frame)
	if err != nil {
		return err
	}
	for _, line := range e.Why {
		if _, err := fmt.Fprintf(w, "  %s\n", line); err != nil {
			return err
		}
	}
	counted := ""
	if e.Counter != "" {
		counted = ", counted as " + e.Counter
	}
	_, err = fmt.Fprintf(w, "%s: %s by %s%s\n", e.Device, e.Verdict, e.By, counted)
	return err
}
