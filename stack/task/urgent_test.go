package task

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each case has runs of 50 ticks, but for task 0's: it begins that late at most when its timer expires.
const longRun = 50

// Task 1, which its timer starts, makes three others ready, as it does with messages on the loopback port; task 0 falls due in its run.
func TestUrgentBehindMessages(t *testing.T) {
	fresh(t, Config{ID: 0, Name: "urgent"}, Config{ID: 1, Name: "sender"})
	urgent, sender := timerOf(0), timerOf(1)
	start()
	begin := host.time
	var got []expiry
	host.run = func(id uint32) {
		got = append(got, expiry{host.time - begin, id})
		switch id {
		case 0:
			return
		case 1:
			Ready(2)
			Ready(3)
			Ready(4)
		}
		host.time += longRun
	}
	sender.At(begin + 100)
	urgent.At(begin + 110)
	Run()
	until(begin + 1000)
	if diff := cmp.Diff([]expiry{{100, 1}, {150, 0}, {150, 2}, {200, 3}, {250, 4}}, got); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// The same, with a timer that a task sets in its run.
func TestUrgentSetInRun(t *testing.T) {
	fresh(t, Config{ID: 0, Name: "urgent"})
	urgent := timerOf(0)
	start()
	begin := host.time
	var got []expiry
	host.run = func(id uint32) {
		got = append(got, expiry{host.time - begin, id})
		if id == 5 {
			urgent.In(10)
		}
		if id != 0 {
			host.time += longRun
		}
	}
	for id := range uint32(5) {
		Ready(3 + id)
	}
	Run()
	if diff := cmp.Diff([]expiry{{0, 3}, {50, 4}, {100, 5}, {150, 0}, {150, 6}, {200, 7}}, got); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// Tasks of little urgency that keep each other ready, beside a period: it loses nothing, and in-band has time.
func TestUrgentInOverload(t *testing.T) {
	for _, c := range []struct {
		name        string
		run, period uint64 // ticks
		ahead       time.Duration
	}{
		{"short runs", 1, 1000, 0},
		{"short runs, kept clear", 1, 1000, 12 * time.Microsecond},
		{"a period as long as the runs of an activation", 1, MaxRuns, 0},
		{"a period as long as a run", 100, 100, 0},
		{"a period as long as a run, kept clear", 100, 100, 20 * time.Microsecond},
		{"a period of two runs", 30, 60, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(t, Config{ID: 0, Name: "urgent", Period: time.Duration(c.period) * time.Microsecond, Ahead: c.ahead})
			busy := uint64(0)
			host.run = func(id uint32) {
				if id != 0 {
					host.time += c.run
					busy += c.run
					Ready(id ^ 1)
				}
			}
			start()
			begin := host.time
			Ready(8)
			Run()
			until(begin + 100_000)
			took := host.time - begin
			s := Snapshot()[0]
			if s.Overruns != 0 || uint64(s.Latest) > c.run || uint64(s.Runs) < took/c.period-1 {
				t.Errorf("%d runs in %d ticks, %d overruns, at the latest %d ticks late; the others' runs are of %d", s.Runs, took, s.Overruns, s.Latest, c.run)
			}
			if busy < took/5 || busy > took*95/100 {
				t.Errorf("the others ran for %d ticks of %d: want a fifth or more, and some left for in-band", busy, took)
			}
		})
	}
}

// What an overload has put off goes on 50 µs later, and not before, with a more urgent timer's expiry between; a timer without a
// task, of in-band's watchdog for example, is served meanwhile.
func TestOverloadPutsOff(t *testing.T) {
	fresh(t, Config{ID: 0, Name: "urgent"})
	urgent, own := timerOf(0), timerOf(NoTask)
	start()
	begin := host.time
	var at []uint64
	host.run = func(id uint32) {
		if id == 0 {
			at = append(at, host.time-begin)
			Ready(9) // put off it stays
			return
		}
		if host.time > begin && host.time < begin+50 {
			t.Errorf("task %d runs at %d, in the time that is in-band's", id, host.time-begin)
		}
		Ready(id ^ 1)
	}
	urgent.At(begin + 20)
	own.At(begin + 30)
	Ready(8)
	Run()
	served := false
	for host.armed && host.at < begin+60 {
		host.time = host.at
		host.activations++
		served = Expired() == own || served
		if Pending() {
			Run()
		}
	}
	if diff := cmp.Diff([]uint64{20}, at); diff != "" || !served {
		t.Errorf("the urgent task's runs (-want +got):\n%s, the other timer served: %v", diff, served)
	}
	if host.time != begin+50 || Overloads() != 2 {
		t.Errorf("the last activation at %d, %d overloads, want 50, 2", host.time-begin, Overloads())
	}
}

// A timer without a task, that of a device's next look for example, is served however long tasks make each other ready.
func TestOverloadServesOwnTimers(t *testing.T) {
	fresh(t)
	own := timerOf(NoTask)
	start()
	host.run = func(id uint32) { Ready(id ^ 1) }
	begin := host.time
	own.At(begin + 20)
	Ready(8)
	Run()
	served := uint64(0)
	for host.armed && host.at < begin+300 && served == 0 {
		host.time = max(host.time, host.at)
		host.activations++
		if Expired() == own {
			served = host.time - begin
		}
		Run()
	}
	if served == 0 || served > 20+50 {
		t.Errorf("served after %d ticks (0: never), want 70 at most", served)
	}
}

// A task that an overload has put off with a message runs for its timer's expiry.
func TestExpiryOfPutOff(t *testing.T) {
	fresh(t, Config{ID: 0, Name: "urgent"})
	urgent := timerOf(0)
	start()
	begin := host.time
	var at []uint64
	runs := 0
	host.run = func(id uint32) {
		if id == 0 {
			at = append(at, host.time-begin)
			return
		}
		Ready(id ^ 1)
		if runs++; runs == MaxRuns {
			Ready(0)
		}
	}
	urgent.At(begin + 7)
	Ready(8)
	Run()
	until(begin + 40)
	if diff := cmp.Diff([]uint64{7}, at); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// Random tasks, periods, run lengths and messages, up to loads far above what fits: the most urgent task that has timers begins, when
// one of them expires, within the longest run of the others.
func TestUrgentModel(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	expiries := 0
	for round := range 400 {
		var list []Config
		for id := range uint32(MaxTasks) {
			c := Config{ID: id, Name: "t" + string(rune('a'+id))}
			if random.Uint32N(4) == 0 {
				c.Ahead = time.Duration(1+random.Uint32N(20)) * time.Microsecond
			}
			list = append(list, c)
		}
		fresh(t, list...)
		start()
		begin := host.time
		length := 1 + random.Uint32N(100)
		urgent := timerOf(0)
		urgent.Every(begin+1+uint64(random.Uint32N(500)), 120+random.Uint32N(1000))
		once := timerOf(0)
		for id := range uint32(8) {
			timerOf(1+id).Every(begin+1+uint64(random.Uint32N(500)), 30+random.Uint32N(3000))
		}
		own := timerOf(NoTask)
		chatty := random.Uint32N(4) // of eight runs, how many make others ready
		host.run = func(id uint32) {
			if i := state.by[id]; id == 0 && i < MaxTimers {
				expiries++
				if late := host.time - state.timer[i].last; late > uint64(length) {
					t.Fatalf("round %d: %d ticks late, the others' longest run is %d", round, late, length)
				}
			}
			if random.Uint32N(8) <= chatty {
				Ready(random.Uint32N(MaxTasks))
				Ready(1 + random.Uint32N(MaxTasks-1))
			}
			switch random.Uint32N(16) {
			case 0:
				if !once.On() {
					once.In(random.Uint32N(200))
				}
			case 1:
				own.In(random.Uint32N(200))
			}
			if id != 0 {
				host.time += uint64(random.Uint32N(length) + 1)
			}
		}
		Run()
		for host.time < begin+20_000 {
			// A message comes, unless the timer or a hold comes first.
			at := host.time + uint64(random.Uint32N(200))
			until(at)
			if from, n := host.held[0], host.held[1]; n != 0 && uint32(host.time)-from < n {
				continue
			}
			Ready(random.Uint32N(MaxTasks))
			activation(false)
		}
		if n := urgent.Overruns(); n > once.Overruns() && n > uint32(20) {
			t.Errorf("round %d: %d overruns", round, n)
		}
	}
	if expiries < 10_000 {
		t.Errorf("%d expiries of the urgent task, want 10,000", expiries)
	}
}
