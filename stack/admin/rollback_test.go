package admin_test

import (
	"errors"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/filter"
)

// What rules and a program have counted outlasts each change that fails half-way, and they go on counting from there.
func TestCountsOutlastWhatFails(t *testing.T) {
	no := errors.New("no")
	stays := func(b *bench) { b.refuse = no }
	promiscuous := func(b *bench) { b.selective = no }
	removeRule := func(b *bench) error { return b.RemoveForward("rt0", "a") }
	removeFilter := func(b *bench) error { return b.RemoveFilter("rt0") }
	reload := func(b *bench) error { return b.Reload(b.tables()) }
	for _, tc := range []struct {
		name          string
		rule, program bool
		fails         func(b *bench)
		do            func(b *bench) error
	}{
		{"a rule, its device is not released", true, false, stays, removeRule},
		{"a rule, its device stays promiscuous", true, true, promiscuous, removeRule},
		{"a program, its device is not released", false, true, stays, removeFilter},
		{"a configuration, the device is not released", true, true, stays, reload},
		{"a configuration, the device stays promiscuous", true, true, promiscuous, reload},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			for _, name := range []string{"rt0", "rt0.42"} {
				_, err := b.Disable(name)
				b.ok(err)
			}
			divert.SetClock(1000) // 1 ms behind each activation's beginning
			defer divert.SetClock(0)
			if tc.rule {
				_, err := b.AddForward(toml(`from = "rt0", name = "a", ethertype = "ethercat", to = "rt0"`), "")
				b.ok(err)
			}
			if tc.program {
				b.ok(b.SetFilter("rt0", always(filter.Skip)))
			}
			counted := func(want uint64) {
				t.Helper()
				for _, r := range b.forwards() {
					if r.Matched != want || r.Latency.Frames != want || r.Latency.Sum != time.Duration(want)*time.Millisecond {
						t.Errorf("the rule: %+v, want %d frames", r, want)
					}
				}
				if f, _ := b.Filter("rt0"); tc.program && f.Verdicts.Skip != want {
					t.Errorf("the program: %+v, want %d frames", f.Verdicts, want)
				}
			}
			frames := func() {
				for range 3 {
					b.nic.Inject(b.raw(0x88a4))
					b.poll(func([]byte) {})
					b.want(0, "in-band")
					b.nic.Discard()
				}
			}
			frames()
			counted(3)
			before := b.settings()
			for range 2 {
				tc.fails(b)
				if err := tc.do(b); !errors.Is(err, no) {
					t.Errorf("error %v, want %v", err, no)
				}
				b.refuse, b.selective = nil, nil
				if after := b.settings(); after != before {
					t.Errorf("it was\n%s, and is\n%s", before, after)
				}
			}
			frames()
			counted(6)
			b.ok(tc.do(b))
			b.clear()
			b.ok(b.RemoveFilter("rt0"))
		})
	}
}
