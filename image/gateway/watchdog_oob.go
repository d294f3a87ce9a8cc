//go:build tamago

package main

import (
	"mortise/drivers/mmio"
	"mortise/drivers/wdog"
	"mortise/stack/stage"
)

// The watchdog is fed by the oob stage as long as it serves: at in-band's beats, which come with a kick; and while none
// come, at the timer, which each beat moves on, so that it never expires while in-band lives. So an activation that does
// not end is the watchdog's, and frames cost nothing: received ones do not come by here.
var (
	dogBase    uintptr // 0: there is no watchdog
	dogBeat    uint32  // 1: in-band beats
	dogSilence uint32  // ticks without a beat until the oob stage goes on alone
	dogDue     uint32  // when these end
	dogOn      uint32  // 1: dogDue counts
	dogStrict  uint32  // 1: in-band's silence is a reason for a reset

	doingWord, aloneWord uintptr // of the crash record
)

// doing notes what the oob stage begins to do, for the crash record.
//
//oob:stage oob
func doing(what uint32) { mmio.StoreMem(doingWord, what) }

// dogKicked answers in-band's beat, if the kick is one.
//
//oob:stage oob
func dogKicked() {
	if mmio.Load(&dogBeat) == 0 {
		return
	}
	mmio.Store(&dogBeat, 0)
	wdog.Feed(dogBase)
	dogOn, dogDue = 1, stage.Now()+dogSilence
	if oobRetry == 0 { // else the timer comes by here soon
		stage.ArmAt(dogDue)
	}
}

// dogExpired feeds in place of an in-band stage that is silent.
//
//oob:stage oob
func dogExpired() {
	if dogOn == 0 {
		return
	}
	if now := stage.Now(); now-dogDue < 1<<31 {
		mmio.StoreMem(aloneWord, mmio.LoadMem(aloneWord)+1)
		if dogStrict != 0 {
			dogOn = 0
			return
		}
		wdog.Feed(dogBase)
		dogDue = now + dogSilence
	}
	stage.ArmAt(dogDue)
}
