// Package enettest is a fake ENET for host tests: a register file (mmio.Map) and a DMA engine that works on the descriptors
// and buffers of a driver under test, in the test's goroutine.
//
// It follows the manual (IMX6ULLRM Rev 1, chapter 22; the register and descriptor values are spelled out here again, not
// taken from the driver) or, with Options.Hold, QEMU's imx.enet where that differs. And it watches the driver: what would
// be a race with the DMA on hardware fails the test.
//
// Stage: host only. Does not support: legacy descriptors, PAUSE, half duplex; of the 1588 timer corrections, events
// and channels.
package enettest

import (
	"bytes"
	"testing"
	"time"

	"mortise/drivers/mmio"
	"mortise/stack/frame"
)

// Register offsets and bits that the fake acts on.
const (
	eir, eimr, rdar, tdar, ecr, mmfr = 0x004, 0x008, 0x010, 0x014, 0x024, 0x040

	mibc, rcr, tcr, paur = 0x064, 0x084, 0x0c4, 0x0e8
	rdsr, tdsr, mrbr     = 0x180, 0x184, 0x188
	ftrl, tacc, racc     = 0x1b0, 0x1c0, 0x1c4

	evGRA, evTXF, evRXF, evRXB, evMII = 1 << 28, 1 << 27, 1 << 25, 1 << 24, 1 << 23

	active = 1 << 24 // RDAR and TDAR

	ecrReset, ecrEnable, ecrEnhanced, ecrSwap = 1 << 0, 1 << 1, 1 << 4, 1 << 8

	size = 0x4000
)

// Status bits of a received frame, as they lie in the first word of its last descriptor.
const (
	LG = 1 << 21 // too long
	NO = 1 << 20 // non-octet
	CR = 1 << 18 // FCS
	OV = 1 << 17 // overrun
	TR = 1 << 16 // truncated
	ME = 1       // MAC error: bit 31 of the third word (no status bit has this value)
)

const (
	owned   = 1 << 31 // E and R
	wrapBit = 1 << 29
	last    = 1 << 27
	addCRC  = 1 << 26
	rxInt   = 1 << 23
	txInt   = 1 << 30
	rxME    = 1 << 31
	txError = 1 << 15
)

// Options choose what the fake imitates.
type Options struct {
	Base uintptr // registers; 0: 0x02188000
	// Hold: as QEMU, frames without a descriptor wait in the device, TX ignores TACC.SHIFT16, and short frames arrive.
	// Otherwise, as silicon, frames without a descriptor are lost, and so are runts.
	Hold bool
	// Filter: as silicon, what the address filter does not take (filter.go) does not arrive. Otherwise, as in QEMU, frames to any
	// address do.
	Filter bool
	// Async: a frame queued is sent by Complete, not by the write of TDAR.
	Async bool
	// StuckReset: ECR.RESET never clears. StuckMDIO: EIR.MII never sets. StuckStop: EIR.GRA never sets.
	StuckReset, StuckMDIO, StuckStop bool
	// Shared: a slot may be in the transmit ring more than once, for a frame that goes out more than once.
	Shared bool
	// Unchecked leaves out the comparison of the rings with what they were, for long runs.
	Unchecked bool
}

// Rings are the memory a driver works on.
type Rings struct {
	Desc    uintptr // descriptors, as the processor sees them
	DescBus uint32
	Memory  frame.Memory
}

// An ENET is the fake. Its methods are called by the test's goroutine, as the driver's functions are.
type ENET struct {
	Options
	tb    testing.TB
	regs  [size / 4]uint32
	rings Rings
	rx    ring
	tx    ring
	held  []frameIn // Hold: frames that wait
	sent  [][]byte

	// PHY answers MDIO reads and takes writes; nil: no PHY on this bus.
	PHY map[int]*[32]uint16
	// Lost counts frames that found no descriptor, or that silicon would not have passed on.
	Lost int
	// Filtered counts frames to addresses that the filter does not take.
	Filtered int
	// Now is the time in ns, by which the IEEE 1588 timer counts (timer.go); nil: it does not, as in QEMU.
	Now func() uint64
	// StampFail: the next frames that ask for a timestamp get none (TSE).
	StampFail int
	timer     timer
	// TxFail: the next frames to be sent fail with TXE.
	TxFail int
	// Resets counts resets.
	Resets int
	// AtAck is called, once, when the driver is about to clear the receive event.
	AtAck func()
}

type frameIn struct {
	b      []byte
	status uint32
}

// New maps a fake ENET. NewRings gives memory to go with it.
func New(tb testing.TB, rings Rings, o Options) *ENET {
	tb.Helper()
	if o.Base == 0 {
		o.Base = 0x02188000
	}
	e := &ENET{Options: o, tb: tb, rings: rings}
	tb.Cleanup(mmio.Map(o.Base, size, e))
	return e
}

// NewRings returns DMA memory for slots slots and a port's descriptors.
func NewRings(tb testing.TB, slots int) Rings {
	tb.Helper()
	const descSlots = 2 // 4096 bytes
	all, release, err := frame.NewMemory(slots + descSlots)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(release)
	off := uintptr(descSlots * frame.SlotSize)
	return Rings{
		Desc:    all.Base,
		DescBus: all.Bus,
		Memory:  frame.Memory{Base: all.Base + off, Bus: all.Bus + uint32(off), Slots: uint32(slots)},
	}
}

// ReadReg is the register file's side of mmio.
func (e *ENET) ReadReg(off uint32) uint32 {
	e.timer.read(e, off)
	return e.regs[off/4]
}

// Reg returns a register, for assertions.
func (e *ENET) Reg(off uint32) uint32 { return e.regs[off/4] }

// Interrupt reports whether the receive interrupt is asserted.
func (e *ENET) Interrupt() bool { return e.regs[eir/4]&e.regs[eimr/4] != 0 }

// WriteReg is the register file's side of mmio.
func (e *ENET) WriteReg(off, v uint32) {
	r := &e.regs[off/4]
	switch off {
	case eir:
		if f := e.AtAck; f != nil && v&evRXF != 0 {
			e.AtAck = nil
			f()
		}
		*r &^= v
	case ecr:
		e.writeECR(v)
	case rdar:
		if e.enabled() {
			e.look()
			e.resume()
		}
	case tdar:
		if *r != 0 {
			e.tb.Errorf("TDAR written while it is set (ERR007885)")
		}
		if e.enabled() {
			e.look()
			*r = active
			if !e.Async {
				e.Complete(-1)
			}
		}
	case mmfr:
		*r = v
		e.mdio(v)
	case atcr:
		e.timer.control(e, v)
	case tcr:
		*r = v
		if v&1 != 0 && !e.StuckStop {
			e.regs[eir/4] |= evGRA
		}
	case rdsr, tdsr:
		if e.enabled() {
			e.tb.Errorf("register %#x written while ETHEREN is set", off)
		}
		if v%64 != 0 {
			e.tb.Errorf("descriptor ring at %#x: not a multiple of 64", v)
		}
		*r = v
	case rcr:
		if prom := uint32(1 << 3); e.enabled() && (v^*r)&^prom != 0 {
			e.tb.Errorf("RCR changed from %#x to %#x while ETHEREN is set", *r, v)
		}
		*r = v
	default:
		*r = v
	}
}

func (e *ENET) enabled() bool { return e.regs[ecr/4]&ecrEnable != 0 }

func (e *ENET) writeECR(v uint32) {
	if v&ecrReset != 0 {
		e.Resets++
		e.regs = [size / 4]uint32{}
		e.regs[ecr/4] = 0xf0000000
		e.regs[rcr/4] = 0x05ee0001
		e.regs[paur/4] = 0x8808
		e.regs[mibc/4] = 0xc0000000
		if e.StuckReset {
			e.regs[ecr/4] |= ecrReset
		}
		e.rx, e.tx, e.held = ring{}, ring{}, nil
		e.regs[atper/4] = 1_000_000_000
		e.timer = timer{}
		return
	}
	was := e.enabled()
	e.regs[ecr/4] = v
	switch {
	case !e.enabled():
		e.regs[rdar/4], e.regs[tdar/4] = 0, 0
		e.rx, e.tx = ring{}, ring{}
	case !was:
		if v&(ecrEnhanced|ecrSwap) != ecrEnhanced|ecrSwap {
			e.tb.Errorf("ECR = %#x: want enhanced little-endian descriptors", v)
		}
		if e.regs[racc/4]&(1<<7) == 0 {
			e.tb.Errorf("RACC = %#x: want SHIFT16", e.regs[racc/4])
		}
		e.rx = e.newRing(e.regs[rdsr/4])
		e.tx = e.newRing(e.regs[tdsr/4])
		e.look()
	}
}

// resume is what a write of RDAR does: the device looks at the next descriptor.
func (e *ENET) resume() {
	e.regs[rdar/4] = 0
	if e.word(e.rx.pos)&owned == 0 {
		return
	}
	e.regs[rdar/4] = active
	for len(e.held) > 0 && e.regs[rdar/4] != 0 {
		f := e.held[0]
		e.held = e.held[1:]
		e.receive(f)
	}
}

// Inject lets a frame without FCS arrive, and reports whether it reached a descriptor at once.
func (e *ENET) Inject(b []byte) bool { return e.InjectStatus(b, 0) }

// InjectStatus is Inject with status bits of the error kind set in the frame's last descriptor.
func (e *ENET) InjectStatus(b []byte, status uint32) bool {
	f := frameIn{bytes.Clone(b), status}
	if !e.enabled() || !e.Hold && len(b) < frame.MinLen {
		e.Lost++
		return false
	}
	if e.Filter {
		took, miss := e.takes(b)
		if !took {
			e.Filtered++
			return false
		}
		if miss {
			f.status |= missed
		}
	}
	e.look()
	if e.regs[rdar/4] == 0 || e.word(e.rx.pos)&owned == 0 {
		e.regs[rdar/4] = 0
		if e.Hold {
			e.held = append(e.held, f)
		} else {
			e.Lost++
		}
		return false
	}
	e.receive(f)
	return true
}

// Held returns the number of frames that wait in the device.
func (e *ENET) Held() int { return len(e.held) }

// Stall clears TDAR as a transmitter does that met no ready descriptor just before the driver made one ready.
func (e *ENET) Stall() { e.regs[tdar/4] = 0 }

// Sent returns the frames sent since the last call, without FCS and padding.
func (e *ENET) Sent() [][]byte {
	s := e.sent
	e.sent = nil
	return s
}

// Discard forgets the frames sent, and keeps the memory they took, for long runs.
func (e *ENET) Discard() { e.sent = e.sent[:0] }

// Check looks at the rings now: call it after a step that writes no register.
func (e *ENET) Check() { e.look() }

func (e *ENET) mdio(v uint32) {
	if v == 0 {
		return // the driver clears the register
	}
	addr, reg := int(v>>23&31), v>>18&31
	phy := e.PHY[addr]
	switch op := v >> 28; {
	case op == 0b0110 && phy != nil:
		e.regs[mmfr/4] = v&0xffff0000 | uint32(phy[reg])
	case op == 0b0110:
		e.regs[mmfr/4] = v | 0xffff
	case op == 0b0101 && phy != nil:
		phy[reg] = uint16(v)
	case op != 0b0101:
		e.tb.Errorf("MMFR = %#x: no frame of clause 22", v)
	}
	if v>>16&3 != 2 {
		e.tb.Errorf("MMFR = %#x: turnaround is not 10", v)
	}
	if !e.StuckMDIO {
		e.regs[eir/4] |= evMII
	}
}

// A Clock is a fake nic.Clock: Sleep passes time at once.
type Clock struct{ T time.Time }

// Now returns the time.
func (c *Clock) Now() time.Time { return c.T }

// Sleep passes d.
func (c *Clock) Sleep(d time.Duration) { c.T = c.T.Add(d) }
