package latency

import (
	"strings"
	"testing"
)

// good is a result that meets all of c's bounds as narrowly as it can.
func good(c *Case) *Result {
	r := &Result{Case: c.Name, GCBefore: 3, GCAfter: 4}
	r.Requests, r.Min, r.Median, r.P99, r.Max = c.Requests, c.Median, c.Median, c.Median, c.Median
	if c.Spread != unbounded {
		r.Max += c.Spread
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
		{"median", "", func(r *Result) { r.Median++ }, "median"},
		{"maximum", "oob", func(r *Result) { r.Max++ }, "maximum"},
		{"any maximum", "inband", func(r *Result) { r.Max *= 100 }, ""},
		{"lost", "", func(r *Result) { r.Lost++ }, "lost"},
		{"too few", "", func(r *Result) { r.Requests-- }, "entered"},
		{"answered twice", "", func(r *Result) { r.Duplicates++ }, "too many"},
		{"garbled", "", func(r *Result) { r.Garbled++ }, "checksum"},
		{"no collection", "gc", func(r *Result) { r.GCAfter = r.GCBefore }, "garbage"},
		{"no collection, spinning", "spin", func(r *Result) { r.GCAfter, r.GCBefore = -1, -1 }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, c := range Cases() {
				if !strings.Contains(c.Name, test.pattern) {
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
		"oob": {10, 600, 16}, "oob-vlan": {10, 650, 16},
		"oob-gc": {3, 625, 250}, "oob-spin": {3, 625, 250},
		"oob-gc-flood": {3, 625, 1500}, "oob-spin-flood": {3, 625, 1500},
		"inband": {3, 92000, unbounded}, "oob-flood": {10, 725, 1500},
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

func TestParseLoad(t *testing.T) {
	tests := []struct {
		text string
		want int
	}{
		{"", -1},
		{"load: spin\n", -1},
		{"load: gc 7\n", 7},
		{"boot\r\nload: gc 7\r\nload: gc 12\r\nload: gc 1", 1},
		{"workload: gc 7\n", -1},
	}
	for _, test := range tests {
		if got := parseLoad(test.text); got != test.want {
			t.Errorf("parseLoad(%q) = %d, want %d", test.text, got, test.want)
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
	c := Case{Port: echoPort, Flood: true}
	s := session{peer: c.peer(), guest: testGuest}
	for i := range uint32(8) {
		frames := c.frames(&s, measured, i)
		if len(frames) != 2 || len(frames[0]) <= len(frames[1]) {
			t.Fatalf("request %d: %d frames, want the flood's ahead of it", i, len(frames))
		}
	}
}
