package task

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testHz = 1_000_000 // a tick is a microsecond

// fresh returns to the state before Configure, and configures the tasks.
func fresh(t *testing.T, list ...Config) {
	t.Helper()
	clear(configs[:])
	configured = 0
	state = core{}
	notices.tail, notices.head, notices.lost = 0, 0, 0
	clear(buffers[:])
	pipes.list, pipes.used = nil, 0
	subscribers.list = nil
	host.time, host.armed, host.wakes, host.kick = 1<<40, false, 0, nil
	host.run = func(uint32) {}
	if err := Configure(testHz, list...); err != nil {
		t.Fatal(err)
	}
}

// start is what the image does at a start of the stage.
func start() {
	Restart()
	activation(false)
}

// activation is one of the stage: for its timer, or for a kick.
func activation(timer bool) {
	host.activations++
	if timer {
		Expired()
	} else {
		Kicked()
	}
	if Pending() {
		Run()
	}
}

// until lets the hardware work until the time given.
func until(end uint64) {
	for host.armed && host.at <= end {
		host.time = max(host.time, host.at)
		activation(true)
	}
	host.time = max(host.time, end)
}

func TestConfigureRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		list []Config
		want string
	}{
		{"number", []Config{{ID: 16, Name: "a"}}, "number 16, want 0 to 15"},
		{"number twice", []Config{{ID: 3, Name: "a"}, {ID: 3, Name: "b"}}, "number 3 is that of task a"},
		{"name twice", []Config{{ID: 3, Name: "a"}, {ID: 4, Name: "a"}}, "tasks 3 and 4 have this name"},
		{"no name", []Config{{}}, `name ""`},
		{"name", []Config{{Name: "Control loop"}}, `name "Control loop"`},
		{"short period", []Config{{Name: "a", Period: time.Microsecond}}, "a period of 1µs, want 10µs to"},
		{"long period", []Config{{Name: "a", Period: time.Hour}}, "want 10µs to 35m47.483648s"},
		{"negative period", []Config{{Name: "a", Period: -1}}, "a period of -1ns"},
		{"budget", []Config{{Name: "a", Budget: -1}}, "a budget of -1ns"},
		{"quota", []Config{{Name: "a", Quota: 2, Window: 1}}, "a quota of 2ns in 1ns"},
		{"ahead", []Config{{Name: "a", Ahead: -1}}, "-1ns kept clear ahead, want 0 to 20µs"},
		{"long ahead", []Config{{Name: "a", Ahead: 21 * time.Microsecond}}, "21µs kept clear ahead, want 0 to 20µs"},
		{"ahead of a short period", []Config{{Name: "a", Period: 30 * time.Microsecond, Ahead: 16 * time.Microsecond}}, "no more than half of the period"},
		{"window", []Config{{Name: "a", Window: 1}}, "a quota of 0s in 1ns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(t)
			state.hz = 0
			err := Configure(testHz, c.list...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Configure() = %v, want %q", err, c.want)
			}
		})
	}
	fresh(t)
	if err := Configure(testHz); err == nil {
		t.Error("Configure twice: no error")
	}
}

// The most urgent of the ready tasks runs first, also when it gets ready while another runs.
func TestPriority(t *testing.T) {
	fresh(t)
	Restart()
	var order []uint32
	host.run = func(id uint32) {
		if Current() != id {
			t.Errorf("Current() = %d in task %d", Current(), id)
		}
		order = append(order, id)
		if id == 5 {
			Ready(9)
			Ready(2)
		}
	}
	for _, id := range []uint32{11, 0, 5, 15} {
		Ready(id)
	}
	Run()
	if diff := cmp.Diff([]uint32{0, 5, 2, 9, 11, 15}, order); diff != "" {
		t.Errorf("order of tasks (-want +got):\n%s", diff)
	}
	if Pending() || Current() < MaxTasks {
		t.Error("something is left")
	}
}

// Tasks that make each other ready for ever leave time for everything else, and lose none of their turns.
func TestMaxRuns(t *testing.T) {
	fresh(t)
	Restart()
	runs := 0
	host.run = func(id uint32) {
		runs++
		Ready(id ^ 1)
	}
	Ready(0)
	Run()
	if runs != MaxRuns || !Pending() || Overloads() != 1 {
		t.Fatalf("%d runs in an activation, %d overloads, want %d, 1", runs, Overloads(), MaxRuns)
	}
	if want := host.time + 50; !host.armed || host.at != want {
		t.Errorf("hardware set: %v for %d, want %d", host.armed, host.at, want)
	}
	until(host.time + 500)
	if want := 11 * MaxRuns; runs != want {
		t.Errorf("%d runs after ten times 50 µs, want %d", runs, want)
	}
}

// A window that has ended counts for nothing, however long ago that was: also 2³² ticks and a little less than the window.
func TestQuotaAfterLongIdle(t *testing.T) {
	for _, idle := range []uint64{999, 1 << 20, 1 << 32, 1<<32 + 700, 3<<32 + 700} {
		fresh(t, Config{ID: 3, Name: "hog", Quota: 200 * time.Microsecond, Window: time.Millisecond})
		host.run = func(id uint32) { host.time += 150 }
		start()
		Ready(3)
		Run()
		host.time += idle
		Ready(3)
		Run()
		if n := Snapshot()[0].Exhausted; n != 0 {
			t.Errorf("after %d idle ticks: held %d times, want 0", idle, n)
		}
	}
}

// A quota is used up by whole runs: the last goes over it, and no run follows in the window.
func TestQuotaBoundsRuns(t *testing.T) {
	fresh(t, Config{ID: 3, Name: "hog", Quota: 200 * time.Microsecond, Window: time.Millisecond})
	host.run = func(id uint32) {
		host.time += 150
		Ready(3)
	}
	start()
	begin := host.time
	Ready(3)
	Run()
	until(begin + 999)
	if s := Snapshot()[0]; s.Busy != 300 || s.Exhausted != 1 {
		t.Errorf("it ran %d ticks in a window, held %d times, want its quota of 200 and what the second run goes over, 300, once", s.Busy, s.Exhausted)
	}
}

// A task that is always ready gets its quota and no more; what it misses meanwhile is an overrun.
func TestQuota(t *testing.T) {
	fresh(t, Config{ID: 3, Name: "hog", Quota: 200 * time.Microsecond, Window: time.Millisecond, Period: 100 * time.Microsecond},
		Config{ID: 8, Name: "other", Period: 50 * time.Microsecond})
	hog := true
	host.run = func(id uint32) {
		if id == 3 {
			host.time += 15
			if hog {
				Ready(3)
			}
		}
	}
	start()
	begin := host.time
	until(begin + 100_000)
	s := Snapshot()
	// 14 runs of 15 µs reach 200 µs.
	if busy := s[0].Busy; busy < 20_000 || busy > 21_300 || s[0].Exhausted < 98 || s[0].Exhausted > 101 {
		t.Errorf("hog ran %d µs of 100,000, held %d times, want a fifth, 100 times", busy, s[0].Exhausted)
	}
	if s[0].Overruns < 500 {
		t.Errorf("hog has %d overruns, want most of 800", s[0].Overruns)
	}
	if s[1].Runs+s[1].Overruns < 1990 || s[1].Overruns > 500 {
		t.Errorf("other has %d runs, %d overruns, want 2,000, few of them overruns", s[1].Runs, s[1].Overruns)
	}
	hog = false
	until(begin + 110_000)
	runs := Snapshot()[0].Runs
	until(begin + 120_000)
	if n := Snapshot()[0].Runs - runs; n != 100 {
		t.Errorf("%d runs in 10 ms, want 100: it is held no longer", n)
	}
}

func TestPost(t *testing.T) {
	fresh(t, Config{ID: 7, Name: "posted", AtStart: true})
	ran := 0
	host.run = func(id uint32) {
		if id == 7 {
			ran++
		}
	}
	Post(7) // the stage does not run yet
	start()
	if ran != 1 {
		t.Errorf("%d runs at the start, want 1", ran)
	}
	host.kick = func() { activation(false) }
	for n := 2; n < 10; n++ {
		Post(7)
		if ran != n {
			t.Fatalf("%d runs, want %d", ran, n)
		}
	}
	host.kick = nil
	Post(7)
	Post(7)
	activation(false)
	if ran != 10 {
		t.Errorf("%d runs after two posts at once, want 10", ran)
	}
}

func TestFaulted(t *testing.T) {
	fresh(t, Config{ID: 2, Name: "bad"}, Config{ID: 3, Name: "good"})
	start()
	m, _ := NewTimer(3)
	m.In(100)
	Ready(3)
	host.run = func(uint32) { panic("as if it faulted") }
	Ready(2)
	func() {
		defer func() { recover() }()
		Run()
	}()
	events := Subscribe(4, nil)
	if got := Faulted(); got != "bad" {
		t.Errorf("Faulted() = %q, want bad", got)
	}
	if got := Faulted(); got != "" {
		t.Errorf("Faulted() again = %q, want nothing", got)
	}
	if e := <-events.C; e.Kind != EventViolation || e.Name != "bad" {
		t.Errorf("event %v, want a violation of bad's", e)
	}
	host.run = func(id uint32) { t.Errorf("task %d runs after the start", id) }
	start()
	until(host.time + 1000)
	if s := Snapshot(); s[0].Violations != 1 || s[1].Violations != 0 {
		t.Errorf("statistics %+v, want a violation of bad's", s)
	}
}

// TestModel has random timers of random tasks against a list of what must run when.
func TestModel(t *testing.T) {
	type event struct {
		At   uint64
		Task uint32
	}
	random := rand.New(rand.NewPCG(7, 7))
	for round := range 200 {
		fresh(t)
		start()
		var got, want []event
		host.run = func(id uint32) { got = append(got, event{host.time, id}) }
		begin := host.time
		for id := range uint32(MaxTasks) {
			m, _ := NewTimer(id)
			first, period := begin+1+uint64(random.Uint32N(500)), uint32(0)
			if random.Uint32N(2) == 0 {
				period = 10 + random.Uint32N(300)
				m.Every(first, period)
			} else {
				m.At(first)
			}
			for at := first; at <= begin+2000; at += uint64(period) {
				want = append(want, event{at, id})
				if period == 0 {
					break
				}
			}
		}
		Run()
		until(begin + 2000)
		order := func(a, b event) int { // of expiries at one time, the more urgent first
			if a.At != b.At {
				return int(int64(a.At - b.At))
			}
			return int(a.Task) - int(b.Task)
		}
		slices.SortFunc(want, order)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, diff)
		}
		for i := range uint32(MaxTimers) {
			if n := Timer(i).Overruns(); n != 0 {
				t.Errorf("round %d: timer %d has %d overruns", round, i, n)
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	fresh(t, Config{ID: 1, Name: "a", Period: time.Millisecond})
	start()
	if n := testing.AllocsPerRun(100, func() { until(host.time + 1000) }); n != 0 {
		t.Errorf("%v allocations in a period, want 0", n)
	}
}
