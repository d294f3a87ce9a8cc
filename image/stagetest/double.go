//go:build tamago

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/usbarmory/tamago/arm"

	board "mortise/board/mx6ullevk"
	"mortise/drivers/wdog"
	"mortise/stack/guard"
	"mortise/stack/stage"
)

// breakable is in a section of DMA memory that nothing uses: unmapped, the fault vectors' own write faults.
const (
	breakable = board.DMABase + 32<<20
	section   = 1 << 20
	// As board.mapMemory maps it: Normal Non-cacheable.
	dmaRegion = 1<<12 | arm.TTE_AP_001<<10 | arm.TTE_EXECUTE_NEVER | arm.TTE_SECTION
)

// testDoubleFault has a fault whose containment faults.
func testDoubleFault() {
	faults, kicks := inband.faults.Load(), oob.kicks.Load()
	board.CPU.ConfigureMMU(breakable, breakable+section, 0, 0)
	fellBack = 0
	oob.inject.Store(3)
	stage.Kick()
	if s := stage.Status(); s != stage.Faulted || fellBack != 0x600df00d {
		failf("double fault: the stage is %v, want faulted; first fallback write %#x", s, fellBack)
	}
	if !eventually(func() bool { return inband.faults.Load() == faults+1 }) {
		failf("double fault: not reported")
	}
	board.CPU.ConfigureMMU(breakable, breakable+section, 0, dmaRegion)

	f, _ := stage.LastFault()
	if f.Func.Func != "main.nilDereference" || f.Kind != stage.DataAbort {
		failf("double fault: the first is lost: %v", f)
	}
	if s := f.Second; s == nil || s.Kind != stage.DataAbort || s.DFAR != breakable || s.Chain[0].Func != "mortise/stack/stage.abandon" {
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
	if record, c = guard.Open(board.CrashBase, guard.Firmware{Version: "stagetest"}); c == nil {
		return false
	}
	fmt.Print(c)
	if strings.Contains(c.Doing, "containment") && c.Last.Faults == 77 && c.Same {
		fmt.Println("STAGETEST CRASH TOLD")
	}
	return true
}

// tripleFault has a fault whose containment faults, and what that leads to faults as well, since the interrupt controller
// has gone: only the watchdog ends this.
func tripleFault() {
	if err := wdog.Start(board.WatchdogBase, 2*time.Second); err != nil {
		failf("%v", err)
	}
	record.Beat(guard.Beat{Uptime: time.Second, Faults: 77})
	oob.left.Store(1)
	oob.inject.Store(3)
	stage.Arm(stage.TicksPerSecond() / 100)
	gic := uint32(board.GIC.Dist) &^ (section - 1)
	board.CPU.ConfigureMMU(breakable, breakable+section, 0, 0)
	// dispatch acknowledges first: the fault is the controller's absence itself.
	board.CPU.ConfigureMMU(gic, gic+section, 0, 0)
	spinForever()
}
