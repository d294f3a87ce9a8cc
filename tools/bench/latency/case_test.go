package latency

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// good is a result that meets all of c's bounds as narrowly as it can.
func good(c *Case) *Result {
	r := &Result{Case: c.Name, Exact: c.exact(), Told: map[Load]Told{}, Activations: Activations{Number: 1, Longest: taskAhead + flooded}}
	for _, kind := range telling {
		if c.loaded(kind) {
			r.Told[kind] = Told{3, 4}
		}
	}
	r.Requests, r.Min, r.Median, r.P99, r.Max = c.Requests, c.Median, c.Median, c.Median, c.Median
	if c.Spread != unbounded {
		r.Max += c.Spread
	}
	if c.Median == unbounded {
		r.Median, r.Max = 900, 900+c.Spread
	}
	if c.Bulk {
		r.Bulk = BulkCount{1 << 20, 1}
	}
	return r
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, pattern string // pattern: cases it is for
		change        func(*Result)
		want          string // "": nothing missed
	}{
		{"at the bounds", "", func(*Result) {}, ""},
		{"median", "oob-(gc|spin|tcp|vlan)", func(r *Result) { r.Median++ }, "median"},
		{"maximum", "oob", func(r *Result) { r.Max++ }, "maximum"},
		{"any maximum", "inband", func(r *Result) { r.Max *= 100 }, ""},
		{"lost", "", func(r *Result) { r.Lost++ }, "lost"},
		{"too few", "^(oob|inband)", func(r *Result) { r.Requests-- }, "entered"},
		{"about as many", "^task", func(r *Result) { r.Requests -= r.Requests / 20 }, ""},
		{"too few periods", "^task", func(r *Result) { r.Requests = 150 }, "due"},
		{"answered twice", "", func(r *Result) { r.Duplicates++ }, "too many"},
		{"no TCP", "tcp", func(r *Result) { r.Bulk = BulkCount{} }, "TCP"},
		{"garbled", "", func(r *Result) { r.Garbled++ }, "checksum"},
		{"no collection", "gc", func(r *Result) { r.Told[kindGC] = Told{3, 3} }, "LOAD=gc"},
		{"no reload", "reload", func(r *Result) { r.Told[kindReload] = Told{3, 3} }, "LOAD=reload"},
		{"no collection, all at once", "all", func(r *Result) { r.Told[kindGC] = Told{3, 3} }, ""},
		{"longer than it may wait", "(oob|forward)-(send|.*flood|all)", func(r *Result) { r.Activations.Longest = flooded - quiet - 1 }, "longest activation"},
		{"no activation but its own", "(oob|task)-(gc|tcp|print)$", func(r *Result) { r.Activations.Longest = 1 }, ""},
		{"answers a silent flood", "oob-flood", func(r *Result) { r.Flood.Answered = 1 }, "answered"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, c := range Cases() {
				if !regexp.MustCompile(test.pattern).MatchString(c.Name) {
					continue
				}
				r := good(&c)
				test.change(r)
				got := strings.Join(c.Check(r), "; ")
				if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
					t.Errorf("%s: missed %q, want %q", c.Name, got, test.want)
				}
			}
		})
	}
}

// TestCases holds the table to the figures.
func TestCases(t *testing.T) {
	want := map[string][3]int64{ // shift, median, spread
		"oob-fine": {10, 400, 16}, "oob": {3, 400, 16}, "oob-vlan": {3, 400, 16}, "oob-1472": {3, unbounded, 16},
		"oob-gc": {3, 400, 16}, "oob-spin": {3, 400, 16}, "oob-print": {3, 400, 16}, "oob-tcp": {3, 400, 16},
		"oob-reload": {3, 400, 16},
		"oob-flood":  {3, 625, 1000}, "oob-gc-flood": {3, 625, 1000}, "oob-flood50": {3, 625, 1000},
		"oob-send": {3, 400, 1000}, "oob-send-flood50": {3, 625, 1000}, "oob-all": {3, 625, 1000},
		"socket": {3, 900, 16}, "socket-gc": {3, 900, 16},
		"task": {3, 134, 16}, "task-gc": {3, 134, 16}, "task-spin": {3, 134, 16}, "task-print": {3, 134, 16},
		"forward-gc": {3, 400, 16}, "forward-64-spin": {3, 650, 16}, "forward-gc-flood": {3, 690, 1000}, "oob-filter": {3, 1100, 16},
		"task-all": {3, 134, 16}, "task-send": {3, 134, 16}, "task-flood50": {3, 134, 16}, "oob-task": {3, 400, 2500}, "inband": {3, 92000, unbounded},
	}
	for _, c := range Cases() {
		if got := [3]int64{int64(c.Shift), c.Median, c.Spread}; got != want[c.Name] {
			t.Errorf("%s: shift, median, spread %v, want %v", c.Name, got, want[c.Name])
		}
		delete(want, c.Name)
	}
	for name := range want {
		t.Errorf("no case %s", name)
	}
}

// TestConsole appends to a log, of which each part is read once and half a line not at all.
func TestConsole(t *testing.T) {
	c := console{path: filepath.Join(t.TempDir(), "serial.log")}
	if c.read(); len(c.counts) != 0 {
		t.Errorf("no log: counts %v", c.counts)
	}
	text := ""
	for _, part := range []struct {
		more string
		want map[Load]int
	}{
		{"", map[Load]int{}},
		{"load: spin\nworkload: gc 7\n", map[Load]int{}},
		{"load: gc 7\n", map[Load]int{kindGC: 7}},
		{"boot\r\nload: gc 8\r\nload: gc 12\r\nload: gc 1", map[Load]int{kindGC: 12}},
		{"3\nload: reload 5\n", map[Load]int{kindGC: 13, kindReload: 5}},
		{"load: lines \n\nload: rounds 21\nload: lines", map[Load]int{kindGC: 13, kindReload: 5, kindLinux: 21}},
	} {
		text += part.more
		if err := os.WriteFile(c.path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if c.read(); !maps.Equal(c.counts, part.want) {
			t.Errorf("after %q: counts %v, want %v", part.more, c.counts, part.want)
		}
	}
}

func TestCompare(t *testing.T) {
	r := &Result{Hash: "a"}
	r.compare(&Result{Hash: "a", Missed: []string{"median"}}, 2)
	r.compare(&Result{Hash: "b"}, 3)
	r.compare(&Result{Hash: "c", Unsteady: "not root"}, 4)
	got := strings.Join(r.Missed, "; ")
	if want := "run 2: median; run 3 has hash b, want the first run's a"; got != want {
		t.Errorf("missed %q, want %q", got, want)
	}
}

func TestImages(t *testing.T) {
	images := Images{"": "plain"}
	for _, value := range []string{"any", "gc=collecting"} {
		if err := images.Set(value); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := images.For("latency+gc"); ok {
		t.Errorf("a loaded image without tasks, %q, stands in for one with them", got)
	}
	for load, want := range map[Load]string{"": "plain", "gc": "collecting", "spin": "any"} {
		if got, ok := images.For(load); !ok || got != want {
			t.Errorf("For(%q) = %q, %v, want %q", load, got, ok, want)
		}
	}
	if got, ok := (Images{AnyLoad: "any"}).For(""); ok {
		t.Errorf("a loaded image, %q, stands in for the production image", got)
	}
	for _, value := range []string{"", "=x", "gc="} {
		if err := images.Set(value); err == nil {
			t.Errorf("Set(%q): no error", value)
		}
	}
}

func TestFrames(t *testing.T) {
	for _, want := range []int{0, 1, 50} {
		c := Case{Mode: Oob, Payload: requestPayload, Flood: want, Interval: time.Millisecond}
		s := session{peer: c.peer(), noise: c.noise(), guest: testGuest}
		releases := c.frames(&s, measured, 3)
		if len(releases) != max(want, 1) || c.release() != time.Millisecond/time.Duration(max(want, 1)) {
			t.Fatalf("flood %d: %d releases, %v apart", want, len(releases), c.release())
		}
		first := releases[0]
		if want == 0 && len(first) != 1 || want > 0 && (len(first) != 2 || len(first[0]) <= len(first[1])) {
			t.Errorf("flood %d: %d frames with the request, want the flood's ahead of it", want, len(first))
		}
	}
}

// TestMatrix checks that no two cases have one name, by which files are called, and that each has what it needs.
func TestMatrix(t *testing.T) {
	names := map[string]bool{}
	for _, c := range append(Cases(), Matrix()...) {
		if names[c.Name] || c.Requests == 0 || c.Payload < payloadHeader || c.Mode == "" || c.Work() <= 0 {
			t.Errorf("%+v: a second of this name, or something is missing", c)
		}
		names[c.Name] = true
	}
}
