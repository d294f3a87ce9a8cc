package enettest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"unsafe"

	"mortise/stack/frame"
)

type ring struct {
	pos    uint32      // descriptor the device looks at next, by its bus address
	shadow [][8]uint32 // what device-owned descriptors were when they were handed over
	slots  []int       // index of the buffer each holds; −1: not the device's
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
