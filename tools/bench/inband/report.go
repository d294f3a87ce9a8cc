package inband

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"mortise/tools/qemu"
)

// Report is what both images cost.
type Report struct {
	QEMU    string // version
	Results []Result
}

// find returns the result of a case on an image.
func (r *Report) find(name string, image Image) (Result, bool) {
	for _, result := range r.Results {
		if result.Case == name && result.Image == image {
			return result, true
		}
	}
	return Result{}, false
}

// Check returns what was missed, a line each: a bound, or to cost no more than stock. A longest time is a whole number of
// releases, too coarse to be compared so.
func (r *Report) Check(cases []Case) (missed []string) {
	for _, c := range cases {
		ours, ok := r.find(c.Name, Ours)
		if !ok {
			missed = append(missed, c.Name+": not measured")
			continue
		}
		if ours.Cost > c.Bound {
			missed = append(missed, fmt.Sprintf("%s: %s a %s, want at most %s", c.Name, group(ours.Cost), c.Unit, group(c.Bound)))
		}
		if stock, ok := r.find(c.Name, Stock); ok && !c.Worst && ours.Cost > stock.Cost {
			missed = append(missed, fmt.Sprintf("%s: %s a %s, want no more than stock's %s", c.Name, group(ours.Cost), c.Unit,
				group(stock.Cost)))
		}
	}
	return missed
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer, cases []Case) error {
	const format = "%-32s %-10s %12s %12s %9s\n"
	if _, err := fmt.Fprintf(w, "In-band cost through lan0 in guest instructions, idle time not counted. QEMU %s.\n\n"+format,
		r.QEMU, "case", "a", "mortise", "stock", "of stock"); err != nil {
		return err
	}
	for _, c := range cases {
		ours, stock, ratio := "–", "–", "–"
		o, measured := r.find(c.Name, Ours)
		if measured {
			ours = group(o.Cost)
		}
		if s, ok := r.find(c.Name, Stock); ok {
			stock = group(s.Cost)
			if measured && s.Cost > 0 {
				ratio = fmt.Sprintf("%.0f %%", 100*float64(o.Cost)/float64(s.Cost))
			}
		}
		if _, err := fmt.Fprintf(w, format, c.About, c.Unit, ours, stock, ratio); err != nil {
			return err
		}
	}
	for _, missed := range r.Check(cases) {
		if _, err := fmt.Fprintf(w, "MISSED: %s\n", missed); err != nil {
			return err
		}
	}
	return nil
}

// group writes n with a comma between thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Measure runs cases on each of images.
func Measure(ctx context.Context, e *qemu.Emulator, images Images, dir string, cases []Case) (*Report, error) {
	report := &Report{QEMU: e.Version.String()}
	for _, image := range []Image{Ours, Spin, Stock} {
		var its []Case
		for _, c := range cases {
			if slices.Contains(c.images(), image) {
				its = append(its, c)
			}
		}
		if images[image] == "" || its == nil {
			continue
		}
		results, err := Run(ctx, e, images[image], dir, image, its)
		if err != nil {
			return nil, err
		}
		report.Results = append(report.Results, results...)
	}
	return report, nil
}
