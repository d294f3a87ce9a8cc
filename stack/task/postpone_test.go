package task

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A timer that is moved on again and again never expires, and causes no activation.
func TestPostpone(t *testing.T) {
	runs := 0
	fresh(t, Config{ID: 1, Name: "late"})
	host.run = func(uint32) { runs++ }
	m, err := NewTimer(1)
	if err != nil {
		t.Fatal(err)
	}
	start()
	if m.Postpone(host.time + 50) {
		t.Error("Postpone = true for a timer that is not set")
	}
	m.In(100)
	activation(false)
	for range 1000 {
		until(host.time + 60)
		if !m.Postpone(host.time + 100) {
			t.Fatal("Postpone = false")
		}
	}
	if runs != 0 {
		t.Errorf("%d runs, want none", runs)
	}
	until(host.time + 100)
	if runs != 1 || host.armed {
		t.Errorf("%d runs when nobody moved it on, armed %v; want 1, and no timer", runs, host.armed)
	}
}

// A timer that is moved on beyond another, which the hardware was not set for: the other's task runs in time.
func TestPostponeBeyondAnother(t *testing.T) {
	fresh(t, Config{ID: 0, Name: "slow", Period: 1500 * time.Microsecond}, Config{ID: 1, Name: "late"})
	var late []uint64
	host.run = func(id uint32) {
		if id != 0 {
			t.Errorf("task %d runs, whose timer is moved on", id)
		}
		late = append(late, host.time-Periodic(0).Expiry())
	}
	m := timerOf(1)
	start()
	m.In(1000)
	activation(false)
	for range 20 {
		until(host.time + 600)
		m.Postpone(host.time + 1000)
	}
	if diff := cmp.Diff(make([]uint64, 8), late); diff != "" {
		t.Errorf("how late it ran (-want +got):\n%s", diff)
	}
}

// Whatever activations come in between, and whatever they set: the other timers' tasks run when they are due, and the one that is
// postponed does not.
func TestPostponeAmidActivations(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	fresh(t, Config{ID: 0, Name: "often", Period: 130 * time.Microsecond}, Config{ID: 1, Name: "late"}, Config{ID: 2, Name: "once"})
	runs := [3]int{}
	var late uint64
	host.run = func(id uint32) {
		runs[id]++
		if id == 0 {
			late = max(late, host.time-Periodic(0).Expiry())
		}
	}
	m, _ := NewTimer(1)
	once, _ := NewTimer(2)
	start()
	m.In(1000)
	activation(false)
	host.kick = func() { host.activations++; activation(false) }
	host.between = func() {
		for rnd.IntN(3) == 0 { // an activation: of the timer, or a frame's whose task sets another
			host.activations++
			host.time += uint64(rnd.IntN(3))
			if host.armed && host.at <= host.time {
				activation(true)
				continue
			}
			once.In(uint32(10 + rnd.IntN(200)))
			activation(false)
		}
	}
	begin := host.time
	for range 20_000 {
		until(host.time + uint64(rnd.IntN(600)))
		if !m.Postpone(host.time + 1000) {
			t.Fatal("Postpone = false")
		}
	}
	host.between = nil
	if runs[1] != 0 {
		t.Errorf("the postponed task ran %d times", runs[1])
	}
	if want := int(host.time-begin) / 130; runs[0] < want-1 || runs[0] > want+1 || late > 20 {
		t.Errorf("the periodic task ran %d times, want %d; at worst %d ticks late", runs[0], want, late)
	}
	if runs[2] == 0 {
		t.Error("the other timer never expired")
	}
}
