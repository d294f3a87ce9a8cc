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
