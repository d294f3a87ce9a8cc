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
	used, since    uint32 // of quota, since the window began
	exhausted      uint32 // how often quota was
	refill         uint32 // number of the timer that ends the window
	ahead          uint32 // ticks
	periodic       uint32 // number of the timer of Config.Period, plus one
}

// core is all there is, pointer-free. Task id has bit 31 − id in ready and asked, so that the first bit that is set is the
// most urgent's. Its methods are there for the compiler to keep the address in a register: on arm a word of a variable
// takes two instructions.
type core struct {
	ready   uint32 // rescan is its lowest bit
	current uint32 // the task that runs, plus one
	began   uint32 // when its run began
	armed   uint32 // the timer that the hardware is set for, or none
	armedAt uint32 // the low word of its time
	fired   uint32 // the timer whose expiry has been seen by Expired, not yet by scan
	wake    uint32 // in-band is to be woken

	held uint32 // tasks whose quota is used up
	owed uint32 // those of them that were ready

	asked, taken uint32 // in-band's posts: a bit that differs is one; each side writes its own word

	hz        uint32
	again     uint32 // ticks
	overloads uint32
	timers    uint32 // in use
	keeps     uint32 // 1: a task has Config.Ahead
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
	if (s.ready|s.owed)&m.bit != 0 {
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

// Run runs the tasks that are ready, and sets the stage's timer. The timers are looked at when one has expired, when no
// task is ready or four have run.
//
//oob:stage oob
func Run() { state.run() }

//oob:stage oob
//go:nosplit
func (s *core) run() {
	for range maxScans {
		for range MaxRuns / maxScans {
			id := uint32(bits.LeadingZeros32(s.ready))
			if id >= MaxTasks {
				break
			}
			s.ready &^= bit(id)
			if s.held&bit(id) != 0 {
				s.owed |= bit(id)
				continue
			}
			s.current = id + 1
			begin := now()
			s.began = begin
			run(id)
			end := now()
			s.count(id, begin, end)
			if s.armed != none && end-s.armedAt < 1<<31 {
				s.ready |= rescan // it has expired meanwhile: its task may be the next
				break
			}
		}
		if s.ready&rescan != 0 {
			s.scan()
		}
		if s.ready == 0 {
			break
		}
	}
	s.finish()
}

// finish ends the activation: with what is left, if something is, and in-band if it is to be woken.
//
//oob:stage oob
func (s *core) finish() {
	if s.ready != 0 {
		s.overloads++
		s.tell(EventOverload, NoTask, s.overloads, 0)
		s.ready |= rescan
		s.armed = none
		arm(clock() + uint64(s.again))
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
func (s *core) count(id, begin, end uint32) {
	s.current = 0
	t := &s.task[id%MaxTasks]
	took := end - begin
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
		s.charge(t, id, begin, took)
	}
	if took > t.budget && t.budget != 0 {
		t.over++
		s.tell(EventBudget, id, took, t.over)
	}
}

// charge takes a run of task id off its quota, and holds it until the end of the window when that is used up.
//
//oob:stage oob
func (s *core) charge(t *one, id, begin, took uint32) {
	if begin-t.since >= t.window {
		t.since, t.used = begin, 0
	}
	t.used += took
	gone := begin + took - t.since
	if t.used < t.quota || gone >= t.window {
		return
	}
	t.exhausted++
	s.held |= bit(id)
	Timer(t.refill).In(t.window - gone)
	s.tell(EventQuota, id, t.used, t.exhausted)
}

// resume lets task id run again.
//
//oob:stage oob
func (s *core) resume(id uint32) {
	s.held &^= bit(id)
	s.ready |= s.owed & bit(id)
	s.owed &^= bit(id)
}
