//go:build tamago

package main

import (
	_ "unsafe" // for linkname

	"mortise/drivers/gic"
	"mortise/stack/divert"
	"mortise/stack/stage"
)

// What dispatch needs, set before the stage starts: integers only.
var (
	oobGIC uintptr                // the interrupt controller's CPU interface
	oobIRQ [divert.Devices]uint32 // the devices' interrupts
	// oobRetryTicks is the time until Tick after a budget cut something short: 100 µs, in which 14 minimal frames arrive
	// at 100 Mbit/s, less than a budget.
	oobRetryTicks uint32
	// oobRetry is 1 while the timer is armed for that: see watchdog_oob.go, which shares it.
	oobRetry uint32
)

// dispatch is one activation of the oob stage: it serves the interrupt that caused it. What is pending besides causes the
// next activation. A device's frames come first in it; waking in-band comes last.
//
//oob:stage oob
//go:nosplit
//go:linkname dispatch mortise/stack/stage.dispatch
func dispatch() {
	var todo uint32
	switch id := gic.Acknowledge(oobGIC); id {
	case oobIRQ[0]:
		todo = divert.Poll(0)
	case oobIRQ[1]:
		todo = divert.Poll(1)
	case stage.KickSGI:
		doing(doingKick)
		injected()
		todo = divert.Kicked()
		doing(0)
	case stage.TimerPPI:
		doing(doingTimer)
		stage.Disarm()
		oobRetry = 0
		todo = divert.Ticked()
		dogExpired()
		doing(0)
	case stage.WakeSGI:
		// In-band's, acknowledged here because it became pending between the FIQ's signal and its acknowledgement.
		todo = divert.WakeInband
	}
	if todo&divert.WakeInband != 0 {
		stage.Wake()
	}
	if todo&divert.Rearm != 0 {
		oobRetry = 1
		stage.Arm(oobRetryTicks)
	}
}
