//go:build tamago

package mx6ullevk

import (
	"fmt"
	"time"

	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	"mortise/drivers/mmio"
)

// Clock gate of both ENETs: the i.MX6ULL has it where the i.MX6UL has CAAM's, the i.MX6UL where the other has EPDC's
// (chapter 18, CCM_CCGR0 and CCM_CCGR3, of IMX6ULLRM and IMX6ULRM; Linux' clk-imx6ul.c agrees). TamaGo's driver opens the
// ULL's.
const (
	ccgr0   = 0x020c4068
	ccgr3   = 0x020c4074
	enetULL = 0b11 << 12 // CCGR0.CG6
	enetUL  = 0b11 << 4  // CCGR3.CG2
)

// Ethernet PLL (chapter 18, CCM_ANALOG_PLL_ENET, IMX6ULLRM).
const (
	CCM_ANALOG_PLL_ENET = 0x020c80e0
	PLL_ENET_50MHZ      = 0b01<<2 | 0b01<<0 // DIV_SELECT of ENET2 and ENET1
	PLL_ENET_DIV        = 0b11<<2 | 0b11<<0
	PLL_ENET_POWERDOWN  = 1 << 12
	PLL_ENET1_EN        = 1 << 13
	PLL_ENET_BYPASS     = 1 << 16
	PLL_ENET2_EN        = 1 << 20
	PLL_ENET_25M_REF_EN = 1 << 21 // 25 MHz, a 20th of the PLL's: what the 1588 timers count by (Linux' clk-imx6ul.c: enet_ptp)
	PLL_ENET_LOCK       = 1 << 31

	// A choice: the PLL locks within 7,500 cycles of the 24 MHz oscillator, 0.3 ms.
	lockTimeout = 10 * time.Millisecond
)

// Direction of the reference clocks: out of the SoC to the PHYs, and back through the pad (chapter 32,
// IOMUXC_GPR_GPR1, IMX6ULLRM).
const (
	IOMUXC_GPR_GPR1  = 0x020e4004
	ENET1_CLK_SEL    = 1 << 13 // 0: from the PLL, through the pad
	ENET2_CLK_SEL    = 1 << 14
	ENET1_TX_CLK_DIR = 1 << 17 // 1: output
	ENET2_TX_CLK_DIR = 1 << 18
)

// initNetwork brings both controllers and PHYs to where their drivers begin.
func initNetwork() error {
	if hz := imx6ul.GetPeripheralClock(); Native() && hz != ipgHz {
		return fmt.Errorf("mx6ullevk: IPG_CLK_ROOT is %d Hz, want %d", hz, ipgHz)
	}
	setPads(networkPads[:])
	if err := startReferenceClocks(); err != nil {
		return err
	}
	if Model() == "i.MX6UL" {
		mmio.Set(ccgr3, enetUL)
	} else {
		mmio.Set(ccgr0, enetULL)
	}
	if Native() {
		return resetPHYs()
	}
	return nil
}

// startReferenceClocks gives both PHYs their 50 MHz RMII reference clock.
func startReferenceClocks() error {
	mmio.Clear(IOMUXC_GPR_GPR1, ENET1_CLK_SEL|ENET2_CLK_SEL)
	mmio.Set(IOMUXC_GPR_GPR1, ENET1_TX_CLK_DIR|ENET2_TX_CLK_DIR)

	pll := mmio.Read(CCM_ANALOG_PLL_ENET)
	pll = pll&^(PLL_ENET_DIV|PLL_ENET_POWERDOWN) | PLL_ENET_50MHZ
	mmio.Write(CCM_ANALOG_PLL_ENET, pll)
	for start := time.Now(); Native() && mmio.Read(CCM_ANALOG_PLL_ENET)&PLL_ENET_LOCK == 0; {
		if time.Since(start) > lockTimeout {
			return fmt.Errorf("mx6ullevk: no LOCK in CCM_ANALOG_PLL_ENET (%#08x) after %v",
				mmio.Read(CCM_ANALOG_PLL_ENET), lockTimeout)
		}
	}
	mmio.Set(CCM_ANALOG_PLL_ENET, PLL_ENET1_EN|PLL_ENET2_EN|PLL_ENET_25M_REF_EN)
	mmio.Clear(CCM_ANALOG_PLL_ENET, PLL_ENET_BYPASS)
	return nil
}

// FuseMAC returns the address that the fuses hold for controller n (1 or 2); ok is false when there is none, as on most
// boards and in every emulator: QEMU models no fuses, and in 8.2 reading what it does not model is an external abort.
//
//oob:stage inband
func FuseMAC(n int) (mac [6]byte, ok bool) {
	// OCOTP_MAC0, MAC1 and MAC (p2388, 37.5, IMX6ULLRM), bank 4 words 2–4: 48 bits for ENET1 from MAC0's lowest up, then 48 for ENET2.
	if !Native() {
		return mac, false
	}
	var w [3]uint32
	for i := range w {
		v, err := imx6ul.OCOTP.Read(4, 2+i)
		if err != nil {
			return mac, false
		}
		w[i] = v
	}
	var v uint64
	switch n {
	case 1:
		v = uint64(w[1]&0xffff)<<32 | uint64(w[0])
	case 2:
		v = uint64(w[2])<<16 | uint64(w[1]>>16)
	}
	for i := range mac {
		mac[i] = byte(v >> (40 - 8*i))
	}
	// No address, or one that nobody may have as its own.
	return mac, v != 0 && mac[0]&1 == 0
}
