package status

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

//go:embed testdata/page.tmpl
var pageTemplate string

// templated is the page as html/template and fmt write it: what appendPage must not differ from.
func templated(t *testing.T, s *Status) string {
	t.Helper()
	constant := func(s string) func() template.HTML { return func() template.HTML { return template.HTML(s) } }
	duration := func(d time.Duration) string {
		switch {
		case d < time.Microsecond:
			return fmt.Sprintf("%d ns", d.Nanoseconds())
		case d < time.Millisecond:
			return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
		case d < time.Second:
			return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
		case d < 24*time.Hour:
			return d.Truncate(time.Second).String()
		}
		return fmt.Sprintf("%dd %s", d/(24*time.Hour), (d % (24 * time.Hour)).Truncate(time.Second))
	}
	page := template.Must(template.New("page").Funcs(template.FuncMap{
		"head": constant(headHTML), "tail": constant(tailHTML),
		"duration": duration,
		"within": func(l *Latency, permille uint64) string {
			if d := l.within(permille); d != 0 {
				return duration(d)
			}
			return "more"
		},
		"bytes": func(n uint64) string {
			switch v := float64(n); {
			case v < 1<<10:
				return fmt.Sprintf("%d B", n)
			case v < 1<<20:
				return fmt.Sprintf("%.1f KiB", v/(1<<10))
			default:
				return fmt.Sprintf("%.1f MiB", v/(1<<20))
			}
		},
		"number": func(n uint64) string {
			s := fmt.Sprint(n)
			for i := len(s) - 3; i > 0; i -= 3 {
				s = s[:i] + " " + s[i:]
			}
			return s
		},
		"shown": func(k Kind) bool { return k != Count && k != Drop }, // though its value is 0
		"zeros": func(counters []Counter) (n uint64) {
			for _, c := range counters {
				if c.Value == 0 && (c.Kind == Count || c.Kind == Drop) {
					n++
				}
			}
			return n
		},
		"base":  path.Base,
		"words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"pc":    func(pc uint32) string { return fmt.Sprintf("0x%08x", pc) },
	}).Parse(pageTemplate))
	var b bytes.Buffer
	if err := page.Execute(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func counted(values ...uint64) []Group {
	g := Group{Name: "some", Title: "Some & others"}
	for i, v := range values {
		kinds := []Kind{Count, Drop, Gauge, Rule}
		g.Counters = append(g.Counters, Counter{
			Name: fmt.Sprintf("counter_number_%d", i), Help: `what "it" <counts> + 'more'`, Kind: kinds[i%len(kinds)], Value: v,
		})
		if c := &g.Counters[i]; c.Kind == Rule {
			c.Latency = &Latency{Frames: v % 3, Sum: 1500, Buckets: []Bucket{{Below: 900, Frames: v % 2}, {Below: 1800, Frames: 1}, {Frames: 1}}}
		}
	}
	return []Group{g, {Name: "none", Title: "None"}}
}

func TestPageIsTheTemplates(t *testing.T) {
	for name, s := range map[string]*Status{
		"empty": {},
		"all": {
			Name: `<a href="x">`, Version: "v1 & 'v2'", Board: "b\x00d", Uptime: 49*time.Hour + 59*time.Second + 1,
			Stage:   Stage{State: Running, Activations: 1234567, Longest: 1840 * time.Nanosecond, StackHighWater: 712, StackSize: 16384},
			Runtime: Runtime{GoVersion: "go1.26.8", GCs: 999, HeapBytes: 5<<20 + 1, Goroutines: 1000},
			Devices: []Device{
				{Name: "rt0", Controller: "ENET1", MAC: "02:00:00:00:00:01", MACSource: "derived", Up: true, Link: "100 Mb/s", Diverted: true,
					Ports:  []Port{{Name: "rt0", Address: "10.0.0.1/24", Oob: true, Accepts: "UDP 7–9"}, {Name: "rt0.1", Address: "10.0.1.1/24"}},
					Groups: counted(0, 1, 12, 123, 1234, 12345, 123456, 1234567, 1<<64-1)},
				{Name: "lan0"},
			},
			Groups: counted(7),
		},
		"fault": {
			Uptime: 23*time.Hour + 59*time.Minute + 59*time.Second + 999*time.Millisecond,
			Stage: Stage{State: Faulted, Longest: 999, Fault: &Fault{
				Kind: "k<", Function: "f>", PC: 0x8001abcd, Detail: "d&\n<e>", File: "a/<b>.go", Line: 31, Cause: "c'",
				Chain: []Call{{Function: "g<", File: "d/g+.go", Line: 7}, {PC: 0x80abcdef}, {Function: "h", File: "h.go"}, {PC: 1, Line: 2}},
			}, Faults: 1234, Restarts: 1000, RestartsLastMinute: 2, RestartsPerMinute: 5, StaysDown: true},
			Crash: &Crash{
				Firmware: "v<1>", Uptime: 90 * time.Second, Doing: "an <activation>", Activations: 12345, Faults: 1, Restarts: 1001, InbandDead: true,
				Report: "r&\nr",
			},
		},
		"fault without detail": {
			Uptime: 12 * time.Millisecond, Stage: Stage{State: Stopped, Longest: 123456, Fault: &Fault{Line: 1}},
			Crash: &Crash{}, Devices: []Device{{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(templated(t, s), string(appendPage(nil, s))); diff != "" {
				t.Errorf("(-template +appendPage):\n%s", diff)
			}
		})
	}
}

// A layout serves any Status with the same names: a new one would have the same text. One that is not alike gets its own.
func TestMetricsReuseLayout(t *testing.T) {
	state := func(name string, values ...uint64) *Status {
		return &Status{
			Version: "v", Uptime: time.Duration(values[0]) * time.Millisecond,
			Stage: Stage{State: Running, Longest: time.Duration(values[0])}, Runtime: Runtime{GCs: values[0]},
			Devices: []Device{{Name: name, Up: true, Groups: counted(values...)}, {Name: "x", Diverted: true, NotRealTime: name, Ports: []Port{{Name: name, Oob: true, Accepts: name}}, Groups: counted(values...)}},
			Groups:  counted(3),
		}
	}
	faulted := state("rt0", 5, 6)
	faulted.Stage.Fault = &Fault{Kind: "k", PC: 7}
	again := state("rt0", 6, 7) // the same place, reached another way, after a crash: values only
	again.Stage.Fault = &Fault{Kind: "k", PC: 7, Chain: []Call{{PC: 8}}, Detail: "d"}
	again.Stage.Faults, again.Stage.Restarts, again.Stage.RestartsLastMinute, again.Stage.RestartsPerMinute = 11, 12, 13, 14
	again.Stage.StaysDown, again.Crash = true, &Crash{}
	var reused prometheus
	for i, s := range []*Status{
		state("rt0", 1, 2), state("rt0", 3, 1<<63), state("rt0", 4, 5, 6), state("rt1", 1, 2, 3), faulted, again, state("rt0", 1, 2),
		state("rt0", 1, 2, 3, 4), state("rt0", 1, 2, 3, 5), // with rules
	} {
		before := reused.layout.Load()
		got := string(reused.append(nil, s))
		if want := string(new(prometheus).append(nil, s)); got != want {
			t.Errorf("%d: (-new +reused)\n%s", i, cmp.Diff(want, got))
		}
		if kept := before == reused.layout.Load(); kept != (i == 1 || i == 5 || i == 8) {
			t.Errorf("%d: layout kept: %v", i, kept)
		}
		if n, want := len(values(nil, s)), len(reused.layout.Load().lines); n != want {
			t.Errorf("%d: %d values, want one for each of %d lines", i, n, want)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	s := &Status{Devices: []Device{{Groups: counted(make([]uint64, 60)...)}}, Groups: counted(make([]uint64, 25)...)}
	buf := []byte(nil)
	b.ReportAllocs()
	for range b.N {
		buf = appendPage(buf[:0], s)
	}
}
