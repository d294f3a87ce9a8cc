// Package enettest is a fake ENET for host tests: a register file (mmio.Map) and a DMA engine that works on the descriptors
// and buffers of a driver under test, in the test's goroutine.
//
// It follows the manual (IMX6ULLRM Rev 1, chapter 22; the register and descriptor values are spelled out here again, not
// taken from the driver) or, with Options.Hold, QEMU's imx.enet where that differs. And it watches the driver: what would
// be a race with the DMA on hardware fails the test.
//
// Stage: host only. Does not support: legacy descriptors, address filters, PAUSE, half duplex; of the 1588 timer corrections, events
// and channels.
package enettest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"
	"unsafe"

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

type ring struct {
	pos    uint32      // descriptor the device looks at next, by its bus address
	shadow [][8]uint32 // what device-owned descriptors were when they were handed over
	slots  []int       // index of the buffer each holds; −1: not the device's
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

// newRing walks the ring at start to its wrap bit.
func (e *ENET) newRing(start uint32) ring {
	r := ring{pos: start}
	for d := start; ; d += 32 {
		r.shadow = append(r.shadow, [8]uint32{})
		r.slots = append(r.slots, -1)
		if e.word(d)&wrapBit != 0 {
			return r
		}
		if len(r.shadow) == 1024 {
			e.tb.Fatalf("ring at %#x: no wrap bit in 1024 descriptors", start)
		}
	}
}

// cpu translates a bus address into the test's memory. Not inlined: Go 1.26.8's compiler fails on a copy of constant size
// from such a pointer.
//
//go:noinline
func (e *ENET) cpu(bus uint32, n int) []byte {
	w := []frame.Memory{
		{Base: e.rings.Desc, Bus: e.rings.DescBus, Slots: 2},
		e.rings.Memory,
	}
	for _, m := range w {
		if bus >= m.Bus && uint64(bus)+uint64(n) <= uint64(m.Bus)+uint64(m.Slots)*frame.SlotSize {
			a := m.Base + uintptr(bus-m.Bus)
			return unsafe.Slice(*(**byte)(unsafe.Pointer(&a)), n)
		}
	}
	e.tb.Fatalf("DMA to %#x, %d bytes: outside the memory of the rings", bus, n)
	return nil
}

func (e *ENET) word(bus uint32) uint32       { return binary.LittleEndian.Uint32(e.cpu(bus, 4)) }
func (e *ENET) setWord(bus uint32, v uint32) { binary.LittleEndian.PutUint32(e.cpu(bus, 4), v) }

func (e *ENET) desc(bus uint32) (d [8]uint32) {
	b := e.cpu(bus, 32)
	for i := range d {
		d[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return d
}

// look compares the rings with what they were, and takes note of what was handed over since.
func (e *ENET) look() {
	if e.Unchecked {
		return
	}
	e.lookRing(&e.rx, e.regs[rdsr/4], "RX", 0)
	pad := uint32(frame.Pad)
	if e.regs[tacc/4]&1 != 0 {
		pad = 0
	}
	e.lookRing(&e.tx, e.regs[tdsr/4], "TX", pad)
}

// moved is the length of a VLAN tag.
const moved = 4

func (e *ENET) lookRing(r *ring, start uint32, name string, pad uint32) {
	for i := range r.shadow {
		bus := start + uint32(i)*32
		d := e.desc(bus)
		if r.slots[i] >= 0 { // the device's
			if d != r.shadow[i] {
				e.tb.Errorf("%s descriptor %d changed from %#x to %#x while the device owned it", name, i, r.shadow[i], d)
				r.shadow[i] = d
			}
			continue
		}
		if d[0]&owned == 0 {
			continue
		}
		if (d[0]&wrapBit != 0) != (i == len(r.shadow)-1) {
			e.tb.Errorf("%s descriptor %d: word 0 = %#x: wrap bit wrong", name, i, d[0])
		}
		buf := d[1] - pad - frame.Headroom - e.rings.Memory.Bus
		if name == "TX" && pad != 0 {
			buf = (buf + moved) &^ (4*moved - 1) // a frame that begins a tag's length in front of its place, or behind
		}
		if buf%frame.SlotSize != 0 || buf/frame.SlotSize >= e.rings.Memory.Slots {
			e.tb.Errorf("%s descriptor %d: buffer %#x is not the buffer of a slot", name, i, d[1])
			continue
		}
		slot := int(buf / frame.SlotSize)
		for _, other := range []*ring{&e.rx, &e.tx} {
			for j, s := range other.slots {
				if s == slot && !(e.Shared && r == &e.tx && other == r) {
					e.tb.Errorf("%s descriptor %d: slot %d is in a ring already, at position %d", name, i, slot, j)
				}
			}
		}
		r.shadow[i], r.slots[i] = d, slot
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

// receive stores a frame: pad, bytes, FCS, over as many buffers as MRBR makes it take.
func (e *ENET) receive(f frameIn) {
	b := append([]byte{0, 0}, f.b...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(f.b))
	status := f.status &^ ME
	if limit := int(e.regs[ftrl/4]); len(b) > limit {
		b = b[:limit]
		status |= TR | LG
	}
	if len(b) > int(e.regs[rcr/4]>>16) {
		status |= LG
	}
	for {
		i := (e.rx.pos - e.regs[rdsr/4]) / 32
		d := e.desc(e.rx.pos)
		if d[0]&owned == 0 { // the rest is lost, as in QEMU
			e.Lost++
			break
		}
		if d[1]%64 != 0 {
			e.tb.Errorf("RX descriptor %d: buffer %#x is not a multiple of 64", i, d[1])
		}
		n := min(len(b), int(e.regs[mrbr/4]))
		copy(e.cpu(d[1], n), b[:n])
		b = b[n:]
		d[0] = d[0]&wrapBit | uint32(n)
		d[2] &^= rxME
		if len(b) == 0 {
			d[0] |= last | status
			if f.status&ME != 0 {
				d[2] |= rxME
			}
			d[4] = 1 << 31
			e.timer.stampReceived(e, &d)
			if d[2]&rxInt != 0 {
				e.regs[eir/4] |= evRXF
			}
		} else if d[2]&rxInt != 0 {
			e.regs[eir/4] |= evRXB
		}
		e.writeBack(&e.rx, i, e.rx.pos, d)
		e.advance(&e.rx, e.regs[rdsr/4], d[0])
		if len(b) == 0 {
			break
		}
	}
	if e.word(e.rx.pos)&owned == 0 {
		e.regs[rdar/4] = 0
	}
}

// writeBack stores d, word 0 last, and gives the descriptor back to the driver.
func (e *ENET) writeBack(r *ring, i, bus uint32, d [8]uint32) {
	if !e.Unchecked {
		r.slots[i] = -1
	}
	for w := len(d) - 1; w >= 0; w-- {
		e.setWord(bus+uint32(4*w), d[w])
	}
}

func (e *ENET) advance(r *ring, start, ctl uint32) {
	if r.pos += 32; ctl&wrapBit != 0 {
		r.pos = start
	}
}

// Complete sends up to n of the frames queued, all with n < 0, and returns how many it sent. Only with Options.Async a test
// calls it.
func (e *ENET) Complete(n int) (done int) {
	for done != n && e.enabled() && e.regs[tdar/4] != 0 {
		i := (e.tx.pos - e.regs[tdsr/4]) / 32
		d := e.desc(e.tx.pos)
		if d[0]&owned == 0 {
			e.regs[tdar/4] = 0
			break
		}
		e.transmit(d)
		d[0] &^= owned
		d[2] &^= txError
		if e.TxFail > 0 {
			e.TxFail--
			e.sent = e.sent[:len(e.sent)-1]
			d[2] |= txError
		}
		d[4] = 1 << 31
		e.timer.stampSent(e, &d)
		if d[2]&txInt != 0 {
			e.regs[eir/4] |= evTXF
		}
		e.writeBack(&e.tx, i, e.tx.pos, d)
		e.advance(&e.tx, e.regs[tdsr/4], d[0])
		done++
	}
	return done
}

// Stall clears TDAR as a transmitter does that met no ready descriptor just before the driver made one ready.
func (e *ENET) Stall() { e.regs[tdar/4] = 0 }

func (e *ENET) transmit(d [8]uint32) {
	n := int(d[0] & 0xffff)
	if d[0]&last == 0 || d[0]&addCRC == 0 {
		e.tb.Errorf("TX word 0 = %#x: want L and TC", d[0])
	}
	b := bytes.Clone(e.cpu(d[1], n))
	if e.regs[tacc/4]&1 != 0 && !e.Hold {
		if d[1]%64 != 0 {
			e.tb.Errorf("TX buffer %#x with SHIFT16 is not a multiple of 64", d[1])
		}
		b = b[2:]
	}
	if len(b) < 14 || len(b) > frame.MaxLen {
		e.tb.Errorf("TX frame of %d bytes", len(b))
	}
	e.sent = append(e.sent, b)
}

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
