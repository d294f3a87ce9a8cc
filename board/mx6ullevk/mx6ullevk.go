//go:build tamago

package mx6ullevk

import (
	_ "unsafe" // go:linkname

	"github.com/usbarmory/tamago/arm"
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	"mortise/drivers/gic"
)

// CPU is the processor core.
var CPU *arm.CPU = imx6ul.ARM

// GIC is the interrupt controller, ready after Init.
var GIC = gic.GIC{Dist: gicBase + 0x1000, CPU: gicBase + 0x2000}

// Base of the Cortex-A7's private memory (p178, Table 2-3, IMX6ULLRM), the interrupt controller's two blocks in it (8.1,
// ARM DDI 0464).
const gicBase = 0x00a00000

//go:linkname hwinit1 runtime/goos.Hwinit1
func hwinit1() {
	imx6ul.Init()
	setPads(consolePads[:])
	imx6ul.UART1.Init()
}

// Init sets up what the runtime does not need: the memory map's DMA section and guards, the interrupt controller, idle
// times, and the clocks, pads and resets of both network controllers.
//
//oob:stage init
func Init() error {
	mapMemory()
	GIC.Alias = Native()
	GIC.Init()
	initIdle()
	return initNetwork()
}

// Native reports whether this is silicon (true) or an emulator: QEMU reports revision 0.0.
func Native() bool { return imx6ul.Native }

// Model returns the processor's name: "i.MX6UL" in QEMU.
func Model() string { return imx6ul.Model() }

// UniqueID returns the SoC's 64-bit ID from its fuses; 0 in an emulator.
func UniqueID() [8]byte { return imx6ul.UniqueID() }

// Reset restarts the board through the watchdog.
func Reset() { imx6ul.Reset() }
