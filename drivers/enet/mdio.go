package enet

import (
	"fmt"
	"time"
)

// mdioLimit bounds a transfer: 64 bits at 2.5 MHz take 26 µs.
const mdioLimit = 5 * time.Millisecond

// mdcDivider returns MSCR.MII_SPEED for a module clock: MDC = clkHz / (2 × (MII_SPEED + 1)), at most 2.5 MHz (IEEE
// 802.3-2018, 22.2.2.13).
func mdcDivider(clkHz uint32) uint32 {
	const twiceMDC = 2 * 2500000
	return uint32((uint64(clkHz)+twiceMDC-1)/twiceMDC) - 1
}

// holdCycles returns MSCR.HOLDTIME for a module clock: MDIO is held 10 ns at least (IEEE 802.3-2018, 22.3.4).
func holdCycles(clkHz uint32) uint32 {
	const perTenNS = 100000000
	return (clkHz+perTenNS-1)/perTenNS - 1
}

// setupMDIO sets the management clock. MMFR is cleared first: a frame left in it would be sent when MSCR starts the clock.
func (dev *Device) setupMDIO() {
	dev.write(MMFR, 0)
	dev.write(MSCR, holdCycles(dev.cfg.ClkHz)<<MSCR_HOLDTIME|mdcDivider(dev.cfg.ClkHz)<<MSCR_MII_SPEED)
}

// ReadPHY reads register reg of the PHY at address addr on this controller's MDIO bus. No PHY there reads as 0xffff.
func (dev *Device) ReadPHY(addr, reg int) (uint16, error) {
	v, err := dev.mdio(MMFR_OP_READ, addr, reg, 0)
	return uint16(v), err
}

// WritePHY writes register reg of the PHY at address addr on this controller's MDIO bus.
func (dev *Device) WritePHY(addr, reg int, v uint16) error {
	_, err := dev.mdio(MMFR_OP_WRITE, addr, reg, v)
	return err
}

// mdio does one transfer. It may run while the oob stage drives the port: it touches no register and no EIR bit of oob's.
// The controller must have been initialised, for its clock.
func (dev *Device) mdio(op uint32, addr, reg int, data uint16) (uint32, error) {
	if addr < 0 || addr > 31 || reg < 0 || reg > 31 {
		return 0, fmt.Errorf("%s: MDIO address %d, register %d, want both in 0 … 31", dev.cfg.Name, addr, reg)
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.write(EIR, EIR_MII)
	dev.write(MMFR, MMFR_ST|op|uint32(addr)<<MMFR_PA|uint32(reg)<<MMFR_RA|MMFR_TA|uint32(data))
	if err := dev.wait(EIR, EIR_MII, EIR_MII, mdioLimit, "EIR.MII", "1"); err != nil {
		return 0, fmt.Errorf("MDIO address %d, register %d: %w", addr, reg, err)
	}
	dev.write(EIR, EIR_MII)
	return dev.read(MMFR), nil
}
