package admin_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"mortise/stack/capture"
	"mortise/stack/divert"
	"mortise/stack/filter"
	"mortise/stack/socket"
)

// A port whose device cannot be released stays as it is, with all that there is of it: whom it knows, what waits in its sockets' queues, its
// captures, its place among the others; and down, if its link is.
func TestDisableThatFails(t *testing.T) {
	for _, tc := range []struct {
		name, port string
		vid        uint16
		down       bool
	}{
		{"of the configuration", "rt0.42", 42, false},
		{"made", "rt0.77", 77, false},
		{"its link is down", "rt0.42", 42, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			_, err := b.Disable("rt0")
			b.ok(err)
			if tc.port == "rt0.77" {
				_, err := b.Disable("rt0.42")
				b.ok(err)
				b.ok(b.Make(made(77)))
			}
			s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000")})
			b.ok(err)
			b.hear(tc.vid, 5000)
			b.learn(0, tc.vid, netip.AddrFrom4([4]byte{10, 0, byte(tc.vid), 5}), [6]byte{2, 0, 0, 0, 0, 5}, false)
			b.ok(b.Capture(capture.Options{Name: "a", Port: tc.port}))
			b.Link(0, !tc.down)
			before := b.settings()
			had, err := b.CaptureState("a")
			b.ok(err)
			b.answers = map[uint16]bool{}

			b.refuse = errors.New("2 frames for several devices have not been sent in 80ms")
			if _, err := b.Disable(tc.port); !errors.Is(err, b.refuse) {
				t.Errorf("error %v, want %v", err, b.refuse)
			}
			b.refuse = nil
			if after := b.settings(); after != before {
				t.Errorf("it was\n%s, and is\n%s", before, after)
			}
			if !b.answers[tc.vid] {
				t.Error("in-band answers for the port")
			}
			if now, err := b.CaptureState("a"); err != nil || now != had {
				t.Errorf("its capture was %+v, and is %+v, %v", had, now, err)
			}
			b.Link(0, true)
			b.want(tc.vid, "oob")
			b.seen("a", 1) // as its capture does
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatalf("the datagram that waited: %v", status)
			}
			m.Release()
			_, err = b.Disable(tc.port)
			b.ok(err)
			b.want(tc.vid, "in-band")
		})
	}
}

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
