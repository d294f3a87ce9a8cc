//go:build tamago

package main

import (
	_ "unsafe" // for linkname

	"mortise/stack/divert"
	"mortise/stack/stage"
)

// retryTicks is when the stage goes on with what a budget cut short, in ticks of its counter: some 100 µs on either clock.
const retryTicks = 6250

var oobIRQ [divert.Devices]uint32

// dispatch is one activation of the oob stage.
//
//oob:stage oob
//go:linkname dispatch mortise/stack/stage.dispatch
func dispatch(id uint32) {
	var todo uint32
	switch id {
	case oobIRQ[0]:
		todo = divert.Poll(0)
	case oobIRQ[1]:
		todo = divert.Poll(1)
	case stage.TimerPPI:
		stage.Disarm()
		todo = divert.Ticked()
	case stage.KickSGI:
		todo = divert.Kicked()
	}
	if todo&divert.WakeInband != 0 {
		stage.Wake()
	}
	if todo&divert.Rearm != 0 {
		stage.Arm(retryTicks)
	}
}
