package enet_test

import (
	"testing"
	"time"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
)

const timerHz = 25_000_000

// withTimer is a bench whose controller has a 1588 timer, and a clock that stands still but for what register reads take.
func withTimer(t *testing.T, o enettest.Options) (b *bench, now *uint64) {
	now = new(uint64)
	*now = 123_456_789_012
	b = newBench(t, o, func(c *enet.Config) { c.TimerHz = timerHz })
	b.Now = func() uint64 { *now += 10; return *now + uint64(b.clock.T.Sub(time.Time{})) }
	return b.up(t), now
}

// near reports whether a value of the timer is another one, but for what the fake's reading of it takes.
func near(got, want uint32) bool { return (got-want+200+enet.TimerPeriod)%enet.TimerPeriod <= 400 }

// The timer counts, or it does not and StartTimer tells; after the controller has been set up anew it counts from 0 on.
func TestTimerStarts(t *testing.T) {
	b, now := withTimer(t, enettest.Options{})
	if b.dev.Counts() {
		t.Error("the timer counts before StartTimer")
	}
	if !b.dev.StartTimer() {
		t.Fatal("StartTimer: it does not count")
	}
	*now += 700_000_000
	if got := b.port.Capture(); !near(got, 700_020_000) {
		t.Errorf("Capture = %d after 700.02 ms", got)
	}
	*now += 400_000_000
	if got := b.port.Capture(); !near(got, 100_020_000) {
		t.Errorf("Capture = %d after 1.1 s: it begins again each second", got)
	}
	if err := b.dev.Reinit(slots(0)); err != nil {
		t.Fatal(err)
	}
	*now += 5000
	if got := b.port.Capture(); !near(got, 5000) {
		t.Errorf("Capture = %d 5 µs after the initialisation", got)
	}
	if !b.dev.Counts() {
		t.Error("the timer does not count after another initialisation")
	}
	b.dev.StopTimer()
	if b.dev.Counts() {
		t.Error("the timer counts after StopTimer")
	}
}

// The emulator's timer does not count, and a controller without one is not asked.
func TestTimerThatStands(t *testing.T) {
	for _, hz := range []uint32{0, timerHz} {
		b := newBench(t, enettest.Options{Hold: true}, func(c *enet.Config) { c.TimerHz = hz }).up(t)
		if b.dev.StartTimer() || b.dev.Counts() {
			t.Errorf("timer of %d Hz: it counts", hz)
		}
	}
	for _, hz := range []uint32{7_999_999, 26_000_000, 2_000_000_000} {
		rings := enettest.NewRings(t, 64)
		c := enet.Config{
			Name: "ENET1", Base: 0x02188000, ClkHz: 66_000_000, MAC: [6]byte{2}, Desc: rings.Desc, DescBus: rings.DescBus,
			Memory: rings.Memory, TimerHz: hz,
		}
		if _, err := enet.New(new(enet.Port), c); err == nil {
			t.Errorf("TimerHz %d: no error", hz)
		}
	}
}

// Each frame received has the time at which it came, until its position is refilled.
func TestReceivedAt(t *testing.T) {
	b, now := withTimer(t, enettest.Options{})
	b.dev.StartTimer()
	const turns = 3 * enet.RingSize
	for i := range turns {
		var want [3]uint32
		for j := range want {
			*now += uint64(1000 + 37*i)
			want[j] = b.port.Capture()
			b.Inject(make([]byte, 60))
		}
		*now += 1_000_000
		for j := range want {
			slot, n := b.port.Receive()
			if n == 0 {
				t.Fatal("no frame")
			}
			if got := b.port.ReceivedAt(); !near(got, want[j]) {
				t.Fatalf("turn %d: frame %d came at %d, want %d", i, j, got, want[j])
			}
			b.port.Refill(slot)
		}
		b.port.Resume()
	}
}

// Frames that ask for it tell when they left, those between them do not.
func TestSentAt(t *testing.T) {
	b, now := withTimer(t, enettest.Options{Async: true})
	b.dev.StartTimer()
	for i := range uint32(3 * enet.RingSize) {
		ask := i%3 == 0
		if ask {
			if !b.port.SendStamped(100+i%32, 60) {
				t.Fatal("SendStamped refused")
			}
		} else {
			b.port.Send(100+i%32, 60)
		}
		at := b.port.Queued()
		if i%9 == 6 {
			b.StampFail = 1
		}
		*now += 5000
		want := b.port.Capture()
		b.Complete(1)
		*now += 900_000
		if slot, ok := b.port.Reclaim(); !ok || slot != 100+i%32 {
			t.Fatalf("Reclaim = %d, %v", slot, ok)
		}
		where, got, ok := b.port.SentAt()
		if ok != (ask && i%9 != 6) || where != at || ok && !near(got, want) {
			t.Fatalf("frame %d: SentAt = %d, %d, %v, want %d, %d", i, where, got, ok, at, want)
		}
	}
	for i := range uint32(enet.RingSize) {
		b.port.Send(200+i%32, 60)
	}
	if b.port.SendStamped(7, 60) {
		t.Error("SendStamped into a full ring")
	}
	if b.port.SendStamped(7, 13) {
		t.Error("SendStamped of 13 bytes")
	}
}
