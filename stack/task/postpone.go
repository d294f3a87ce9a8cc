package task

// postpones bounds the attempts of Postpone: each that fails has met an activation of some 100 instructions or more.
const postpones = 8

// Postpone lets a timer that is set to expire once do so at due instead, later than it would: without an activation, as a rule.
// That is for what must not happen while in-band is well. It reports whether the timer was set.
//
// The hardware timer is the oob stage's, which sets it in any activation. So in-band sets it only to what the timer that it is
// set for says, and looks whether an activation came in between: then it begins anew. After too many it kicks the stage,
// which sets its timer at the end of an activation.
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
		if i := state.armed; i < MaxTimers {
			at := state.timer[i%MaxTimers].due
			state.armedAt = uint32(at)
			arm(at)
		}
		if activations() == before {
			return true
		}
	}
	kick()
	return true
}
