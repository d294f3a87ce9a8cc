//go:build tamago

package mx6ullevk

import (
	"fmt"
	"time"

	"github.com/usbarmory/tamago/soc/nxp/gpio"
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	"mortise/drivers/mmio"
)

// The reset inputs of both PHYs hang on a shift register, a 74HC595 that four pins of GPIO5 drive (MCIMX6ULL-EVK
// schematic; U-Boot and Linux agree on pins and outputs). Only silicon has it.
const (
	expanderLatch  = 7  // STCP, pad SNVS_TAMPER7
	expanderEnable = 8  // OE, active low, pad SNVS_TAMPER8
	expanderData   = 10 // SDI, pad BOOT_MODE0
	expanderClock  = 11 // SHCP, pad BOOT_MODE1
)

// Outputs Q0–Q7 of the shift register.
const (
	hdmiReset = 1 << iota // active low, as all resets here
	enet1Reset
	enet2Reset
	canStandby
	bluetoothPower
	cameraReset
	cameraPowerDown
	lcdPower // active low

	outputs = hdmiReset | enet1Reset | enet2Reset | canStandby | cameraReset | lcdPower
)

// KSZ8081RNB, reset timing (data sheet DS00002202, "Reset Timing"): low for 500 µs, then 100 µs until the first MDIO access.
// Half a millisecond is a slow clock for the shift register too.
const resetTime = 500 * time.Microsecond

// GPIO5's pads: in the main IOMUXC on the i.MX6UL, in one of their own on the i.MX6ULL (chapter 32, IMX6ULLRM).
const iomuxcSNVS = 0x02290000

func expanderPads() []pad {
	if Model() == "i.MX6UL" {
		return []pad{
			{0x38, 0x2c4, 5, out, 0, 0}, {0x3c, 0x2c8, 5, out, 0, 0},
			{0x14, 0x2a0, 5, out, 0, 0}, {0x18, 0x2a4, 5, out, 0, 0},
		}
	}
	const snvs = iomuxcSNVS - iomuxc
	return []pad{
		{snvs + 0x24, snvs + 0x68, 5, out, 0, 0}, {snvs + 0x28, snvs + 0x6c, 5, out, 0, 0},
		{snvs + 0x00, snvs + 0x44, 5, out, 0, 0}, {snvs + 0x04, snvs + 0x48, 5, out, 0, 0},
	}
}

// An expander is the shift register.
type expander struct{ latch, enable, data, clock *gpio.Pin }

// resetPHYs pulses the reset of both PHYs, which then read their strap-in resistors.
func resetPHYs() error {
	mmio.Set(ccgr1, 0b11<<30) // GPIO5's clock (CCGR1.CG15)
	setPads(expanderPads())
	var e expander
	for _, p := range []struct {
		pin **gpio.Pin
		num int
	}{{&e.latch, expanderLatch}, {&e.enable, expanderEnable}, {&e.data, expanderData}, {&e.clock, expanderClock}} {
		pin, err := imx6ul.GPIO5.Init(p.num)
		if err != nil {
			return fmt.Errorf("mx6ullevk: GPIO5_IO%02d: %w", p.num, err)
		}
		pin.Out()
		*p.pin = pin
	}
	e.shift(outputs &^ (enet1Reset | enet2Reset))
	e.enable.Low()
	time.Sleep(resetTime)
	e.shift(outputs)
	time.Sleep(resetTime)
	return nil
}

const ccgr1 = 0x020c406c

// shift moves v to the outputs, Q7 first.
func (e *expander) shift(v uint32) {
	e.latch.Low()
	for i := 7; i >= 0; i-- {
		e.clock.Low()
		if v>>i&1 != 0 {
			e.data.High()
		} else {
			e.data.Low()
		}
		time.Sleep(resetTime)
		e.clock.High()
		time.Sleep(resetTime)
	}
	e.latch.High()
}
