//go:build tamago

package main

import (
	"fmt"

	board "mortise/board/mx6ullevk"
	"mortise/stack/stage"
)

// hold fills the registers with patterns in the processor mode given, with IRQ masked, spins until *fired is set, and
// returns a bit for each register that has changed: 4–12 but 10 (g), 13 SP, 14 LR, 16 the flags or what the loop counts by.
func hold(mode uint32, fired *uint32) uint32

// Processor modes (B1.3.1, table B1-1, ARM DDI 0406C).
var modes = []struct {
	name string
	mode uint32
}{{"SYS", 0x1f}, {"IRQ", 0x12}, {"SVC", 0x13}}

// testExactReturn interrupts code in each mode that in-band can be in, by an activation that ends well and by one that
// faults.
func testExactReturn() {
	for _, m := range modes {
		for _, number := range []uint32{0, 3, 16, 19, 21, 24} {
			board.GIC.Enable(warningSGI)
			oob.inject.Store(number)
			before := stage.Statistics().Activations
			faults := stage.Statistics().Faults
			oob.left.Store(1)
			oob.fired = 0
			stage.Arm(stage.TicksPerSecond() / 10000)
			changed := hold(m.mode, &oob.fired)
			s := stage.Statistics()
			if changed != 0 {
				failf("exact return to %s after fault %d: registers %#x changed", m.name, number, changed)
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
	fmt.Println("exact return: SYS, IRQ and SVC mode")
}
