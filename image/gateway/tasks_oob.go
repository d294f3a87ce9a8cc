//go:build tamago

package main

import (
	_ "unsafe" // for linkname

	"mortise/drivers/gic"
	"mortise/stack/divert"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// taskWatchdog feeds the watchdog while in-band is silent. It is the least urgent; all others are for the tasks of users:
// see tasks_none.go.
const taskWatchdog = task.MaxTasks - 1

// Places of injected.
const (
	inKick = iota
	inTask
)

// Set before the stage starts.
var (
	watchdogTimer task.Timer
	// retryTimer goes on with what a budget of stack/divert cut short. It has no task, for it may take as long as an
	// activation that receives.
	retryTimer task.Timer
	// retryTicks is its time: 100 µs, in which 14 minimal frames arrive at 100 Mbit/s, less than a budget.
	retryTicks uint32
	oobGIC     gic.GIC
)

// run calls the function of a task.
//
//oob:stage oob
//go:nosplit
//go:linkname run mortise/stack/task.run
func run(id uint32) {
	if id == taskWatchdog {
		dogExpired()
		return
	}
	runUser(id)
}

// afterwards does what stack/divert has asked for.
//
//oob:stage oob
func afterwards(todo uint32) {
	if todo&divert.WakeInband != 0 {
		stage.Wake()
	}
	if todo >= divert.Again {
		for d := range uint32(divert.Devices) {
			if todo&(divert.Again<<d) != 0 {
				oobGIC.SetPending(oobIRQ[d])
			}
		}
	}
	if todo&divert.Rearm != 0 && !retryTimer.On() {
		retryTimer.In(retryTicks)
	}
}
