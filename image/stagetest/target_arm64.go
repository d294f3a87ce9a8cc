//go:build tamago

package main

import (
	"fmt"
	"runtime"

	board "mortise/board/virt"
	"mortise/stack/stage"
)

const (
	dmaEnd    = board.DMABase + board.DMASize
	crashBase = board.CrashBase

	unmapped  = 0x80000000
	returns   = 0xd65f03c0                    // ret
	fallsBack = "mortise/stack/stage.contain" // the vector that makes the fallback writes
	unlocker  = "internal/sync."

	// breakable is in a block of DMA memory that nothing uses: unmapped, the fault vectors' own write faults.
	breakable = board.DMABase + 32<<20
)

// The transmitter (chapter 3, ARM DDI 0183).
const (
	consoleData   = board.UARTBase + board.UARTDR
	consoleStatus = board.UARTBase + board.UARTFR
	consoleFull   = board.FR_TXFF
)

func initBoard() error { return board.Init() }

func stageConfig() stage.Config { return stage.Config{CPU: board.CPU, GIC: &board.GIC} }

func readLine() string { return board.ReadLine() }

func take() (uint32, bool) { return board.GIC.Take() }

// clobber changes every register that Go code may change.
//
//oob:stage oob
//go:noescape
func clobber()

func textAddress() uint32 {
	start, _ := runtime.TextRegion()
	return uint32(start) + 0x1000
}

func mapBreakable(yes bool) { board.MapDMA(breakable, yes) }

// hold fills the registers with patterns, with IRQ masked if mode is 1, spins until *fired is set, and returns a bit for each
// register that has changed: X3–X30 but X18, 31 for SP, 0 the flags or what the loop counts by, 1 FPCR or FPSR; and one for
// each of V0–V31.
//
//go:noescape
func hold(mode uint32, fired *uint32) (x, v uint32)

func held(mode uint32, fired *uint32) string {
	if x, v := hold(mode, fired); x != 0 || v != 0 {
		return fmt.Sprintf("X %#x, V %#x", x, v)
	}
	return ""
}

var modes = []struct {
	name string
	mode uint32
}{{"EL1", 0}, {"EL1 with IRQ masked", 1}}

// tripleFault cannot be had: nothing on this machine could tell, which has no watchdog.
func tripleFault() { failf("no watchdog") }

// endsLoops: F stays masked for the whole activation, so that nothing ends one.
const endsLoops = false

//oob:stage oob
func loopForever() {}

func initWarning() {}

func enableWarning() {}
