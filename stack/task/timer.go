package task

import "math/bits"

// timer is the state of a timer.
type timer struct {
	due      uint64
	last     uint64 // when it was due that has expired last
	period   uint32 // 0: once
	inverse  uint32 // of period: see inverse
	on       uint32
	task     uint32 // above NoTask: NoTask + 1 + the task whose window it ends
	ahead    uint32 // ticks ahead of an expiry in which no other activation begins
	bit      uint32 // of task
	overruns uint32
}

// A Timer is a software timer, by its number; it makes its task ready. Its methods are for oob code.
type Timer uint32

// NoTimer is none.
const NoTimer Timer = MaxTimers

// At lets the timer expire once, when the counter reaches due; at once if it has. It replaces what was set before.
//
//oob:stage any
func (m Timer) At(due uint64) { m.set(due, 0, 0) }

// In is At in so many ticks, 2³¹ at most, from now.
//
//oob:stage any
func (m Timer) In(ticks uint32) { m.set(clock()+uint64(ticks), 0, 0) }

// Every lets the timer expire at first and then every period ticks, which must be 10 µs or more and 2³¹ ticks or less. It
// stays in phase: a late expiry does not move the next one, and what can no longer be served is an overrun.
//
//oob:stage any
func (m Timer) Every(first uint64, period uint32) { m.set(first, period, inverse(period)) }

// set sets the timer. An expiry of before that has not been looked at is forgotten; that its task is ready is not.
//
//oob:stage any
func (m Timer) set(due uint64, period, inverse uint32) {
	t := &state.timer[m%MaxTimers]
	t.due, t.period, t.inverse, t.on = due, period, inverse, 1
	if due < state.armedAt {
		state.armedAt = due
	}
	m.changed()
}

// Stop stops the timer. Its task runs still if it is ready.
//
//oob:stage any
func (m Timer) Stop() {
	state.timer[m%MaxTimers].on = 0
	m.changed()
}

//oob:stage any
func (m Timer) changed() {
	if state.fired == uint32(m) {
		state.fired = none
	}
	state.ready |= rescan
}

// On reports whether the timer is set.
//
//oob:stage any
func (m Timer) On() bool { return state.timer[m%MaxTimers].on != 0 }

// Expiry returns when the timer was due whose task runs now: the begin of the period that a periodic task is in.
//
//oob:stage any
func (m Timer) Expiry() uint64 { return state.timer[m%MaxTimers].last }

// Overruns returns how many expiries found the task still waiting for its run for another: each is one that it does not get. A
// run that a message or Ready has asked for is one for the expiry as well. It wraps.
//
//oob:stage any
func (m Timer) Overruns() uint32 { return state.timer[m%MaxTimers].overruns }

// Periodic returns the timer of Config.Period of task id.
//
//oob:stage any
func Periodic(id uint32) Timer { return Timer(state.task[id%MaxTasks].periodic - 1) }

// scan takes note of every timer that has expired, and sets the hardware for the next. Of two that are due together, that
// of the more urgent task comes first. One without a task is left to Expired.
//
//oob:stage oob
func (s *core) scan() {
	s.ready &^= rescan
	t := clock()
	next, due := uint32(none), ^uint64(0)
	late := uint32(none)                       // one that is due, and has no task
	exact, left := uint32(none), uint32(reach) // the first timer with ahead, and the ticks until it is due
	for i := range uint32(MaxTimers) {
		if i >= s.timers {
			break
		}
		m := &s.timer[i]
		if m.on == 0 {
			continue
		}
		if m.due <= t {
			if m.task >= MaxTasks {
				late = i
				continue
			}
			s.expire(m, i, t)
			if m.on == 0 {
				continue
			}
		}
		if m.ahead != 0 {
			if d := m.due - t; d < uint64(left) {
				exact, left = i, uint32(d)
			}
		}
		if m.due < due || m.due == due && m.task < s.timer[next%MaxTimers].task {
			next, due = i, m.due
		}
	}
	s.ready &^= rescan // of releases: all have been looked at
	s.fired = none
	s.armed, s.armedAt = next, due
	if exact != none {
		due = s.keep(exact, due)
	} else {
		hold(0, 0)
	}
	if late != none {
		s.armed = late
		arm(t)
		return
	}
	if next == none {
		disarm()
		return
	}
	if s.keeps != 0 && due-t >= reach {
		s.setFor(t + reach/2) // to look again at what is further off than a hold can be
		return
	}
	arm(due)
}

// reach is how many ticks ahead a hold can be: its time is the low word of the counter's.
const reach = 1 << 31

// keep has the stage hold other activations ahead of the expiry of timer exact, and returns when the hardware is to expire, due if
// not later: a less urgent task's timer that expires in the hold waits for its end.
//
// An expiry that comes less than twice the hold behind the last one that was kept clear is not: the others have as much time between
// two holds.
//
//oob:stage oob
func (s *core) keep(exact uint32, due uint64) uint64 {
	m, next := &s.timer[exact%MaxTimers], &s.timer[s.armed%MaxTimers]
	if m.due != s.kept {
		if m.due-s.kept < 2*uint64(m.ahead) {
			hold(0, 0)
			return due
		}
		s.kept = m.due
	}
	hold(uint32(m.due)-m.ahead, m.ahead)
	if next.task <= m.task || m.due-due >= uint64(m.ahead) {
		return due
	}
	due, s.armed = m.due, exact
	for i := range uint32(MaxTimers) { // a more urgent task's timer still comes first
		if n := &s.timer[i]; n.due < due && n.task < m.task && n.on != 0 {
			due, s.armed = n.due, i
		}
	}
	s.armedAt = due
	return due
}

// expire takes note that timer i, m, has expired, and moves it on behind t.
//
//oob:stage oob
func (s *core) expire(m *timer, i uint32, t uint64) {
	if s.fired == i { // this expiry has been seen; the next may have come while the task ran
		if m.period == 0 {
			m.on = 0
			return
		}
		if m.due += uint64(m.period); m.due > t {
			return
		}
	}
	before := m.overruns
	if s.by[m.task%MaxTasks] < MaxTimers { // it waits for a run for an expiry; for a message it would be one run for both
		m.overruns++
	}
	if m.period != 0 && t-m.due >= uint64(m.period) {
		m.catchUp(t)
	}
	if m.overruns != before {
		s.tell(EventOverrun, m.task, i, m.overruns)
	}
	s.release(m, i, m.task)
	if m.period == 0 {
		m.on = 0
		return
	}
	m.due += uint64(m.period)
}

// catchUp moves the timer on to the last of its expiries by t. Each that it leaves out is an overrun.
//
//oob:stage oob
func (m *timer) catchUp(t uint64) {
	if (t-m.due)>>32 != 0 { // nothing looked at it for 2³² ticks: it begins anew
		m.due = t
		m.overruns++
		return
	}
	// The inverse is too small by less than one and the division's rest: so are the periods, by two at most.
	periods, _ := bits.Mul32(uint32(t-m.due), m.inverse)
	m.due += uint64(periods) * uint64(m.period)
	m.overruns += periods
	for range 2 {
		if t-m.due < uint64(m.period) {
			break
		}
		m.due += uint64(m.period)
		m.overruns++
	}
}

// inverse returns (2³² − 1) / n, rounded down, or 0 for 0: oob code has no division.
//
//oob:stage any
func inverse(n uint32) (q uint32) {
	if n == 0 {
		return 0
	}
	rest := ^uint32(0)
	for i := range 32 {
		if shift := uint32(31 - i); rest>>shift >= n {
			rest -= n << shift
			q |= 1 << shift
		}
	}
	return q
}
