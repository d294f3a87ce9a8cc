package task

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// expiry is a run of a task, and what is held then.
type expiry struct {
	At   uint64 // from the begin
	Task uint32
}

// ahead is a task that is kept clear for 20 ticks.
func ahead(id uint32, period time.Duration) Config {
	return Config{ID: id, Name: "a" + string(rune('a'+id)), Period: period, Ahead: 20 * time.Microsecond}
}

// What is held ahead of the expiries of a task, and in which order tasks run whose timers expire in it.
func TestAhead(t *testing.T) {
	for _, c := range []struct {
		name  string
		tasks []Config
		set   func(begin uint64)
		held  [2]uint32 // from the begin, ticks
		want  []expiry  // in the first 1000 ticks
	}{
		{"none", []Config{{ID: 3, Name: "x"}}, func(begin uint64) { timerOf(3).At(begin + 500) }, [2]uint32{}, []expiry{{500, 3}}},
		{"period", []Config{ahead(3, 400*time.Microsecond)}, func(uint64) {}, [2]uint32{380, 20}, []expiry{{400, 3}, {800, 3}}},
		{"once", []Config{ahead(3, 0)}, func(begin uint64) { timerOf(3).At(begin + 500) }, [2]uint32{480, 20}, []expiry{{500, 3}}},
		{"stopped", []Config{ahead(3, 400*time.Microsecond)}, func(uint64) { Periodic(3).Stop() }, [2]uint32{}, nil},
		{"a less urgent one within", []Config{ahead(3, 400*time.Microsecond), {ID: 4, Name: "x"}},
			func(begin uint64) { timerOf(4).At(begin + 381) }, [2]uint32{380, 20}, []expiry{{400, 3}, {400, 4}, {800, 3}}},
		{"a less urgent one before", []Config{ahead(3, 400*time.Microsecond), {ID: 4, Name: "x"}},
			func(begin uint64) { timerOf(4).At(begin + 380) }, [2]uint32{380, 20}, []expiry{{380, 4}, {400, 3}, {800, 3}}},
		{"a more urgent one within", []Config{ahead(3, 400*time.Microsecond), {ID: 2, Name: "x"}},
			func(begin uint64) { timerOf(2).At(begin + 390) }, [2]uint32{380, 20}, []expiry{{390, 2}, {400, 3}, {800, 3}}},
		{"a less urgent one ahead of a more urgent one within", []Config{ahead(3, 400*time.Microsecond), {ID: 2, Name: "x"}, {ID: 4, Name: "y"}},
			func(begin uint64) { timerOf(4).At(begin + 385); timerOf(2).At(begin + 390) }, [2]uint32{380, 20},
			[]expiry{{390, 2}, {390, 4}, {400, 3}, {800, 3}}},
		{"two of the kind", []Config{ahead(3, 400*time.Microsecond), ahead(4, 0)},
			func(begin uint64) { timerOf(4).At(begin + 300) }, [2]uint32{280, 20}, []expiry{{300, 4}, {400, 3}, {800, 3}}},
		{"too short behind the one before", []Config{ahead(3, 400*time.Microsecond), ahead(4, 0)},
			func(begin uint64) { timerOf(4).Every(begin+439, 401) }, [2]uint32{380, 20}, []expiry{{400, 3}, {439, 4}, {800, 3}, {840, 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(t, c.tasks...)
			begin := host.time
			var got []expiry
			var holds [][2]uint32
			host.run = func(id uint32) { got = append(got, expiry{host.time - begin, id}) }
			Restart()
			c.set(begin)
			activation(false)
			relative := func() (h [2]uint32) {
				if h = host.held; h[1] != 0 {
					h[0] -= uint32(begin)
				}
				return h
			}
			if held := relative(); held != c.held {
				t.Errorf("held %d at first, want %d", held, c.held)
			}
			for host.armed && host.at <= begin+1000 {
				host.time = max(host.time, host.at)
				activation(true)
				holds = append(holds, relative())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			if c.name == "too short behind the one before" {
				// 39 ticks behind the first, 40 behind the second.
				if diff := cmp.Diff([][2]uint32{{}, {780, 20}, {820, 20}, {1180, 20}}, holds); diff != "" {
					t.Errorf("holds (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// timerOf returns a new timer of task id.
func timerOf(id uint32) Timer {
	m, err := NewTimer(id)
	if err != nil {
		panic(err)
	}
	return m
}

// A timer without a task that expires in a hold is served behind it, and nothing is lost when its time has passed.
func TestAheadOfTimerWithoutTask(t *testing.T) {
	fresh(t, ahead(3, 400*time.Microsecond))
	m := timerOf(NoTask)
	begin := host.time
	start()
	m.At(begin + 390)
	activation(false)
	if host.at != begin+400 {
		t.Fatalf("hardware set for %d, want the end of the hold, 400", host.at-begin)
	}
	host.time = host.at
	activation(true)
	if !host.armed || host.at > host.time {
		t.Fatalf("hardware set %v for %d, want at once", host.armed, host.at-begin)
	}
	if got := Expired(); got != m {
		t.Errorf("Expired() = %d, want %d", got, m)
	}
	Run()
	if host.at != begin+800 {
		t.Errorf("hardware set for %d, want 800", host.at-begin)
	}
}

// An expiry that is further off than a hold can be is looked at again until it is not.
func TestAheadFarOff(t *testing.T) {
	fresh(t, ahead(3, 0))
	runs := 0
	host.run = func(uint32) { runs++ }
	due := host.time + 5<<32 + 7
	m := timerOf(3)
	start()
	m.At(due)
	activation(false)
	for looks := 0; runs == 0; looks++ {
		if !host.armed || looks > 50 {
			t.Fatalf("after %d looks no run, hardware set %v", looks, host.armed)
		}
		if far := due-host.time >= reach; far != (host.held[1] == 0) {
			t.Errorf("%d ticks ahead %d are held", due-host.time, host.held[1])
		}
		host.time = host.at
		activation(true)
	}
	if host.time != due {
		t.Errorf("it ran %d ticks late", int64(host.time-due))
	}
}

// Random timers: a hold ends with an expiry, two holds are apart by what is held, and what they change about when tasks run is that
// a less urgent one waits for the end of a hold.
func TestAheadModel(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for round := range 300 {
		var list []Config
		for id := range uint32(6) {
			c := Config{ID: id, Name: "t" + string(rune('a'+id))}
			if random.Uint32N(2) == 0 {
				c.Ahead = time.Duration(1+random.Uint32N(20)) * time.Microsecond
			}
			list = append(list, c)
		}
		fresh(t, list...)
		begin := host.time
		dues := map[uint64]bool{} // of tasks with Ahead
		start()
		want := 0
		for id := range uint32(6) {
			first, period := begin+1+uint64(random.Uint32N(500)), 30+random.Uint32N(300)
			timerOf(id).Every(first, period)
			for at := first; at <= begin+3000; at += uint64(period) {
				if list[id].Ahead != 0 {
					dues[at] = true
				}
				if at <= begin+2000 {
					want++
				}
			}
		}
		got, ended := 0, uint64(0)
		host.run = func(id uint32) {
			m := &state.timer[id]
			if m.last <= begin+2000 {
				got++
			}
			late := host.time - m.last
			if late > 20 || late != 0 && list[id].Ahead != 0 && id == 0 {
				t.Fatalf("round %d: task %d is %d ticks late", round, id, late)
			}
		}
		activation(false)
		for host.armed && host.at <= begin+2020 { // the longest hold later
			host.time = max(host.time, host.at)
			activation(true)
			from, ticks := host.held[0], host.held[1]
			if ticks == 0 {
				continue
			}
			end := begin + uint64(from+ticks-uint32(begin))
			if !dues[end] {
				t.Fatalf("round %d: a hold ends at %d, when nothing is due", round, end-begin)
			}
			if end != ended && end-ended < 2*uint64(ticks) {
				t.Fatalf("round %d: a hold of %d ticks, %d behind the last", round, ticks, end-ended)
			}
			ended = end
		}
		if got != want {
			t.Errorf("round %d: %d runs, want %d", round, got, want)
		}
	}
}
