package status

import (
	_ "embed"
	"path"
	"strconv"
	"time"
)

// The page's parts that never change. What is between them is written by Go code instead of a template, which costs nine
// tenths less; testdata/page.tmpl is the same page as a template, and a test compares the two.
var (
	//go:embed head.html
	headHTML string // behind the title, to the header
	//go:embed tail.html
	tailHTML string // behind the sections
)

// text is a document being written.
type text []byte

// put appends markup as it is.
func (t *text) put(markup ...string) {
	for _, s := range markup {
		*t = append(*t, s...)
	}
}

// say appends s, whoever it comes from, as text that no browser takes for markup.
func (t *text) say(s string) {
	start := 0
	for i := range len(s) {
		escaped := escapes[s[i]]
		if escaped == "" {
			continue
		}
		*t = append(append(*t, s[start:i]...), escaped...)
		start = i + 1
	}
	*t = append(*t, s[start:]...)
}

// escapes are what html/template makes of these bytes in text and in quoted attributes.
var escapes = [256]string{0: "\uFFFD", '"': "&#34;", '&': "&amp;", '\'': "&#39;", '+': "&#43;", '<': "&lt;", '>': "&gt;"}

// appendPage appends the page for people to b.
func appendPage(b []byte, s *Status) []byte {
	t := (*text)(&b)
	t.put("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")
	t.say(s.Name)
	t.put(" · ")
	t.say(string(s.Stage.State))
	t.put("</title>\n", headHTML, "<header>\n  <h1>")
	t.say(s.Name)
	t.put("</h1>\n  <span class=\"dim\">Mortise ")
	t.say(s.Version)
	t.put(" · ")
	t.say(s.Board)
	t.put(" · up ")
	t.duration(s.Uptime)
	t.put("</span>\n</header>\n\n")
	t.stage(&s.Stage)
	if s.Crash != nil {
		t.crash(s.Crash)
	}
	for i := range s.Devices {
		t.device(&s.Devices[i])
	}
	t.put("\n\n<section>\n  <div class=\"head\"><h2>In-band stack</h2></div>\n  <dl class=\"facts\">\n" +
		"    <div><dt>Garbage collections</dt><dd>")
	t.number(s.Runtime.GCs)
	t.put("</dd></div>\n    <div><dt>Heap</dt><dd>")
	t.size(s.Runtime.HeapBytes)
	t.put("</dd></div>\n    <div><dt>Goroutines</dt><dd>")
	t.number(s.Runtime.Goroutines)
	t.put("</dd></div>\n    <div><dt>Go</dt><dd>")
	t.say(s.Runtime.GoVersion)
	t.put("</dd></div>\n  </dl>\n  <div class=\"groups\">")
	t.groups(s.Groups)
	t.put("</div>\n</section>\n\n", tailHTML)
	return b
}

func (t *text) stage(s *Stage) {
	t.put("<section>\n  <div class=\"head\"><h2>Real-time stage (oob)</h2>\n    <span class=\"tag ")
	switch s.State {
	case Running:
		t.put("ok")
	case Faulted:
		t.put("bad")
	default:
		t.put("off")
	}
	t.put("\">")
	t.say(string(s.State))
	t.put("</span>\n  </div>\n  <dl class=\"facts\">\n    <div><dt>Activations</dt><dd>")
	t.number(s.Activations)
	t.put("</dd></div>\n    <div><dt>Longest activation</dt><dd>")
	t.duration(s.Longest)
	t.put("</dd></div>\n    <div><dt>Faults contained</dt><dd>")
	t.number(s.Faults)
	t.put("</dd></div>\n    <div><dt>Restarts</dt><dd>")
	t.number(s.Restarts)
	t.put(" <span class=\"dim\">", strconv.Itoa(s.RestartsLastMinute), " of ", strconv.Itoa(s.RestartsPerMinute), " this minute</span>")
	t.put("</dd></div>\n    <div><dt>Stack, most used</dt><dd>")
	t.size(s.StackHighWater)
	t.put(" <span class=\"dim\">of ")
	t.size(s.StackSize)
	t.put("</span></dd></div>\n  </dl>")
	if s.StaysDown {
		t.put("\n  <p class=\"fault\">It stays down: its restarts are used up. <code>oob restart</code> on the serial console starts it.</p>")
	}
	if s.Fault != nil {
		t.fault(s.Fault)
	}
	t.put("\n</section>")
}

func (t *text) fault(f *Fault) {
	t.put("\n  <div class=\"fault\">Last fault: <b>")
	t.say(f.Kind)
	t.put("</b> in <code>")
	t.say(f.Function)
	t.put("</code>")
	if f.Line != 0 {
		t.put(" (")
		t.say(path.Base(f.File))
		t.put(":", strconv.Itoa(f.Line), ")")
	}
	t.put(" at <code>", address(f.PC), "</code>")
	if f.Cause != "" {
		t.put(", through <code>")
		t.say(f.Cause)
		t.put("</code>")
	}
	if len(f.Chain) > 0 {
		t.put("<ol>")
		for i := range f.Chain {
			t.call(&f.Chain[i])
		}
		t.put("</ol>")
	}
	if f.Detail != "" {
		t.details("registers", f.Detail)
	}
	t.put("\n  </div>")
}

func (t *text) call(c *Call) {
	t.put("<li><code>")
	if c.Function != "" {
		t.say(c.Function)
	} else {
		t.put(address(c.PC))
	}
	t.put("</code>")
	if c.File != "" {
		t.put(" ")
		t.say(path.Base(c.File))
	}
	if c.Line != 0 {
		t.put(":", strconv.Itoa(c.Line))
	}
	t.put("</li>")
}

// details appends lines that are shown when asked for.
func (t *text) details(summary, lines string) {
	t.put("<details><summary>", summary, "</summary><pre>")
	t.say(lines)
	t.put("</pre></details>")
}

func (t *text) crash(c *Crash) {
	t.put("\n<section>\n  <div class=\"head\"><h2>The run before</h2><span class=\"tag bad\">ended without being asked to</span></div>\n" +
		"  <dl class=\"facts\">\n    <div><dt>Firmware</dt><dd>")
	t.say(c.Firmware)
	t.put("</dd></div>\n    <div><dt>Last sign of life after</dt><dd>")
	t.duration(c.Uptime)
	t.put("</dd></div>\n    <div><dt>Activations</dt><dd>")
	t.number(c.Activations)
	t.put("</dd></div>\n    <div><dt>Faults, restarts</dt><dd>")
	t.number(c.Faults)
	t.put(", ")
	t.number(c.Restarts)
	t.put("</dd></div>\n  </dl>\n  <p class=\"fault\">The oob stage was in: ")
	t.say(c.Doing)
	t.put(".")
	if c.InbandDead {
		t.put(" In-band was silent.")
	}
	t.put("</p>")
	if c.Report != "" {
		t.details("its last fault", c.Report)
	}
	t.put("\n</section>")
}

func (t *text) device(d *Device) {
	t.put("\n<section>\n  <div class=\"head\"><h2>")
	t.say(d.Name)
	if d.Up {
		t.put("</h2>\n    <span class=\"tag ok\">link up</span>")
	} else {
		t.put("</h2>\n    <span class=\"tag bad\">link down</span>")
	}
	if d.NotRealTime != "" {
		t.put(" <span class=\"tag bad\">")
		t.say(d.NotRealTime)
		t.put("</span>")
	} else if d.Diverted {
		t.put(" <span class=\"tag oob\">real-time first</span>")
	}
	t.put("\n    <span class=\"dim\">")
	t.say(d.Controller)
	if d.Link != "" {
		t.put(" · ")
		t.say(d.Link)
	}
	if d.Timestamps != "" {
		t.put(" · timestamps by ")
		t.say(d.Timestamps)
	}
	t.put(" · <code>")
	t.say(d.MAC)
	t.put("</code> (")
	t.say(d.MACSource)
	t.put(")</span>\n  </div>\n  <table class=\"ports\">")
	for i := range d.Ports {
		t.port(&d.Ports[i], d.NotRealTime == "")
	}
	t.put("\n  </table>\n  <div class=\"groups\">")
	t.groups(d.Groups)
	t.put("</div>\n</section>")
}

func (t *text) port(p *Port, realTime bool) {
	t.put("\n    <tr><th><b>")
	t.say(p.Name)
	t.put("</b></th><td>")
	t.say(p.Address)
	if p.Oob {
		what := "real-time: "
		if !realTime {
			what = "oob, not real-time: "
		}
		t.put("</td><td><span class=\"oob\">", what)
		t.say(p.Accepts)
		t.put("</span></td></tr>")
	} else {
		t.put("</td><td>in-band</td></tr>")
	}
}

func (t *text) groups(groups []Group) {
	for i := range groups {
		g := &groups[i]
		t.put("\n  <div><h3>")
		t.say(g.Title)
		t.put("</h3><table>")
		zeros := uint64(0)
		for j := range g.Counters {
			if c := &g.Counters[j]; c.Value == 0 && (c.Kind == Count || c.Kind == Drop) {
				zeros++ // what never happened would hide what did
			} else {
				t.counter(c)
			}
		}
		t.put("\n  </table>")
		if zeros != 0 {
			t.put("<p class=\"dim\" title=\"/metrics has them all\">")
			t.number(zeros)
			t.put(" more at 0</p>")
		}
		t.put("</div>")
	}
}

func (t *text) counter(c *Counter) {
	t.put("\n    <tr class=\"")
	t.say(string(c.Kind))
	if c.Value == 0 {
		t.put(" zero")
	}
	t.put("\"><td title=\"")
	t.say(c.Help)
	t.put("\">")
	start := len(*t)
	t.say(c.Name)
	for i, b := range (*t)[start:] {
		if b == '_' {
			(*t)[start+i] = ' '
		}
	}
	t.put("</td><td class=\"n\">")
	t.number(c.Value)
	t.put("</td></tr>")
	if c.Latency != nil && c.Latency.Frames != 0 {
		t.latency(c.Latency)
	}
}

// latency appends a row: the times within which parts of the frames were handed over.
func (t *text) latency(l *Latency) {
	t.put("\n    <tr class=\"rule dim\"><td title=\"from the beginning of the activation to the hand-over to the transmit ring\">half, 99 %, all within</td><td class=\"n\">")
	for i, permille := range [...]uint64{500, 990, 1000} {
		if i > 0 {
			t.put(", ")
		}
		if d := l.within(permille); d != 0 {
			t.duration(d)
		} else {
			t.put("more")
		}
	}
	t.put("</td></tr>")
}

// duration appends d to three digits, or as days, hours, minutes and seconds.
func (t *text) duration(d time.Duration) {
	switch {
	case d < time.Microsecond:
		*t = strconv.AppendInt(*t, d.Nanoseconds(), 10)
		t.put(" ns")
		return
	case d < time.Millisecond:
		*t = strconv.AppendFloat(*t, float64(d)/float64(time.Microsecond), 'g', 3, 64)
		t.put(" µs")
		return
	case d < time.Second:
		*t = strconv.AppendFloat(*t, float64(d)/float64(time.Millisecond), 'g', 3, 64)
		t.put(" ms")
		return
	}
	d = d.Truncate(time.Second)
	if days := d / (24 * time.Hour); days > 0 {
		*t = strconv.AppendInt(*t, int64(days), 10)
		t.put("d ")
		d %= 24 * time.Hour
	}
	t.put(d.String())
}

// size appends a number of bytes.
func (t *text) size(n uint64) {
	switch v := float64(n); {
	case v < 1<<10:
		*t = strconv.AppendUint(*t, n, 10)
		t.put(" B")
	case v < 1<<20:
		*t = strconv.AppendFloat(*t, v/(1<<10), 'f', 1, 64)
		t.put(" KiB")
	default:
		*t = strconv.AppendFloat(*t, v/(1<<20), 'f', 1, 64)
		t.put(" MiB")
	}
}

// number appends n with its digits grouped by three.
func (t *text) number(n uint64) {
	var digits [20]byte
	s := strconv.AppendUint(digits[:0], n, 10)
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			*t = append(*t, ' ')
		}
		*t = append(*t, digit)
	}
}

// address returns a program counter as the console writes it.
func address(pc uint32) string {
	const digits = "0123456789abcdef"
	b := [10]byte{'0', 'x'}
	for i := range 8 {
		b[2+i] = digits[pc>>(28-4*i)&15]
	}
	return string(b[:])
}
