//go:build tamago

package stage

import "mortise/drivers/mmio"

// Hold lets no activation begin in the ticks from time from on, the low word of Time: what would waits for their end. An expiry of
// the timer then waits for no other activation that is no longer than that. It replaces what was held before; 0 ticks: nothing.
//
//oob:stage any
//go:nosplit
func Hold(from, ticks uint32) { oobG[1], oobG[2] = uintptr(from), uintptr(max(ticks, 1)-1) }

// Held reports whether Hold's time has come, or will have in so many ticks.
//
//oob:stage oob
//go:nosplit
func Held(ticks uint32) bool {
	last := uint32(oobG[2])
	return last != 0 && Now()+ticks-uint32(oobG[1]) <= last+ticks
}

// Activations returns the number of activations: whether it has moved tells in-band code whether one came in between, and oob code
// whether it is in the same one.
//
//oob:stage any
func Activations() uint32 { return mmio.Load(&ctl.activations) }
