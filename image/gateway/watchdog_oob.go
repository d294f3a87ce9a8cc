//go:build tamago

package main

import (
	"mortise/drivers/mmio"
	"mortise/drivers/wdog"
	"mortise/stack/stage"
)

// In-band feeds the watchdog while both stages are well: an activation that does not end keeps in-band, too, from running.
// The oob stage feeds it while in-band is silent: each beat of in-band moves dogDue and the task's timer on, so that it never
// expires while in-band lives. So the watchdog costs the oob stage nothing as long as all is well.
var (
	dogBase    uintptr // 0: there is no watchdog
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

// dogExpired is the task taskWatchdog: it feeds in place of an in-band stage that is silent.
//
//oob:stage oob
func dogExpired() {
	if mmio.Load(&dogOn) == 0 {
		return
	}
	now := stage.Now()
	due := mmio.Load(&dogDue)
	if now-due < 1<<31 {
		mmio.StoreMem(aloneWord, mmio.LoadMem(aloneWord)+1)
		if dogStrict != 0 {
			dogOn = 0
			return
		}
		wdog.Feed(dogBase)
		due = now + dogSilence
		dogDue = due
	}
	watchdogTimer.In(due - now)
}
