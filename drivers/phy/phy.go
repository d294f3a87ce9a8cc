// Package phy drives 10/100 Mb/s Ethernet PHYs over MDIO: probe, autonegotiation, link state.
//
// It knows two: the KSZ8081RNB of the MCIMX6ULL-EVK, and the PHY that QEMU puts there (its LAN9118 model: link and
// autonegotiation at once, no vendor registers). Any other PHY is driven by the registers that IEEE 802.3 defines.
//
// Stage: in-band. Follows: IEEE 802.3-2018, clause 22 (registers) and clause 28 (autonegotiation); KSZ8081MNX/RNB data
// sheet, Microchip DS00002202C, 2018. Does not support: gigabit, clause 45, PHY interrupts by a pin (they are latched and read
// by polling), energy saving.
package phy

import (
	"errors"
	"fmt"
	"time"

	"mortise/drivers/nic"
)

// A Bus is an MDIO bus: the controller that drives it implements it (enet.Device). An absent PHY reads as 0xffff.
type Bus interface {
	ReadPHY(addr, reg int) (uint16, error)
	WritePHY(addr, reg int, v uint16) error
}

// Registers: IEEE 802.3-2018, Table 22-6.
const (
	BMCR = 0 // control
	BMSR = 1 // status
	IDR1 = 2 // identifier, bits 3–18 of the OUI
	IDR2 = 3 // identifier, bits 19–24 of the OUI, model, revision
	ANAR = 4 // advertisement
	ANLP = 5 // link partner's ability
)

const (
	BMCR_RESET      = 1 << 15 // clears itself
	BMCR_SPEED_100  = 1 << 13
	BMCR_AN_ENABLE  = 1 << 12
	BMCR_POWER_DOWN = 1 << 11
	BMCR_ISOLATE    = 1 << 10
	BMCR_AN_RESTART = 1 << 9
	BMCR_FULL       = 1 << 8

	BMSR_AN_DONE = 1 << 5
	BMSR_LINK    = 1 << 2 // latches low: read twice

	// ANAR and ANLP, Figure 28-2 and Annex 28B. PAUSE (bits 10 and 11) is not advertised: see drivers/enet.
	AN_100FULL  = 1 << 8
	AN_100HALF  = 1 << 7
	AN_10FULL   = 1 << 6
	AN_10HALF   = 1 << 5
	AN_SELECTOR = 1 // IEEE 802.3
)

// KSZ8081RNB: data sheet, "Register Descriptions".
const (
	idKSZ8081 = 0x00221560 // without revision

	KSZ_INT       = 0x1b // interrupt control (high half) and status (low half, cleared by a read)
	KSZ_INT_DOWN  = 1 << 10
	KSZ_INT_UP    = 1 << 8
	KSZ_CTRL2     = 0x1f // PHY Control 2
	KSZ_HP_MDIX   = 1 << 15
	KSZ_RMII_50   = 1 << 7 // the clock at XI is 50 MHz, from the MAC; 0: a 25 MHz crystal
	KSZ_LED_MASK  = 3 << 4
	KSZ_LED_LINK  = 1 << 4 // LED mode 01: LED0 link, LED1 activity
	idMask        = 0xfffffff0
	idQEMULAN9118 = 0x0007c0d0
)

const (
	// resetLimit: BMCR.RESET is clear 0.5 s after it was set (22.2.4.1.1).
	resetLimit = 500 * time.Millisecond
	// negotiateLimit: a choice. Autonegotiation takes 1.4 to 3 s by the timers of 28.3.2.
	negotiateLimit = 5 * time.Second
	pollPause      = 5 * time.Millisecond
)

// ErrNone is wrapped when no PHY answers.
var ErrNone = errors.New("no PHY answers")

// A PHY is one PHY at its address on the bus that reaches it.
type PHY struct {
	bus   Bus
	addr  int
	id    uint32
	clock nic.Clock
}

// A Place is where a PHY may be.
type Place struct {
	Bus  Bus
	Addr int // as the board straps it (KSZ8081: PHYAD[2:0])
}

// Probe returns the first PHY that answers. A board names its PHY's place on each MDIO bus that may reach it: the two ENETs
// of the i.MX 6ULL can both be wired to the same pins, QEMU 10 has both PHYs on ENET2's bus, 7.2 each on its own. clock nil
// is nic.System.
func Probe(clock nic.Clock, places ...Place) (*PHY, error) {
	if clock == nil {
		clock = nic.System
	}
	err := ErrNone
	for _, p := range places {
		phy := &PHY{bus: p.Bus, addr: p.Addr, clock: clock}
		id, e := phy.readID()
		if e != nil {
			err = fmt.Errorf("%w; address %d: %w", err, p.Addr, e)
			continue
		}
		if id == 0 || id == 0xffffffff {
			err = fmt.Errorf("%w; address %d reads %#08x", err, p.Addr, id)
			continue
		}
		phy.id = id
		return phy, nil
	}
	return nil, err
}

func (p *PHY) readID() (uint32, error) {
	hi, err := p.bus.ReadPHY(p.addr, IDR1)
	if err != nil {
		return 0, err
	}
	lo, err := p.bus.ReadPHY(p.addr, IDR2)
	return uint32(hi)<<16 | uint32(lo), err
}

// ID returns the identifier: registers 2 (high half) and 3.
func (p *PHY) ID() uint32 { return p.id }

// Addr returns the PHY's MDIO address.
func (p *PHY) Addr() int { return p.addr }

// Model returns the PHY's name, "unknown PHY" with its identifier if there is none.
func (p *PHY) Model() string {
	switch p.id & idMask {
	case idKSZ8081:
		return "KSZ8081"
	case idQEMULAN9118:
		return "LAN9118 (QEMU)"
	}
	return fmt.Sprintf("unknown PHY %#08x", p.id)
}

// Setup resets the PHY, configures it for RMII with the MAC's 50 MHz clock where it has such a register, and starts
// autonegotiation. It does not wait for the link.
func (p *PHY) Setup() error {
	if err := p.reset(); err != nil {
		return err
	}
	if p.id&idMask == idKSZ8081 {
		if err := p.setupKSZ8081(); err != nil {
			return err
		}
	}
	if err := p.write(ANAR, AN_100FULL|AN_100HALF|AN_10FULL|AN_10HALF|AN_SELECTOR); err != nil {
		return err
	}
	return p.write(BMCR, BMCR_AN_ENABLE|BMCR_AN_RESTART)
}

func (p *PHY) reset() error {
	if err := p.write(BMCR, BMCR_RESET); err != nil {
		return err
	}
	return p.wait(BMCR, BMCR_RESET, 0, resetLimit, "BMCR.RESET", "0")
}

// setupKSZ8081 changes the bits of PHY Control 2 that the board needs and leaves the others at their defaults; it latches
// link changes in the interrupt register.
func (p *PHY) setupKSZ8081() error {
	v, err := p.read(KSZ_CTRL2)
	if err != nil {
		return err
	}
	if err := p.write(KSZ_CTRL2, v&^KSZ_LED_MASK|KSZ_HP_MDIX|KSZ_RMII_50|KSZ_LED_LINK); err != nil {
		return err
	}
	return p.write(KSZ_INT, KSZ_INT_UP|KSZ_INT_DOWN)
}

// Wait waits until autonegotiation is complete and the link is up, and returns the link. After some seconds it gives up
// with a nic.TimeoutError: no cable, most likely; Link tells later.
func (p *PHY) Wait() (nic.Link, error) {
	const ready = BMSR_AN_DONE | BMSR_LINK
	if err := p.wait(BMSR, ready, ready, negotiateLimit, "BMSR", "AN_DONE and LINK"); err != nil {
		return nic.Link{}, err
	}
	return p.Link()
}

// Link returns the link's state: up, and what both ends advertise best.
func (p *PHY) Link() (nic.Link, error) {
	// Latched low: the first read tells what was, the second what is.
	if _, err := p.read(BMSR); err != nil {
		return nic.Link{}, err
	}
	s, err := p.read(BMSR)
	if err != nil || s&BMSR_LINK == 0 || s&BMSR_AN_DONE == 0 {
		return nic.Link{}, err
	}
	own, err := p.read(ANAR)
	if err != nil {
		return nic.Link{}, err
	}
	peer, err := p.read(ANLP)
	if err != nil {
		return nic.Link{}, err
	}
	return resolve(own & peer), nil
}

// resolve picks the best of the common abilities (Annex 28B.3). With none in common the link does not count as up.
func resolve(common uint16) nic.Link {
	for _, a := range []struct {
		bit uint16
		nic.Link
	}{
		{AN_100FULL, nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}},
		{AN_100HALF, nic.Link{Up: true, SpeedMbps: 100}},
		{AN_10FULL, nic.Link{Up: true, SpeedMbps: 10, FullDuplex: true}},
		{AN_10HALF, nic.Link{Up: true, SpeedMbps: 10}},
	} {
		if common&a.bit != 0 {
			return a.Link
		}
	}
	return nic.Link{}
}

func (p *PHY) read(reg int) (uint16, error)  { return p.bus.ReadPHY(p.addr, reg) }
func (p *PHY) write(reg int, v uint16) error { return p.bus.WritePHY(p.addr, reg, v) }
func (p *PHY) name() string                  { return fmt.Sprintf("PHY %d", p.addr) }

// wait polls reg until mask & value is want.
func (p *PHY) wait(reg int, mask, want uint16, limit time.Duration, register, state string) error {
	var v uint16
	var err error
	if nic.Poll(p.clock, limit, pollPause, func() bool {
		v, err = p.read(reg)
		return err != nil || v&mask == want
	}) {
		return err
	}
	return &nic.TimeoutError{Device: p.name(), Register: register, Value: uint32(v), Want: state, After: limit}
}
