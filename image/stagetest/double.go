//go:build tamago

package main

import (
	"fmt"
	"strings"

	"mortise/stack/guard"
	"mortise/stack/stage"
)

// testDoubleFault has a fault whose containment faults.
func testDoubleFault() {
	faults, kicks := inband.faults.Load(), oob.kicks.Load()
	mapBreakable(false)
	fellBack = 0
	oob.inject.Store(3)
	stage.Kick()
	if s := stage.Status(); s != stage.Faulted || fellBack != 0x600df00d {
		failf("double fault: the stage is %v, want faulted; first fallback write %#x", s, fellBack)
	}
	if !eventually(func() bool { return inband.faults.Load() == faults+1 }) {
		failf("double fault: not reported")
	}
	mapBreakable(true)

	f, _ := stage.LastFault()
	if f.Func.Func != "main.nilDereference" || f.Kind != stage.DataAbort {
		failf("double fault: the first is lost: %v", f)
	}
	if s := f.Second; s == nil || s.Kind != stage.DataAbort || s.Addr != breakable || s.Chain[0].Func != fallsBack {
		failf("double fault: the second is not told: %v", f)
	} else {
		fmt.Printf("double fault: %v, then %v in %v\n", f.Kind, s.Kind, s.Chain[0])
	}
	stage.Restart()
	if oob.kicks.Load() != kicks+1 {
		failf("double fault: the stage does not serve after Restart")
	}
	testFault(3)
	if f, _ := stage.LastFault(); f.Second != nil {
		failf("a second fault is told that was not")
	}
}

// record is what a run leaves for the next.
var record *guard.Record

// tellCrash reports what the run before left, and whether it did.
func tellCrash() bool {
	var c *guard.Crash
	if record, c = guard.Open(crashBase, guard.Firmware{Version: "stagetest"}); c == nil {
		return false
	}
	fmt.Print(c)
	if strings.Contains(c.Doing, "containment") && c.Last.Faults == 77 && c.Same {
		fmt.Println("STAGETEST CRASH TOLD")
	}
	return true
}
