// Package mx6ullevk is the NXP MCIMX6ULL-EVK, and the MCIMX6UL-EVK that QEMU emulates as mcimx6ul-evk: memory map,
// clocks, pads, console, its network controllers as plain values. It implements the board's part of TamaGo's
// runtime/goos contract (Hwinit1, Printk, RamSize) on TamaGo's SoC package, in place of TamaGo's own board package, which
// takes all of the DRAM for Go and sets up SD card slots that nothing here uses.
//
// Stage: in-band, before the oob stage starts. Follows: IMX6ULLRM (i.MX 6ULL Applications Processor Reference Manual,
// Rev. 1, 11/2017), cited by page where that was at hand, else by chapter and register; the MCIMX6ULL-EVK schematic. README.md
// lists what was only emulated. On the host the package has the table of controllers alone. Does not support: SD card, USB, display, audio, power management.
package mx6ullevk

// Name is the board's name in configurations and messages.
const Name = "mx6ullevk"

// A Controller is a network controller of the board, as plain values for its driver.
type Controller struct {
	Name  string  // as in configurations
	Base  uintptr // registers
	IRQ   uint32  // interrupt ID of MAC events; ID + 1, its timer's, raises the same in QEMU and is left disabled
	ClkHz uint32  // module clock, IPG_CLK_ROOT: MDC is derived from it
	// TimerHz is the rate of its IEEE 1588 timer's clock, from the same 24 MHz oscillator as the virtual counter.
	TimerHz uint32

	// PHY is the address of its KSZ8081RNB, by strap-in resistors.
	PHY int
	// MDIO names the controllers whose MDIO bus the PHY may be on, likely ones first: on the board both PHYs hang on
	// ENET2's, as they do in QEMU 10.0; in QEMU 7.2 each hangs on its own.
	MDIO [2]string
}

// Registers: p178, Table 2-3, IMX6ULLRM; interrupts 118 and 120: chapter 3. IPG_CLK_ROOT after the boot ROM: p261, Table
// 8-4; Init checks it. PHY addresses and MDIO: MCIMX6ULL-EVK schematic, as Linux' imx6ul-14x14-evk.dtsi has them.
var controllers = [...]Controller{
	{Name: "ENET1", Base: 0x02188000, IRQ: 32 + 118, ClkHz: ipgHz, TimerHz: timerHz, PHY: 2, MDIO: [2]string{"ENET2", "ENET1"}},
	{Name: "ENET2", Base: 0x020b4000, IRQ: 32 + 120, ClkHz: ipgHz, TimerHz: timerHz, PHY: 1, MDIO: [2]string{"ENET2", "ENET1"}},
}

const (
	ipgHz   = 66_000_000
	timerHz = 25_000_000 // CCM_ANALOG_PLL_ENET.ENET_25M_REF_EN (chapter 18, IMX6ULLRM)
)

// WatchdogBase is WDOG1 (p178, Table 2-3, IMX6ULLRM), for drivers/wdog: the one whose timeout resets the SoC. TamaGo has
// opened its clock and stopped its power-down counter.
const WatchdogBase = 0x020bc000

// WatchdogIRQ is its interrupt ahead of the timeout: 80 of the shared ones (Table 3-1, IMX6ULLRM).
const WatchdogIRQ = 32 + 80

// Controllers returns the network controllers of the board, in the order of their connectors. Their driver,
// drivers/enet, is oob-capable.
func Controllers() []Controller { return controllers[:] }

// ControllerByName returns the network controller of a name.
func ControllerByName(name string) (c Controller, ok bool) {
	for _, c := range controllers {
		if c.Name == name {
			return c, true
		}
	}
	return Controller{}, false
}
