//go:build tamago

package mx6ullevk

import "mortise/drivers/mmio"

// A pad: the offsets of its registers, its function, and where its input goes (chapter 32, IMX6ULLRM).
type pad struct {
	mux, ctl     uintptr // SW_MUX_CTL_PAD_*, SW_PAD_CTL_PAD_*
	mode         uint32  // MUX_MODE, and SION
	value        uint32  // of ctl
	input, daisy uint32  // *_SELECT_INPUT and its value; 0: none
}

const (
	iomuxc = 0x020e0000

	// sion keeps the pad's input on: the reference clock goes back into the SoC through its pad.
	sion = 1 << 4

	// SW_PAD_CTL_PAD_* (chapter 32, IMX6ULLRM), the values of Linux' imx6ul-14x14-evk.dtsi. fast: hysteresis, 100 kΩ pull-up, keeper, 100 MHz, R0/6. clock: 50 MHz, fast slew.
	// out: for slow outputs.
	fast  = 0x1b0b0
	clock = 0x1b031
	uart  = 0x1b0b1
	out   = 0x070a1
)

var consolePads = [...]pad{
	{0x084, 0x310, 0, uart, 0, 0},     // UART1_TX_DATA: UART1_TX
	{0x088, 0x314, 0, uart, 0x624, 3}, // UART1_RX_DATA: UART1_RX
}

// Both PHYs are managed over ENET2's MDIO bus.
var networkPads = [...]pad{
	{0x0c4, 0x350, 0, fast, 0, 0},                // ENET1_RX_DATA0
	{0x0c8, 0x354, 0, fast, 0, 0},                // ENET1_RX_DATA1
	{0x0cc, 0x358, 0, fast, 0, 0},                // ENET1_RX_EN
	{0x0d0, 0x35c, 0, fast, 0, 0},                // ENET1_TX_DATA0
	{0x0d4, 0x360, 0, fast, 0, 0},                // ENET1_TX_DATA1
	{0x0d8, 0x364, 0, fast, 0, 0},                // ENET1_TX_EN
	{0x0dc, 0x368, 4 | sion, clock, 0x574, 0b10}, // ENET1_TX_CLK: ENET1_REF_CLK1
	{0x0e0, 0x36c, 0, fast, 0, 0},                // ENET1_RX_ER

	{0x0e4, 0x370, 0, fast, 0, 0},                // ENET2_RX_DATA0
	{0x0e8, 0x374, 0, fast, 0, 0},                // ENET2_RX_DATA1
	{0x0ec, 0x378, 0, fast, 0, 0},                // ENET2_RX_EN
	{0x0f0, 0x37c, 0, fast, 0, 0},                // ENET2_TX_DATA0
	{0x0f4, 0x380, 0, fast, 0, 0},                // ENET2_TX_DATA1
	{0x0f8, 0x384, 0, fast, 0, 0},                // ENET2_TX_EN
	{0x0fc, 0x388, 4 | sion, clock, 0x57c, 0b10}, // ENET2_TX_CLK: ENET2_REF_CLK2
	{0x100, 0x38c, 0, fast, 0, 0},                // ENET2_RX_ER

	{0x074, 0x300, 1, fast, 0x580, 0}, // GPIO1_IO06: ENET2_MDIO
	{0x078, 0x304, 1, fast, 0, 0},     // GPIO1_IO07: ENET2_MDC
}

func setPads(pads []pad) {
	for _, p := range pads {
		mmio.Write(iomuxc+p.mux, p.mode)
		mmio.Write(iomuxc+p.ctl, p.value)
		if p.input != 0 {
			mmio.Write(iomuxc+uintptr(p.input), p.daisy)
		}
	}
}
