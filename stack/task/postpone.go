package task

// postpones bounds the attempts of Postpone: each that fails has met an activation of some 100 instructions or more.
const postpones = 8

// Postpone lets a timer that is set to expire once do so at due instead, later than it would: without an activation, as a rule.
// That is for what must not happen while in-band is well. It reports whether the timer was set.
//
// The hardware timer is the oob stage's, which sets it in any activation. So in-band sets it only to what the timer that it is
// set for says, and looks whether an activation came in between: then it begins anew. After too many it kicks the stage,
// which sets its timer at the end of an activation. Where another timer is due before, or tasks are put off, it leaves the hardware
// to an activation at the time that the timer was set for.
//
//oob:stage inband
func (m Timer) Postpone(due uint64) bool {
	mu.Lock()
	defer mu.Unlock()
	t := &state.timer[m%MaxTimers]
	for range postpones {
		before := activations()
		if t.on == 0 {
			return false
		}
		t.due = due
		switch i := state.armed; {
		case i >= MaxTimers:
		case i == uint32(m) && comesBefore(due):
			state.armed = none // the hardware stays as it is: the stage looks at the timers then
		default:
			at := state.timer[i%MaxTimers].due
			state.armedAt = min(state.armedAt, at)
			arm(at)
		}
		if activations() == before {
			return true
		}
	}
	kick()
	return true
}

// comesBefore reports whether the stage's timer must expire before due.
func comesBefore(due uint64) bool {
	if state.off != 0 {
		return true
	}
	for i := range state.timers {
		if t := &state.timer[i%MaxTimers]; t.on != 0 && t.due < due {
			return true
		}
	}
	return false
}
