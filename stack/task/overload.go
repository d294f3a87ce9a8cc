package task

import "math/bits"

// An overload is an activation that ends with tasks that are ready still: MaxRuns have run, or maxScans looks at the timers each
// found one due. They wait for core.again, or for the next activation if that is earlier: in-band has that time. Timers of more
// urgent tasks expire in it. So that in-band keeps it then, those that wait are put off, with what is less urgent; only the most
// urgent of them runs, if it is for an expiry of its own. A timer without a task is served when the time is over.

// overload ends an activation with tasks that are ready: those of waiting have been so for longer, the others since the last look
// at the timers.
//
//oob:stage oob
//go:noinline
func (s *core) overload(waiting uint32) {
	s.overloads++
	s.tell(EventOverload, NoTask, s.overloads, 0)
	t := clock()
	end := t + uint64(s.again)
	first := uint32(bits.LeadingZeros32(s.ready & waiting)) // the most urgent of those that wait
	off := ^uint32(0) >> first &^ (1<<MaxTasks - 1)
	if s.ready&^off != 0 || s.by[first%MaxTasks] < MaxTimers {
		s.setFor(t)
	} else if i := s.soonest(end, first); i >= MaxTimers {
		own := s.armed
		s.setFor(end)
		s.ready |= rescan
		if m := &s.timer[own%MaxTimers]; own < MaxTimers && m.task >= MaxTasks && m.due <= end {
			s.armed = own // it is served then
		}
		return
	} else {
		s.armed, s.armedAt = i, s.timer[i%MaxTimers].due
		arm(s.armedAt)
	}
	s.off |= off
	s.held |= off
	s.until, s.within = end, activations()
}

// soonest returns the first timer of first, or a more urgent task, that is due before end, or so soon behind that what begins at end
// can be ahead of it, where Config.Ahead lets nothing begin. It is none if there is none.
//
//oob:stage oob
func (s *core) soonest(end uint64, first uint32) uint32 {
	soonest, due := uint32(none), end+uint64(s.keeps)+1
	for i := range uint32(MaxTimers) {
		m := &s.timer[i]
		if m.due < due && m.on != 0 && m.task <= first && m.task < MaxTasks {
			soonest, due = i, m.due
		}
	}
	return soonest
}

// pause sets the hardware while tasks are put off.
//
//oob:stage oob
func (s *core) pause() {
	t, end := clock(), s.until
	if id := uint32(bits.LeadingZeros32(s.owed &^ s.spent)); id < MaxTasks && s.by[id] < MaxTimers {
		s.ready |= bit(id)
		end = t
	}
	if end <= t || !s.armedBefore(end) {
		s.setFor(max(t, end))
	}
}

// armedBefore reports whether the hardware is set for a timer that is due before t, or so soon behind that what begins at t can
// be ahead of it, where Config.Ahead lets nothing begin.
//
//oob:stage oob
func (s *core) armedBefore(t uint64) bool {
	return s.armed < MaxTimers && s.timer[s.armed%MaxTimers].due <= t+uint64(s.keeps)
}

// setFor sets the hardware for t, whatever timers are due.
//
//oob:stage oob
func (s *core) setFor(t uint64) {
	s.armed, s.armedAt = none, t
	arm(t)
}

// putOn ends an overload whose time has come. Until then what it puts off is owed its run, but in the activation that began it:
// the frames of another device may still come in that, and runs behind them.
//
//oob:stage oob
func (s *core) putOn() {
	if clock() >= s.until {
		s.off = 0
		s.allow()
	} else if s.within != activations() {
		s.owed |= s.ready & s.off
		s.ready &^= s.off
	}
}

// allow lets those tasks run that nothing holds any longer.
//
//oob:stage oob
func (s *core) allow() {
	s.held = s.spent | s.off
	s.ready |= s.owed &^ s.held
	s.owed &= s.held
}

// lift reports whether task id, which is held, runs nevertheless: the activation that puts it off goes on, with the frames of another
// device; or it is the most urgent of those that are put off, and its timer has expired. Else it is owed its run.
//
//oob:stage oob
//go:noinline
func (s *core) lift(id uint32) bool {
	if s.spent&bit(id) == 0 {
		if s.within == activations() || s.by[id%MaxTasks] < MaxTimers && uint32(bits.LeadingZeros32(s.owed&^s.spent)) >= id {
			s.owed &^= bit(id)
			return true
		}
	}
	s.owed |= bit(id)
	return false
}
