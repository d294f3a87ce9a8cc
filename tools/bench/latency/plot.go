package latency

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// The plot's geometry, in pixels. Panels stand in rows, which are as high as their longest legend needs; each has its axes, and its legend
// on their right.
const (
	plotTop     = 50 // above the first row, for the title
	plotColumns = 2

	panelWidth, panelHeight = 720, 270
	axesLeft, axesTop       = 60, 34 // in the panel
	axesWidth, axesHeight   = 400, 180
	legendLeft              = axesLeft + axesWidth + 24
	legendLine              = 15
)

// linearLimit is the largest latency, in instructions, that a panel with a linear axis shows; above, it is logarithmic.
const linearLimit = 5000

// linearStep is what a linear axis ends at a multiple of, and where its lines are.
const linearStep = 500

// plotColours tell curves apart; the dash pattern changes when they have all been used.
var plotColours = []string{"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#7f7f7f"}

// panel is the curves that are plotted together.
type panel struct {
	title  string
	curves []curve
	axis   axis
}

// curve is a distribution and the cases that have it.
type curve struct {
	cases  []string
	points []point
}

// point says which share of the requests took so many instructions or less. Lost requests count as endless: the curve ends
// below 1.
type point struct {
	instructions int64
	share        float64
}

// WriteSVG plots the cumulative distributions: for each latency, how many requests of a hundred took as long or less.
func (r *Report) WriteSVG(w io.Writer) error {
	panels := r.panels()
	top := []int{plotTop} // of the rows, and of what is below them
	for row := range slices.Chunk(panels, plotColumns) {
		height := panelHeight
		for i := range row {
			height = max(height, row[i].height())
		}
		top = append(top, top[len(top)-1]+height)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		plotColumns*panelWidth, max(top[len(top)-1], plotTop+panelHeight))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15">Wire-to-wire latency in guest instructions, virtual time: how many requests took as long or less (QEMU %s)</text>`+"\n",
		axesLeft, html.EscapeString(r.QEMU))
	for i := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%plotColumns*panelWidth, top[i/plotColumns])
		panels[i].write(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// panels sorts the results into panels. Those with a linear axis have the same one.
func (r *Report) panels() (panels []panel) {
	index := map[string]int{}
	for _, result := range r.Results {
		if len(result.Distribution) == 0 {
			continue
		}
		i, ok := index[result.Panel]
		if !ok {
			i = len(panels)
			index[result.Panel] = i
			panels = append(panels, panel{title: result.Panel})
		}
		panels[i].add(result)
	}
	linear := int64(linearStep)
	for i := range panels {
		if _, high := panels[i].bounds(); high <= linearLimit {
			linear = max(linear, (high+linearStep-1)/linearStep*linearStep)
		}
	}
	for i := range panels {
		low, high := panels[i].bounds()
		if panels[i].axis = (axis{0, float64(linear), false}); high > linearLimit {
			panels[i].axis = decades(low, high)
		}
	}
	slices.SortStableFunc(panels, func(a, b panel) int { return a.axis.rank() - b.axis.rank() })
	return panels
}

// add adds a result's curve, or its name to that of an equal one.
func (p *panel) add(r *Result) {
	answered := 0
	for _, c := range r.Distribution {
		answered += c.Requests
	}
	var points []point
	sum := 0
	for _, c := range r.Distribution {
		sum += c.Requests
		points = append(points, point{c.Instructions, float64(sum) / float64(answered+r.Lost)})
	}
	for i := range p.curves {
		if equalPoints(p.curves[i].points, points) {
			p.curves[i].cases = append(p.curves[i].cases, r.Case)
			return
		}
	}
	p.curves = append(p.curves, curve{[]string{r.Case}, points})
}

func equalPoints(a, b []point) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// bounds returns the least and the largest latency.
func (p *panel) bounds() (low, high int64) {
	low = math.MaxInt64
	for _, c := range p.curves {
		low, high = min(low, c.points[0].instructions), max(high, c.points[len(c.points)-1].instructions)
	}
	return low, high
}

// height returns what the panel's legend needs, with a line of space below it.
func (p *panel) height() int {
	names := 0
	for i := range p.curves {
		names += len(p.curves[i].cases)
	}
	return axesTop + (names+2)*legendLine
}

// axis maps a latency to a place.
type axis struct {
	first, last float64 // instructions, or their logarithm to the base of 10
	logarithmic bool
}

// decades returns an axis of whole decades.
func decades(low, high int64) axis {
	a := axis{math.Floor(math.Log10(float64(max(low, 1)))), math.Ceil(math.Log10(float64(high + 1))), true}
	a.last = max(a.last, a.first+1)
	return a
}

// rank puts linear axes first.
func (a axis) rank() int {
	if a.logarithmic {
		return 1
	}
	return 0
}

func (a axis) x(instructions int64) float64 {
	v := float64(instructions)
	if a.logarithmic {
		v = math.Log10(max(v, 1))
	}
	return axesLeft + (v-a.first)/(a.last-a.first)*axesWidth
}

// ticks returns the latencies that get a line.
func (a axis) ticks() (at []int64) {
	if a.logarithmic {
		for decade := a.first; decade <= a.last; decade++ {
			at = append(at, int64(math.Pow(10, decade)))
		}
		return at
	}
	for v := int64(a.first); v <= int64(a.last); v += linearStep {
		at = append(at, v)
	}
	return at
}

func y(share float64) float64 { return axesTop + (1-share)*axesHeight }

func (p *panel) write(b *strings.Builder) {
	const bottom = axesTop + axesHeight
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", axesLeft, axesTop-12, html.EscapeString(p.title))
	for _, at := range p.axis.ticks() {
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ccc"/><text x="%.1f" y="%d" text-anchor="middle" font-size="10">%s</text>`+"\n",
			p.axis.x(at), axesTop, bottom, p.axis.x(at), bottom+15, short(at))
	}
	for percent := 0; percent <= 100; percent += 25 {
		at := y(float64(percent) / 100)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ccc"/><text x="%d" y="%.1f" text-anchor="end" font-size="10">%d %%</text>`+"\n",
			axesLeft, at, axesLeft+axesWidth, axesLeft-6, at+4, percent)
	}
	line := axesTop + legendLine
	for i := range p.curves {
		line = p.curves[i].write(b, p.axis, i, line)
	}
}

// write draws curve number i, with its part of the legend from line on, and returns the line below that.
func (c *curve) write(b *strings.Builder, a axis, i, line int) int {
	style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="1.5"`, plotColours[i%len(plotColours)])
	if dash := i / len(plotColours); dash > 0 {
		style += fmt.Sprintf(` stroke-dasharray="%d 3"`, 2*dash)
	}
	fmt.Fprintf(b, `<path %s d="M%.1f %.1f`, style, a.x(c.points[0].instructions), y(0))
	for _, p := range c.points {
		fmt.Fprintf(b, "H%.1fV%.1f", a.x(p.instructions), y(p.share))
	}
	fmt.Fprintf(b, `"/><path %s d="M%d %dh24"/>`+"\n", style, legendLeft, line-4)
	for _, name := range c.cases {
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", legendLeft+30, line, html.EscapeString(name))
		line += legendLine
	}
	return line
}

// short writes a number with M for a million and k for a thousand.
func short(n int64) string {
	switch {
	case n >= 1e6 && n%1e6 == 0:
		return group(n/1e6) + " M"
	case n >= 1e4 && n%1e3 == 0:
		return group(n/1e3) + " k"
	}
	return group(n)
}
