// Package task runs the real-time tasks of the oob stage: functions of fixed priority that run to completion, started by
// software timers, by oob code and by in-band.
//
// The functions are called by a switch that the image provides, so that each call is a static one, which the check of the
// linked image follows:
//
//	//go:linkname run mortise/stack/task.run
//	func run(id uint32) {
//		switch id {
//		case taskControl:
//			control.Run()
//		}
//	}
//
// A task is made ready by Ready (oob code), by Post (in-band) or by a timer. The activation of the stage that made it ready,
// or that served what did, ends with Run: the highest of the ready tasks runs to its end, then the highest of those that are
// ready by then, those among them whose timer has expired meanwhile, until none is left, MaxRuns times at most. What is then left
// is put off for 50 µs, or until the next activation if no timer expires before: so the stage has a bound, and in-band time beside
// tasks that make each other ready without end. Timers of more urgent tasks are served in that time.
//
// Tasks do not nest, and no task interrupts another: the most urgent one waits for one run of the others, the longest at most
// (Stats.Longest), and for the frames of a receive budget; the next one besides for those that are more urgent. One with
// Config.Ahead does not wait for what takes no longer than that.
//
// All timers, up to MaxTimers, share the stage's one hardware timer, which only this package sets. It is set to the first
// of them that is due, and not at all while none is.
//
// Time is the stage's counter: ticks of 1/stage.TicksPerSecond s, 64 bits, from a start that means nothing. It does not wrap
// (at 62.5 MHz it lasts 9,000 years). A duration is 32 bits of ticks, 2³¹ at most.
//
// Stage: oob.go, timer.go run oob, the rest in-band, as each function says. Follows: what EVL's threads, timers and health
// monitoring offer to a task (evlproject.org, core/user-api), not how. Does not support: tasks that wait in their middle,
// more than one processor, floating point.
package task

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mortise/drivers/mmio"
)

const (
	// MaxTasks is the number of tasks: 0, the most urgent, to 15.
	MaxTasks = 16
	// MaxTimers is the number of timers of all tasks together.
	MaxTimers = 16
	// MaxRuns bounds the runs of tasks in an activation, and maxScans how often the timers are looked at in it.
	MaxRuns  = 16
	maxScans = 4
	// NoTask is the task of a timer that makes none ready: see Expired.
	NoTask = MaxTasks

	// minPeriod is the shortest period of a timer: about ten times what an expiry and an empty task take at 125 MIPS.
	minPeriod = 10 * time.Microsecond
	// MaxAhead is the longest Config.Ahead.
	MaxAhead = 20 * time.Microsecond

	// againAfter is when an activation begins that goes on with what MaxRuns and maxScans have left.
	againAfter = 50 * time.Microsecond
)

// Config describes a task to Configure.
type Config struct {
	ID   uint32 // its number in the image's switch, and its priority: 0 is the most urgent
	Name string // lower-case letters, digits and underscores: part of the metrics' names

	Period time.Duration // not 0: a timer of its own makes it ready so often
	// Ahead, if not 0, is how long before an expiry of its timers nothing else of the oob stage begins: what would, a received
	// frame too, waits until the task has run. The task then waits for nothing that takes no longer than that, but for tasks
	// that are more urgent. It is MaxAhead at most. An expiry that comes less than twice as long behind one that was kept clear, of
	// any task, is not.
	Ahead  time.Duration
	Budget time.Duration // not 0: a run that takes longer is counted and reported
	// Quota, if not 0, is how long it may run in each Window, all runs together: then it waits for the end of the window,
	// which is counted and reported. A window begins with the first run after the one before. No run is cut off: what bounds
	// the time in a window is Quota and the length of the run that uses it up, which may go on beyond the window's end.
	Quota, Window time.Duration
	AtStart       bool // it is ready when the stage starts, also after a fault: to start its timers, for example

	// Log are the lines that the task can tell (see Log): formats of package fmt, with two verbs at most, for uint32.
	Log []string

	Inband func() // not nil: Serve calls it, in a goroutine of its own
}

// Stats is what is counted of a task. All counters wrap.
type Stats struct {
	ID         uint32
	Name       string
	Runs       uint32
	Longest    uint32 // run, in ticks
	Latest     uint32 // the most that a run began after the expiry of the timer that it was for, in ticks
	Busy       uint64 // ticks in all runs
	Overruns   uint32 // expiries that found it still waiting for its run for another
	OverBudget uint32 // runs
	Exhausted  uint32 // how often it had to wait because its quota was used up
	Violations uint32 // faults that stopped the stage while it ran
}

var (
	mu         sync.Mutex // in-band's
	configs    [MaxTasks]Config
	configured uint32 // a bit for each, as in ready
)

// Configure says which tasks there are, by hz, the counter's frequency. It is called once, before the stage starts.
//
//oob:stage init
func Configure(hz uint32, list ...Config) error {
	mu.Lock()
	defer mu.Unlock()
	if state.hz != 0 {
		return errors.New("task: Configure called twice")
	}
	state.hz = hz
	state.again = ticks(againAfter)
	for _, c := range list {
		if err := add(c); err != nil {
			return err
		}
	}
	return nil
}

func add(c Config) error {
	switch {
	case c.ID >= MaxTasks:
		return fmt.Errorf("task %s: number %d, want 0 to %d", c.Name, c.ID, MaxTasks-1)
	case configured&bit(c.ID) != 0:
		return fmt.Errorf("task %s: number %d is that of task %s", c.Name, c.ID, configs[c.ID].Name)
	case !isName(c.Name):
		return fmt.Errorf("task %d: name %q, want lower-case letters, digits and underscores", c.ID, c.Name)
	case c.Budget < 0 || tooLong(c.Budget):
		return fmt.Errorf("task %s: a budget of %v, want 0 to %v", c.Name, c.Budget, longest())
	case c.Quota < 0 || c.Window < 0 || c.Quota > c.Window || tooLong(c.Window) || c.Quota == 0 && c.Window != 0:
		return fmt.Errorf("task %s: a quota of %v in %v, want no more than the window, and that no more than %v",
			c.Name, c.Quota, c.Window, longest())
	case c.Period != 0 && (c.Period < minPeriod || tooLong(c.Period)):
		return fmt.Errorf("task %s: a period of %v, want %v to %v", c.Name, c.Period, minPeriod, longest())
	}
	if c.Ahead < 0 || c.Ahead > MaxAhead || c.Period != 0 && 2*c.Ahead > c.Period {
		return fmt.Errorf("task %s: %v kept clear ahead, want 0 to %v, and no more than half of the period", c.Name, c.Ahead, MaxAhead)
	}
	for i := range configs {
		if configs[i].Name == c.Name {
			return fmt.Errorf("task %s: tasks %d and %d have this name", c.Name, i, c.ID)
		}
	}
	if err := checkFormats(&c); err != nil {
		return err
	}
	t := &state.task[c.ID]
	if c.Budget != 0 {
		t.budget = ticks(c.Budget)
	}
	if c.Quota != 0 {
		m, err := newTimer(NoTask)
		if err != nil {
			return err
		}
		state.timer[m].task = NoTask + 1 + c.ID
		t.quota, t.window, t.refill = ticks(c.Quota), ticks(c.Window), uint32(m)
	}
	if c.Ahead != 0 {
		t.ahead = max(ticks(c.Ahead), 1)
		state.keeps = max(state.keeps, t.ahead)
	}
	if c.Period != 0 {
		m, err := newTimer(c.ID)
		if err != nil {
			return err
		}
		t.periodic = uint32(m) + 1
	}
	configs[c.ID] = c
	configured |= bit(c.ID)
	return nil
}

func isName(s string) bool {
	for _, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// NewTimer returns a timer of task id, or of NoTask, stopped. It is called before the stage starts, after Configure.
//
//oob:stage init
func NewTimer(id uint32) (Timer, error) {
	mu.Lock()
	defer mu.Unlock()
	return newTimer(id)
}

func newTimer(id uint32) (Timer, error) {
	if state.timers >= MaxTimers {
		return 0, fmt.Errorf("task %d: all %d timers are taken", id, MaxTimers)
	}
	if id > NoTask {
		return 0, fmt.Errorf("timer of task %d, want 0 to %d, or NoTask", id, MaxTasks-1)
	}
	m := Timer(state.timers)
	state.timer[m].task, state.timer[m].bit = id, bit(id)
	if id < MaxTasks {
		state.timer[m].ahead = state.task[id].ahead
	}
	state.timers++
	return m, nil
}

// Ticks returns d in ticks of the counter, rounded to the nearest: 2³¹ at most. It is right after Configure.
//
//oob:stage inband
func Ticks(d time.Duration) uint32 {
	mu.Lock()
	defer mu.Unlock()
	return ticks(min(d, longest()))
}

// Tick returns how long a tick is.
//
//oob:stage inband
func Tick() time.Duration { return Duration(1) }

// Duration returns n ticks as a time.
//
//oob:stage inband
func Duration(n uint64) time.Duration {
	mu.Lock()
	defer mu.Unlock()
	hz := uint64(max(state.hz, 1))
	return time.Duration(n/hz)*time.Second + time.Duration(n%hz*uint64(time.Second)/hz)
}

func ticks(d time.Duration) uint32 {
	return uint32((uint64(d)*uint64(state.hz) + uint64(time.Second)/2) / uint64(time.Second))
}

// longest is 2³¹ ticks, or what can be multiplied with a frequency.
func longest() time.Duration {
	return time.Duration(uint64(1<<31) * uint64(time.Second) / uint64(max(state.hz, 1)))
}

func tooLong(d time.Duration) bool { return d > longest() }

// Restart puts everything in the state of a start: no task is ready but those of Config.AtStart, of the timers those of
// Config.Period run, the first time one period from now, so that equal periods expire together. The image calls it while the
// stage does not run, ahead of each stage.Start and stage.Restart.
//
//oob:stage inband
func Restart() {
	mu.Lock()
	defer mu.Unlock()
	state.ready, state.current = rescan, 0
	state.spent, state.held, state.owed, state.off = 0, 0, 0, 0
	hold(0, 0)
	state.kept = 0
	state.armed, state.armedAt, state.fired = none, ^uint64(0), none
	for id := range state.by {
		state.by[id] = none
	}
	for i := range state.timer {
		state.timer[i].on = 0
	}
	start := clock()
	for id := range configs {
		if configured&bit(uint32(id)) == 0 {
			continue
		}
		t := &state.task[id]
		t.used = 0
		if configs[id].AtStart {
			state.ready |= bit(uint32(id))
		}
		if t.periodic != 0 {
			period := ticks(configs[id].Period)
			Timer(t.periodic-1).Every(start+uint64(period), period)
		}
	}
}

// Serve starts the in-band sides of the tasks: the image calls it once, when in-band serves.
//
//oob:stage inband
func Serve() {
	mu.Lock()
	defer mu.Unlock()
	for id := range configs {
		if f := configs[id].Inband; f != nil {
			go f()
		}
	}
}

// Post makes task id ready, and kicks the stage: when it returns the task has run, if no other kept it from it. Posts to a
// task that has not run meanwhile are one. While the stage does not run, they wait for it.
//
//oob:stage inband
func Post(id uint32) {
	mu.Lock()
	asked, b := mmio.Load(&state.asked), bit(id%MaxTasks)
	if (asked^mmio.Load(&state.taken))&b == 0 {
		mmio.Store(&state.asked, asked^b)
	}
	mu.Unlock()
	kick()
}

// Faulted tells which task ran when a fault stopped the stage, counts and publishes that: "" if none did. The image calls
// it once after each fault, before Restart.
//
//oob:stage inband
func Faulted() string {
	e := Event{Kind: EventViolation, Task: NoTask}
	mu.Lock()
	if id := state.current - 1; id < MaxTasks {
		state.current = 0
		state.task[id].violations++
		e.Task, e.Name = id, configs[id].Name
	}
	mu.Unlock()
	Publish(e)
	return e.Name
}

// Snapshot returns what was counted, of the tasks by priority.
//
//oob:stage inband
func Snapshot() []Stats {
	mu.Lock()
	defer mu.Unlock()
	list := make([]Stats, 0, MaxTasks)
	for id := range configs {
		if configured&bit(uint32(id)) == 0 {
			continue
		}
		t := &state.task[id]
		s := Stats{
			ID: uint32(id), Name: configs[id].Name, Runs: mmio.Load(&t.runs), Longest: mmio.Load(&t.longest), Latest: mmio.Load(&t.latest),
			OverBudget: mmio.Load(&t.over), Exhausted: mmio.Load(&t.exhausted), Violations: t.violations, Busy: busy(t),
		}
		for i := range state.timers {
			if m := &state.timer[i%MaxTimers]; m.task == uint32(id) {
				s.Overruns += mmio.Load(&m.overruns)
			}
		}
		list = append(list, s)
	}
	return list
}

// busy reads the two words that oob code may change at any instruction.
func busy(t *one) uint64 {
	for {
		hi := mmio.Load(&t.busyHi)
		lo := mmio.Load(&t.busyLo)
		if hi == mmio.Load(&t.busyHi) {
			return uint64(hi)<<32 | uint64(lo)
		}
	}
}

// ResetLongest starts new measurements of Longest and Latest.
//
//oob:stage inband
func ResetLongest() {
	for i := range state.task {
		mmio.Store(&state.task[i].longest, 0)
		mmio.Store(&state.task[i].latest, 0)
	}
}

// Overloads returns how many activations ended with tasks that were ready still: MaxRuns had run.
//
//oob:stage inband
func Overloads() uint32 { return mmio.Load(&state.overloads) }
