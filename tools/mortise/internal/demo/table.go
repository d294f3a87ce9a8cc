package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mortise/stack/gateway"
)

// Row is a flow's line in the table.
type Row struct {
	Name  string
	Cells [NumPhases]Cell
}

// Load is what has loaded in-band so far.
type Load struct {
	Requests, Errors int // HTTP requests over TCP
	Collections      int // garbage collections in the firmware; -1: not known
}

// View is what there is to show at one moment.
type View struct {
	Elapsed time.Duration
	Phase   Phase
	Rows    []Row
	Load    Load
}

const (
	nameWidth = 18
	cellWidth = 37
)

// Table renders the view: a line a flow, the phases side by side.
func (v View) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", nameWidth, "virtual µs")
	for phase := range NumPhases {
		fmt.Fprintf(&b, " │ %*s", cellWidth, "in-band "+phase.String())
	}
	fmt.Fprintf(&b, "\n%-*s", nameWidth, "")
	for range NumPhases {
		fmt.Fprintf(&b, " │ %7s %5s %7s %7s %7s", "sent", "lost", "median", "99 %", "max")
	}
	b.WriteByte('\n')
	stock := false
	for _, row := range v.Rows {
		stock = stock || !row.realTime()
		fmt.Fprintf(&b, "%-*s", nameWidth, row.Name)
		for _, c := range row.Cells {
			fmt.Fprintf(&b, " │ %7s %5s %7s %7s %7s", count(c.Sent, c.Sent), count(c.Lost, c.Sent),
				count(int(c.Median.Microseconds()), c.Answered), count(int(c.P99.Microseconds()), c.Answered),
				count(int(c.Max.Microseconds()), c.Answered))
		}
		b.WriteByte('\n')
	}
	if stock {
		fmt.Fprintf(&b, "%s %s\n", stockMark, gateway.StockDriver)
	}
	return b.String()
}

// realTime reports whether the row's flow is one over an oob-capable driver.
func (r *Row) realTime() bool { return !strings.HasSuffix(r.Name, stockMark) }

// Line renders the current phase in one line, for output that cannot be redrawn.
func (v View) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4.0f s %-6s", v.Elapsed.Seconds(), v.Phase)
	for _, row := range v.Rows {
		c := row.Cells[v.Phase]
		fmt.Fprintf(&b, " │ %s", row.Name)
		if c.Answered > 0 {
			fmt.Fprintf(&b, " %d/%d/%d µs", c.Median.Microseconds(), c.P99.Microseconds(), c.Max.Microseconds())
		}
		fmt.Fprintf(&b, ", %d of %d lost", c.Lost, c.Sent)
	}
	return b.String()
}

// Status says where the run is.
func (v View) Status() string {
	return fmt.Sprintf("%.0f s, in-band is %s; %s", v.Elapsed.Seconds(), v.Phase, v.Load)
}

func (l Load) String() string {
	s := fmt.Sprintf("load so far: %d HTTP requests, %d failed", l.Requests, l.Errors)
	if l.Collections >= 0 {
		s += fmt.Sprintf(", %d garbage collections", l.Collections)
	}
	return s
}

// count renders n, and a dash when there was nothing to count.
func count(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprint(n)
}

// Screen shows views one after another: in place on a terminal, line by line otherwise.
type Screen struct {
	w       io.Writer
	inPlace bool
	height  int // lines of the view on the screen
}

// NewScreen returns a screen that writes to w.
func NewScreen(w io.Writer, inPlace bool) *Screen { return &Screen{w: w, inPlace: inPlace} }

// Show replaces the view on the screen, or adds a line.
func (s *Screen) Show(v View) {
	if !s.inPlace {
		fmt.Fprintln(s.w, v.Line())
		return
	}
	text := v.Table() + "\n" + v.Status() + " (^C ends the run)\n"
	const up, clearBelow = "\x1b[%dA", "\x1b[J" // ECMA-48, 8.3.22 CUU and 8.3.39 ED
	if s.height > 0 {
		fmt.Fprintf(s.w, up, s.height)
	}
	fmt.Fprint(s.w, "\r"+clearBelow+text)
	s.height = strings.Count(text, "\n")
}

// Period is how often Show is worth calling.
func (s *Screen) Period() time.Duration {
	if s.inPlace {
		return 500 * time.Millisecond
	}
	return 2 * time.Second
}
