package latency

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// The plot's geometry, in pixels.
const (
	plotWidth, plotHeight = 760, 420 // of the axes
	plotLeft, plotTop     = 70, 50
	plotLegend            = 330 // right of the axes
	plotLine              = 15  // between two lines of the legend
)

// plotColours tell curves apart; the dash pattern changes when they have all been used.
var plotColours = []string{"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#7f7f7f"}

// WriteSVG plots the cumulative distributions: for each latency, how many requests of a hundred took as long or less.
func (r *Report) WriteSVG(w io.Writer) error {
	var curves []*Result
	low, high := int64(math.MaxInt64), int64(1)
	for _, result := range r.Results {
		if d := result.Distribution; len(d) > 0 {
			curves = append(curves, result)
			low, high = min(low, d[0].Instructions), max(high, d[len(d)-1].Instructions)
		}
	}
	p := newPlot(low, high)
	height := max(plotTop+plotHeight+60, plotTop+plotLine*(len(curves)+2))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		plotLeft+plotWidth+plotLegend, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15">Wire-to-wire latency in guest instructions, virtual time (QEMU %s)</text>`+"\n",
		plotLeft, html.EscapeString(r.QEMU))
	p.axes(&b)
	for i, result := range curves {
		p.curve(&b, i, result)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// plot maps a latency to a place: logarithmic, whole decades.
type plot struct{ first, last int }

func newPlot(low, high int64) plot {
	p := plot{int(math.Floor(math.Log10(float64(max(low, 1))))), int(math.Ceil(math.Log10(float64(high + 1))))}
	if low > high { // nothing to plot
		p.first = 0
	}
	p.last = max(p.last, p.first+1)
	return p
}

func (p plot) x(instructions int64) float64 {
	decades := math.Log10(float64(max(instructions, 1))) - float64(p.first)
	return plotLeft + decades/float64(p.last-p.first)*plotWidth
}

func (p plot) y(share float64) float64 { return plotTop + (1-share)*plotHeight }

func (p plot) axes(b *strings.Builder) {
	const bottom = plotTop + plotHeight
	for decade := p.first; decade <= p.last; decade++ {
		value := int64(math.Pow10(decade))
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ccc"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			p.x(value), plotTop, bottom, p.x(value), bottom+18, group(value))
	}
	for percent := 0; percent <= 100; percent += 25 {
		y := p.y(float64(percent) / 100)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ccc"/><text x="%d" y="%.1f" text-anchor="end">%d %%</text>`+"\n",
			plotLeft, y, plotLeft+plotWidth, plotLeft-6, y+4, percent)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">instructions</text>`+"\n", plotLeft+plotWidth/2, bottom+40)
}

func (p plot) curve(b *strings.Builder, i int, r *Result) {
	answered := 0
	for _, c := range r.Distribution {
		answered += c.Requests
	}
	style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="1.5"`, plotColours[i%len(plotColours)])
	if dash := i / len(plotColours); dash > 0 {
		style += fmt.Sprintf(` stroke-dasharray="%d 3"`, 2*dash)
	}
	fmt.Fprintf(b, `<path %s d="M%.1f %.1f`, style, p.x(r.Distribution[0].Instructions), p.y(0))
	sum := 0
	for _, c := range r.Distribution {
		sum += c.Requests
		// Lost requests count as endless: the curve ends below 100 %.
		fmt.Fprintf(b, "H%.1fV%.1f", p.x(c.Instructions), p.y(float64(sum)/float64(answered+r.Lost)))
	}
	x, y := plotLeft+plotWidth+16, plotTop+plotLine*(i+1)
	fmt.Fprintf(b, `"/><path %s d="M%d %dh24"/><text x="%d" y="%d">%s</text>`+"\n", style, x, y-4, x+30, y,
		html.EscapeString(r.Case))
}
