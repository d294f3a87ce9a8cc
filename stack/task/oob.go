package task

import (
	"math/bits"

	"mortise/drivers/mmio"
)

// one is the state of a task, but for what core keeps of all.
type one struct {
	runs, longest  uint32
	busyLo, busyHi uint32
	latest         uint32
	budget, over   uint32
	violations     uint32
	quota, window  uint32 // ticks; 0: none
	used           uint32 // of quota, since the window began
	exhausted      uint32 // how often quota was
	refill         uint32 // number of the timer that ends the window
	ahead          uint32 // ticks
	periodic       uint32 // number of the timer of Config.Period, plus one
	since          uint64 // when the window began
}

// core is all there is, pointer-free. Task id has bit 31 − id in ready and asked, so that the first bit that is set is the
// most urgent's. Its methods are there for the compiler to keep the address in a register: on arm a word of a variable
// takes two instructions.
type core struct {
	ready   uint32 // rescan is its lowest bit
	current uint32 // the task that runs, plus one
	began   uint32 // when its run began
	armed   uint32 // the timer that the hardware is set for, or none
	armedAt uint64 // its time, or earlier: no task's timer is due before
	fired   uint32 // the timer whose expiry has been seen by Expired, not yet by scan
	wake    uint32 // in-band is to be woken

	spent  uint32 // tasks whose quota is used up
	held   uint32 // tasks that do not run: those, and what an overload puts off
	owed   uint32 // those of them that were ready
	off    uint32 // what an overload puts off
	until  uint64 // when that ends
	within uint32 // the activation that began it

	asked, taken uint32 // in-band's posts: a bit that differs is one; each side writes its own word

	hz        uint32
	again     uint32 // ticks
	overloads uint32
	timers    uint32 // in use
	keeps     uint32 // ticks: the longest Config.Ahead
	kept      uint64 // the expiry that was kept clear last, or is to be

	// by is the timer that a task is ready for, none if it is ready for something else.
	by    [MaxTasks]uint32
	timer [MaxTimers]timer
	task  [MaxTasks]one
}

var state core

// rescan, in ready, asks for a look at the timers: one has expired, or was changed.
const rescan = 1

// none is no timer.
const none = MaxTimers

// bit returns the bit of task id, below MaxTasks.
//
//oob:stage any
func bit(id uint32) uint32 { return 1 << 31 >> (id & 31) }

// Ready makes task id ready: it runs before the activation ends.
//
//oob:stage oob
func Ready(id uint32) { state.ready |= bit(id % MaxTasks) }

// Pending reports whether the activation is to end with Run.
//
//oob:stage oob
func Pending() bool { return state.ready != 0 }

// Now returns the low word of Time: differences are right up to 2³² ticks.
//
//oob:stage any
func Now() uint32 { return now() }

// Time returns the time.
//
//oob:stage any
func Time() uint64 { return clock() }

// Current returns the task that runs, MaxTasks or more if none does.
//
//oob:stage oob
func Current() uint32 { return state.current - 1 }

// Began returns when the run of the current task began, as Now would have then.
//
//oob:stage oob
func Began() uint32 { return state.began }

// Expired takes note that the stage's timer has expired: Run is to follow. The task of the timer that it was set for is
// ready at once; the other timers are looked at when it has run. A timer without a task is returned, for the caller to
// serve; else it is NoTimer.
//
//oob:stage oob
func Expired() Timer { return state.expired() }

//oob:stage oob
func (s *core) expired() Timer {
	i := s.armed
	s.armed = none
	if i >= MaxTimers {
		s.ready |= rescan
		return NoTimer
	}
	m := &s.timer[i%MaxTimers]
	id := m.task
	if id >= MaxTasks {
		s.ready |= rescan
		m.on = 0
		if id > NoTask {
			s.resume(id - NoTask - 1)
			return NoTimer
		}
		return Timer(i)
	}
	if s.by[id] < MaxTimers {
		s.ready |= rescan // an overrun: scan sees it
		return NoTimer
	}
	s.fired = i
	s.release(m, i, id)
	return NoTimer
}

// release makes task id, that of timer i, m, which has expired, ready.
//
//oob:stage oob
func (s *core) release(m *timer, i, id uint32) {
	m.last = m.due
	s.by[id%MaxTasks] = i
	s.ready |= m.bit | rescan
}

// Kicked takes note of what in-band has posted: it is part of the activation for a kick, ahead of Pending.
//
//oob:stage oob
func Kicked() {
	asked := mmio.Load(&state.asked)
	state.ready |= asked ^ state.taken
	mmio.Store(&state.taken, asked)
}

// Run runs the tasks that are ready, and sets the stage's timer. Behind each run the timers are looked at if one may be due, the
// one that Expired has seen among them: so a more urgent task waits for one run.
//
//oob:stage oob
func Run() { state.run() }

//oob:stage oob
//go:nosplit
func (s *core) run() {
	if id := uint32(bits.LeadingZeros32(s.ready)); id < MaxTasks {
		s.ready &^= bit(id)
		if s.held&bit(id) == 0 || s.lift(id) {
			begin := s.begin(id)
			run(id)
			s.count(id, begin, clock())
		}
	}
	waiting := s.look()
	for range maxScans - 1 {
		if s.ready == 0 {
			break
		}
		for range (MaxRuns - 1) / (maxScans - 1) {
			id := uint32(bits.LeadingZeros32(s.ready))
			if id >= MaxTasks {
				break
			}
			s.ready &^= bit(id)
			if s.held&bit(id) != 0 && !s.lift(id) {
				continue
			}
			begin := s.begin(id)
			run(id)
			end := clock()
			s.count(id, begin, end)
			if end >= s.armedAt {
				break // its task may be the next
			}
		}
		waiting = s.look()
	}
	s.finish(waiting)
}

// begin begins a run of task id.
//
//oob:stage oob
func (s *core) begin(id uint32) uint32 {
	s.current = id + 1
	s.began = now()
	return s.began
}

// look looks at the timers if that is asked for, or one may be due, and returns which tasks were ready before.
//
//oob:stage oob
//go:noinline
func (s *core) look() (ready uint32) {
	if s.off != 0 {
		s.putOn()
	}
	ready = s.ready
	if ready&rescan != 0 || clock() >= s.armedAt {
		s.scan()
	}
	return ready
}

// finish ends the activation: with what is left, if something is, and in-band if it is to be woken. Tasks other than those
// waiting have been made ready by the last look at the timers.
//
//oob:stage oob
func (s *core) finish(waiting uint32) {
	if s.ready != 0 {
		s.overload(waiting)
	} else if s.off != 0 {
		s.pause()
	}
	if s.wake != 0 {
		s.wake = 0
		wake()
	}
}

// count notes the run of task id that has ended.
//
//oob:stage oob
//go:noinline
func (s *core) count(id, begin uint32, end uint64) {
	s.current = 0
	t := &s.task[id%MaxTasks]
	took := uint32(end) - begin
	t.runs++
	t.longest = max(t.longest, took)
	if t.busyLo += took; t.busyLo < took {
		t.busyHi++
	}
	if i := s.by[id%MaxTasks]; i < MaxTimers {
		s.by[id%MaxTasks] = none
		t.latest = max(t.latest, begin-uint32(s.timer[i].last))
	}
	if t.quota != 0 {
		s.charge(t, id, took, end)
	}
	if took > t.budget && t.budget != 0 {
		t.over++
		s.tell(EventBudget, id, took, t.over)
	}
}

// charge takes a run of task id off its quota, and holds it until the end of the window when that is used up.
//
//oob:stage oob
func (s *core) charge(t *one, id, took uint32, end uint64) {
	if from := end - uint64(took); t.used == 0 || from-t.since >= uint64(t.window) {
		t.since, t.used = from, 0
	}
	t.used += took
	if t.used < t.quota || end-t.since >= uint64(t.window) {
		return
	}
	t.exhausted++
	s.spent |= bit(id)
	s.held |= bit(id)
	Timer(t.refill).At(t.since + uint64(t.window))
	s.tell(EventQuota, id, t.used, t.exhausted)
}

// resume lets task id, whose window has ended, run again.
//
//oob:stage oob
func (s *core) resume(id uint32) {
	s.spent &^= bit(id)
	s.allow()
}
