package oob

import (
	"bytes"
	"slices"
	"testing"

	"mortise/stack/frame"
	"mortise/stack/wire/wiretest"
)

// agree delivers f and compares what becomes of it with the oracle's word.
func agree(t testing.TB, b *bench, c *Config, dev int, f []byte) {
	t.Helper()
	want := oracle(c, dev, f)
	before := Snapshot(uint32(dev))
	action, reply := b.deliver(t, uint32(dev), f)
	after := Snapshot(uint32(dev))
	if action != want.action || !bytes.Equal(reply, want.reply) {
		t.Fatalf("device %d, frame %x:\nDeliver = %#x, want %#x (%s)\nanswer %x\nwant   %x", dev, f, action, want.action, CounterNames[want.counter], reply, want.reply)
	}
	before[want.counter]++
	before[Received]++
	before[EventLost] = after[EventLost]
	if after != before {
		t.Fatalf("device %d, frame %x: counters off by %v, beside %s", dev, f, moved(before, after), CounterNames[want.counter])
	}
	if !after.Balanced() {
		t.Fatalf("device %d, frame %x: received %d, accepted %d + in-band %d + dropped %d", dev, f, after[Received], after.Accepted(), after.Inband(), after.Dropped())
	}
	if PendingEvents() > EventRingSize/2 {
		drain()
	}
}

// TestRandomFrames sends a million random and mutated frames through Deliver: each must fare as the oracle says.
func TestRandomFrames(t *testing.T) {
	n, seed := 1_000_000, uint64(20260314)
	if raceEnabled || testing.Short() {
		n = 50_000 // nothing here runs at the same time as anything else
	}
	t.Logf("%d frames, seed %d", n, seed)
	b := newBench(t)
	c := siteConfig(b.site)
	m := wiretest.NewMutator(b.site, seed)
	start := Snapshot(0)
	for i := range n {
		agree(t, b, c, i%Devices, m.Next())
	}
	end := Snapshot(0)
	for i := firstAccepted; i < EventLost; i++ {
		if end[i] == start[i] && !isElsewhere(i) {
			t.Errorf("no frame moved %s", CounterNames[i])
		}
	}
	for i, name := range CounterNames {
		t.Logf("%-20s %d", name, end[i]-start[i])
	}
}

func FuzzDeliver(f *testing.F) {
	for _, tc := range wiretest.Corpus(wiretest.DefaultSite()) {
		f.Add(tc.Frame, false)
	}
	for _, seed := range []uint64{1, 2, 3} {
		m := wiretest.NewMutator(wiretest.DefaultSite(), seed)
		f.Add(slices.Clone(m.Next()), true)
	}
	b := newBench(f)
	c := siteConfig(b.site)
	f.Fuzz(func(t *testing.T, data []byte, sums bool) {
		data = slices.Clone(data[:min(len(data), frame.MaxLen+20)])
		if sums {
			wiretest.Repair(data)
		}
		agree(t, b, c, 0, data)
	})
}
