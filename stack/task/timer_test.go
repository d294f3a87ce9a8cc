package task

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewTimerRefuses(t *testing.T) {
	fresh(t)
	for range MaxTimers {
		if _, err := NewTimer(0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewTimer(0); err == nil {
		t.Errorf("%d timers: no error", MaxTimers+1)
	}
	fresh(t)
	if _, err := NewTimer(NoTask + 1); err == nil {
		t.Error("a timer of a task that cannot be: no error")
	}
}

func TestOneShot(t *testing.T) {
	fresh(t)
	a, _ := NewTimer(3)
	b, _ := NewTimer(4)
	start()
	if host.armed {
		t.Fatal("the hardware is set without a timer")
	}
	var order []uint32
	host.run = func(id uint32) { order = append(order, id) }
	begin := host.time
	b.At(begin + 10)
	a.At(begin + 10) // at the same time: the more urgent first
	Run()
	until(begin + 9)
	if len(order) != 0 {
		t.Fatalf("tasks %v ran early", order)
	}
	until(begin + 1000)
	if diff := cmp.Diff([]uint32{3, 4}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if host.armed || a.On() || b.On() {
		t.Error("a timer is still set")
	}
	a.In(50)
	b.In(60)
	a.Stop()
	Run()
	until(begin + 2000)
	if diff := cmp.Diff([]uint32{3, 4, 4}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	a.At(5) // long past
	Run()
	if host.armed && host.at <= host.time {
		t.Error("an expired timer is left to the hardware")
	}
	if len(order) != 4 {
		t.Errorf("a timer of the past: %v", order)
	}
}

// A task that starts its own timer anew in its run does not lose or double it.
func TestRestartInRun(t *testing.T) {
	fresh(t)
	m, _ := NewTimer(0)
	start()
	var at []uint64
	host.run = func(uint32) {
		at = append(at, host.time)
		host.time += 30
		if len(at) < 4 {
			m.At(m.Expiry() + 100)
		}
	}
	begin := host.time
	m.At(begin + 100)
	Run()
	until(begin + 10_000)
	if diff := cmp.Diff([]uint64{begin + 100, begin + 200, begin + 300, begin + 400}, at); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

func TestPeriodic(t *testing.T) {
	fresh(t, Config{ID: 1, Name: "slow", Period: time.Millisecond, Budget: 20 * time.Microsecond}, Config{ID: 0, Name: "fast", Period: 250 * time.Microsecond})
	var order []uint32
	host.run = func(id uint32) {
		order = append(order, id)
		host.time += 10
		if len(order) == 5 {
			host.time += 11
		}
	}
	start()
	begin := host.time
	until(begin + 2100)
	if diff := cmp.Diff([]uint32{0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	want := []Stats{
		{Name: "fast", Runs: 8, Longest: 10, Busy: 80},
		{ID: 1, Name: "slow", Runs: 2, Longest: 21, Latest: 10, Busy: 31, OverBudget: 1},
	}
	if diff := cmp.Diff(want, Snapshot()); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	if got := Periodic(1).Expiry(); got != begin+2000 {
		t.Errorf("Expiry() = begin + %d, want begin + 2000", got-begin)
	}
}

// What a task that takes too long misses is counted, and the period keeps its phase.
func TestOverruns(t *testing.T) {
	fresh(t, Config{ID: 1, Name: "late", Period: 100 * time.Microsecond})
	takes := []uint64{10, 110, 10, 350, 10, 10, 1 << 33, 10, 10}
	var began []uint64
	host.run = func(uint32) {
		began = append(began, host.time)
		if n := len(began); n <= len(takes) {
			host.time += takes[n-1]
		}
	}
	start()
	begin := host.time
	until(begin + 1000)
	// At 200 a run of 110: the next begins at 310, late and without an overrun. At 400 one of 350: 500, 600 and 700 are over at 750;
	// a run for the last of them.
	want := []uint64{100, 200, 310, 400, 750, 800, 900}
	for i := range want {
		want[i] += begin
	}
	if diff := cmp.Diff(want, began[:7]); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if s := Snapshot()[0]; s.Overruns != 3 { // two, and one for the long pause
		t.Errorf("%d overruns, want 3", s.Overruns)
	}
	if !host.armed || host.at <= host.time || host.at > host.time+100 {
		t.Errorf("the next expiry is at %d, now is %d", host.at, host.time)
	}
}

// A task that is still waiting when its timer expires again has an overrun.
func TestOverrunOfWaiting(t *testing.T) {
	fresh(t, Config{ID: 9, Name: "low", Period: 100 * time.Microsecond})
	runs := 0
	host.run = func(id uint32) {
		if id == 0 {
			host.time += 20
			Ready(0)
			return
		}
		runs++
	}
	start()
	Ready(0)
	begin := host.time
	Run()
	until(begin + 410)
	if got, want := uint64(Snapshot()[0].Overruns), (host.time-begin)/100-1; got != want || runs != 0 {
		t.Errorf("%d overruns, %d runs after %d µs, want %d, 0", got, runs, host.time-begin, want)
	}
}

// A message makes a periodic task ready while a more urgent one runs, and its period begins: one run for both, and nothing is lost.
// Of two periods that begin ahead of that run, one is.
func TestOverrunOfMessage(t *testing.T) {
	for _, c := range []struct {
		name     string
		run      uint64 // ticks, of the more urgent task, from 95 on
		overruns uint32
		want     []uint64 // whose begins the runs are for
	}{
		{"a period begins", 10, 0, []uint64{100, 200}},
		{"two begin", 110, 1, []uint64{200}},
		{"none begins", 3, 0, []uint64{0, 100, 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(t, Config{ID: 1, Name: "control", Period: 100 * time.Microsecond})
			start()
			begin := host.time
			events := Subscribe(4, nil)
			var got []uint64
			host.run = func(id uint32) {
				if id == 0 {
					host.time += c.run
				} else if at := Periodic(1).Expiry(); at != 0 {
					got = append(got, at-begin)
				} else {
					got = append(got, 0)
				}
			}
			host.time = begin + 95
			Ready(0)
			Ready(1)
			Run()
			until(begin + 250)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			Woken()
			if n := Snapshot()[0].Overruns; n != c.overruns || len(events.C) != int(c.overruns) {
				t.Errorf("%d overruns, %d events, want %d of each", n, len(events.C), c.overruns)
			}
		})
	}
}

func TestInverse(t *testing.T) {
	for _, n := range []uint32{1, 2, 3, 10, 62_500, 1 << 16, 1<<31 - 1, 1 << 31} {
		if got, want := inverse(n), ^uint32(0)/n; got != want {
			t.Errorf("inverse(%d) = %d, want %d", n, got, want)
		}
	}
	if got := inverse(0); got != 0 {
		t.Errorf("inverse(0) = %d, want 0", got)
	}
}

// catchUp against a division, at the edges of its 32 bits.
func TestCatchUp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	try := func(behind uint64, period uint32) {
		m := timer{due: 1 << 50, period: period, inverse: inverse(period)}
		m.catchUp(m.due + behind)
		missed := behind / uint64(period)
		if m.due != 1<<50+missed*uint64(period) || m.overruns != uint32(missed) {
			t.Fatalf("%d behind with a period of %d: %d overruns, due %d, want %d, %d",
				behind, period, m.overruns, m.due-1<<50, missed, missed*uint64(period))
		}
	}
	for _, period := range []uint32{1, 2, 3, 80, 625, 62_500, 1<<31 - 1, 1 << 31} {
		for _, n := range []uint64{1, 2, 3, 1000, 1 << 32 / uint64(period)} {
			for _, d := range []uint64{^uint64(0), 0, 1} {
				if behind := n*uint64(period) + d; behind < 1<<32 {
					try(behind, period)
				}
			}
		}
		try(1<<32-1, period)
	}
	for range 100_000 {
		try(uint64(random.Uint32()), max(1, random.Uint32()>>(random.Uint32()%32)))
	}
}

func TestDuration(t *testing.T) {
	fresh(t)
	if got := Duration(1<<40 + 7); got != (1<<40+7)*time.Microsecond {
		t.Errorf("Duration = %v", got)
	}
	if got := Ticks(3 * time.Millisecond); got != 3000 {
		t.Errorf("Ticks(3ms) = %d, want 3000", got)
	}
	if got := Ticks(time.Hour); got != 1<<31 {
		t.Errorf("Ticks(1h) = %d, want 2³¹", got)
	}
}
