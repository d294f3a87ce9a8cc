//go:build tamago

package main

import (
	_ "unsafe" // for linkname

	"mortise/drivers/wdog"
	"mortise/stack/divert"
	"mortise/stack/socket"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// What dispatch needs, set before the stage starts: integers only.
var (
	oobIRQ [divert.Devices]uint32 // the devices' interrupts
)

// dispatch is one activation of the oob stage: it serves the interrupt that caused it, id. What is pending besides causes the
// next activation. A device's frames come first in it, then the tasks that are ready.
//
//oob:stage oob
//go:nosplit
//go:linkname dispatch mortise/stack/stage.dispatch
func dispatch(id uint32) {
	var todo uint32
	switch id {
	case oobIRQ[0]:
		todo = divert.Poll(0)
	case stage.TimerPPI:
		switch task.Expired() { // those that have no task
		case task.NoTimer:
			// The timer is for tasks: they run from here as they do below, which is two instructions shorter than a call.
			if task.Pending() {
				doing(doingTask)
				task.Run()
				doing(0)
			}
			return
		case retryTimer:
			todo = divert.Ticked()
		default:
			socket.Expire()
		}
	case oobIRQ[1]:
		todo = divert.Poll(1)
	case stage.KickSGI:
		doing(doingKick)
		injected(inKick)
		todo = divert.Kicked()
		socket.Kicked()
		task.Kicked()
		doing(0)
	case stage.WakeSGI:
		// In-band's, acknowledged here because it became pending between the FIQ's signal and its acknowledgement.
		todo = divert.WakeInband
	case dogIRQ:
		// Between activations: whoever is late, it is not the oob stage. Nothing else is done, because what was interrupted may be
		// a fault's first instructions.
		wdog.Quiet(dogBase)
		return
	}
	if todo == divert.WakeInband { // what most activations that ask for anything ask for
		stage.Wake()
	} else if todo != 0 {
		afterwards(todo)
	}
	if task.Pending() {
		doing(doingTask)
		task.Run()
		doing(0)
	}
}
