//go:build tamago

package main

import (
	"fmt"

	"mortise/stack/stage"
)

// testExactReturn interrupts code in each mode that in-band can be in, by an activation that ends well and by one that
// faults.
func testExactReturn() {
	oob.clobber.Store(1)
	for _, m := range modes {
		for _, number := range []uint32{0, 3, 16, 19, 21, loops} {
			if number == loops && !endsLoops {
				continue
			}
			enableWarning()
			oob.inject.Store(number)
			before := stage.Statistics().Activations
			faults := stage.Statistics().Faults
			oob.left.Store(1)
			oob.fired = 0
			stage.Arm(stage.TicksPerSecond() / 10000)
			changed := held(m.mode, &oob.fired)
			s := stage.Statistics()
			if changed != "" {
				failf("exact return to %s after fault %d: %s changed", m.name, number, changed)
			}
			if number == 0 && s.Activations != before+1 || number != 0 && s.Faults != faults+1 {
				failf("exact return to %s: fault %d did not happen", m.name, number)
			}
			if number != 0 {
				stage.HandleWake()
				stage.Restart()
			}
		}
	}
	oob.clobber.Store(0)
	fmt.Printf("exact return: %d modes\n", len(modes))
}
