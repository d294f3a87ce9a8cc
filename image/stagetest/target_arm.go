//go:build tamago

package main

import (
	"fmt"
	"time"

	"github.com/usbarmory/tamago/arm"

	board "mortise/board/mx6ullevk"
	"mortise/drivers/gic"
	"mortise/drivers/wdog"
	"mortise/stack/guard"
	"mortise/stack/stage"
)

const (
	dmaEnd    = board.DMABase + board.DMASize
	crashBase = board.CrashBase

	// spread is by how many ticks of the counter, of two instructions each, activations may come more or less late.
	spread = 1

	unmapped  = 0x40000000
	returns   = 0xe12fff1e                    // bx lr
	fallsBack = "mortise/stack/stage.abandon" // the vector that makes the fallback writes
	unlocker  = "sync."                       // what the runtime calls the function that it is inlined in

	// breakable is in a section of DMA memory that nothing uses: unmapped, the fault vectors' own write faults.
	breakable = board.DMABase + 32<<20
	section   = 1 << 20
	// As board.mapMemory maps it: Normal Non-cacheable.
	dmaRegion = 1<<12 | arm.TTE_AP_001<<10 | arm.TTE_EXECUTE_NEVER | arm.TTE_SECTION
)

// UART1's transmit register and its status (55.15, IMX6ULLRM).
const (
	consoleData   = 0x02020040
	consoleStatus = 0x020200b4
	consoleFull   = 1 << 4
)

func initBoard() error { return board.Init() }

func stageConfig() stage.Config { return stage.Config{CPU: board.CPU, GIC: &board.GIC} }

// targetTests are those of this target alone. The in-band tick beside the stage is image/gateway's to test.
var targetTests []test

func readLine() string { return board.ReadLine() }

func take() (uint32, bool) { return board.GIC.Take() }

// clobber has nothing to do: FIQ mode has its own R8–R14, and an activation saves the others.
//
//oob:stage oob
func clobber() {}

// textAddress is an address in the read-only part of text, which begins with the second megabyte.
func textAddress() uint32 { return 0x80100000 }

func mapBreakable(yes bool) {
	attributes := uint32(0)
	if yes {
		attributes = dmaRegion
	}
	board.CPU.ConfigureMMU(breakable, breakable+section, 0, attributes)
}

// hold fills the registers with patterns in the processor mode given, with IRQ masked, spins until *fired is set, and
// returns a bit for each register that has changed: 4–12 but 10 (g), 13 SP, 14 LR, 16 the flags or what the loop counts by.
func hold(mode uint32, fired *uint32) uint32

func held(mode uint32, fired *uint32) string {
	if changed := hold(mode, fired); changed != 0 {
		return fmt.Sprintf("registers %#x", changed)
	}
	return ""
}

// Processor modes (B1.3.1, table B1-1, ARM DDI 0406C).
var modes = []struct {
	name string
	mode uint32
}{{"SYS", 0x1f}, {"IRQ", 0x12}, {"SVC", 0x13}}

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
	mapBreakable(false)
	// dispatch acknowledges first: the fault is the controller's absence itself.
	board.CPU.ConfigureMMU(gic, gic+section, 0, 0)
	spinForever()
}

// endsLoops: the warning ends an activation.
const endsLoops = true

// endless writes a register and loops.
//
//oob:stage oob
func endless(addr, value uint32)

//oob:stage oob
func loopForever() { endless(sgir, gic.SGIR_SELF|warningSGI) }

// warningSGI plays the watchdog's warning: oob code raises it itself.
const warningSGI = 9

var sgir uint32 // GICD_SGIR's address

func initWarning() {
	sgir = uint32(board.GIC.Dist + gic.GICD_SGIR)
	board.GIC.Assign(warningSGI, gic.Oob)
	board.GIC.SetPriority(warningSGI, gic.PriorityWarning)
}

// enableWarning goes before each fault: a warning that is taken amid an activation disables itself.
func enableWarning() { board.GIC.Enable(warningSGI) }
