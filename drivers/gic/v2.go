package gic

import "mortise/drivers/mmio"

// GIC is a GICv2. It is pointer-free: oob code may hold one in static memory.
type GIC struct {
	Dist uintptr // distributor's registers
	CPU  uintptr // CPU interface's registers
	// Alias says that GICC_AIAR and GICC_AEOIR exist, so that in-band never acknowledges an oob interrupt. Silicon has
	// them (4.4.9, IHI 0048B.b); QEMU's GICv2 (up to 10.0) reads them as 0, which is a valid interrupt ID.
	Alias bool

	lines uint32 // interrupt IDs in multiples of 32
}

// Init disables every interrupt, gives all of them to in-band, and enables both groups at the CPU interface. The
// distributor forwards in-band's group only: Forward opens it for oob.
//
//oob:stage init
func (hw *GIC) Init() {
	hw.lines = 32 * (mmio.Read(hw.Dist+GICD_TYPER)&TYPER_ITLINES + 1)

	mmio.Write(hw.Dist+GICD_CTLR, 0)
	mmio.Write(hw.CPU+GICC_CTLR, 0)
	for off := uintptr(0); off < uintptr(hw.lines)/8; off += 4 {
		mmio.Write(hw.Dist+GICD_ICENABLER+off, ^uint32(0))
		mmio.Write(hw.Dist+GICD_ICPENDR+off, ^uint32(0))
		mmio.Write(hw.Dist+GICD_ICACTIVER+off, ^uint32(0))
		mmio.Write(hw.Dist+GICD_IGROUPR+off, ^uint32(0))
	}
	for id := uint32(0); id < hw.lines; id++ {
		hw.setByte(GICD_IPRIORITYR, id, PriorityInband)
		if id >= 32 {
			hw.setByte(GICD_ITARGETSR, id, 1)
		}
	}

	mmio.Write(hw.CPU+GICC_PMR, priorityMask)
	mmio.Write(hw.CPU+GICC_BPR, binaryPoint)
	mmio.Write(hw.CPU+GICC_CTLR, CTLR_ENABLEGRP0|CTLR_ENABLEGRP1|CTLR_ACKCTL|CTLR_FIQEN)
	mmio.Write(hw.Dist+GICD_CTLR, CTLR_ENABLEGRP1)
}

// Lines returns how many interrupt IDs there are, valid after Init.
func (hw *GIC) Lines() uint32 { return hw.lines }

// Forward opens (true) or closes the distributor for oob's group. Closed, no source causes a FIQ: what is pending
// stays pending.
//
//oob:stage any
func (hw *GIC) Forward(oob bool) {
	ctlr := uint32(CTLR_ENABLEGRP1)
	if oob {
		ctlr |= CTLR_ENABLEGRP0
	}
	mmio.WriteAfter(hw.Dist+GICD_CTLR, ctlr)
}

// MaskInband stops (true) or resumes the signalling of in-band's group at the CPU interface.
//
//oob:stage any
func (hw *GIC) MaskInband(mask bool) {
	ctlr := uint32(CTLR_ENABLEGRP0 | CTLR_ACKCTL | CTLR_FIQEN)
	if !mask {
		ctlr |= CTLR_ENABLEGRP1
	}
	mmio.Write(hw.CPU+GICC_CTLR, ctlr)
}

// Assign gives interrupt id to the stage of group g, with that stage's priority. Disable it first: the change of a
// group is not atomic with its priority.
//
//oob:stage init
func (hw *GIC) Assign(id uint32, g Group) {
	reg, bit := hw.bit(GICD_IGROUPR, id)
	if g == Oob {
		mmio.Clear(reg, bit)
		hw.setByte(GICD_IPRIORITYR, id, PriorityOob)
		return
	}
	hw.setByte(GICD_IPRIORITYR, id, PriorityInband)
	mmio.Set(reg, bit)
}

// Group returns the group of interrupt id.
//
//oob:stage any
func (hw *GIC) Group(id uint32) Group {
	reg, bit := hw.bit(GICD_IGROUPR, id)
	if mmio.Read(reg)&bit == 0 {
		return Oob
	}
	return Inband
}

// SetPriority replaces the priority that Assign gave interrupt id.
//
//oob:stage init
func (hw *GIC) SetPriority(id uint32, priority uint8) { hw.setByte(GICD_IPRIORITYR, id, priority) }

// Enable lets interrupt id be forwarded to the processor.
//
//oob:stage any
func (hw *GIC) Enable(id uint32) { hw.write(GICD_ISENABLER, id) }

// Disable stops the forwarding of interrupt id; an active one stays active until it is ended.
//
//oob:stage any
func (hw *GIC) Disable(id uint32) { hw.write(GICD_ICENABLER, id) }

// Pending reports whether interrupt id is pending.
//
//oob:stage any
func (hw *GIC) Pending(id uint32) bool {
	reg, bit := hw.bit(GICD_ISPENDR, id)
	return mmio.Read(reg)&bit != 0
}

// SetPending makes interrupt id pending; not for SGIs, which have RaiseOob and RaiseInband.
//
//oob:stage any
func (hw *GIC) SetPending(id uint32) { hw.write(GICD_ISPENDR, id) }

// ClearPending removes the pending state of interrupt id; a level-sensitive source that is still asserted stays pending.
//
//oob:stage any
func (hw *GIC) ClearPending(id uint32) { hw.write(GICD_ICPENDR, id) }

// RaiseOob raises the software interrupt id (0–15), which must be assigned to Oob: a kick.
//
//oob:stage any
func (hw *GIC) RaiseOob(id uint32) { mmio.WriteAfter(hw.Dist+GICD_SGIR, SGIR_SELF|id) }

// RaiseInband raises the software interrupt id (0–15), which must be assigned to Inband: a wake.
//
//oob:stage any
func (hw *GIC) RaiseInband(id uint32) { mmio.WriteAfter(hw.Dist+GICD_SGIR, SGIR_SELF|SGIR_NSATT|id) }

// Take acknowledges and ends the next in-band interrupt; ok is false when there is none. An interrupt is taken before its
// source is served: a level-sensitive source that is still asserted afterwards is taken again.
//
// Without Alias, in-band can acknowledge an oob interrupt that became pending after its IRQ was signalled and before the
// FIQ is taken. Such an interrupt is given back: a level-sensitive source re-asserts by itself, SGIs and pulses are
// raised again (a second activation for a level source that was raised by SetPending does no harm).
//
//oob:stage inband
func (hw *GIC) Take() (id uint32, ok bool) {
	if hw.Alias {
		iar := mmio.Read(hw.CPU + GICC_AIAR)
		if id = iar & IAR_ID; id >= FirstSpecial {
			return 0, false
		}
		mmio.Write(hw.CPU+GICC_AEOIR, iar)
		return id, true
	}
	for range retakes {
		iar := mmio.Read(hw.CPU + GICC_IAR)
		if id = iar & IAR_ID; id >= FirstSpecial {
			return 0, false
		}
		// The group is read before EOIR: until then no FIQ can be signalled, so nobody changes it.
		g := hw.Group(id)
		mmio.Write(hw.CPU+GICC_EOIR, iar)
		if g == Inband {
			return id, true
		}
		hw.GiveBack(id)
	}
	return 0, false
}

// retakes bounds how many oob interrupts Take gives back before it leaves the rest to the next IRQ: the FIQ is taken
// right after the first, so more than two in a row mean FIQ is masked.
const retakes = 4

// GiveBack makes the oob interrupt id, which in-band has acknowledged and ended, pending again: see Take.
//
//oob:stage any
func (hw *GIC) GiveBack(id uint32) {
	if id < 16 {
		hw.RaiseOob(id)
		return
	}
	reg := hw.Dist + GICD_ICFGR + uintptr(id/16*4)
	if mmio.Read(reg)>>(id%16*2)&ICFGR_EDGE != 0 {
		hw.SetPending(id)
	}
}

// bit returns where the bit of id is in a register array that has a bit for each interrupt.
//
//oob:stage any
func (hw *GIC) bit(reg uintptr, id uint32) (addr uintptr, bit uint32) {
	return hw.Dist + reg + uintptr(id/32*4), 1 << (id % 32)
}

// write sets the bit of id in such an array; the others, written 0, stay as they are.
//
//oob:stage any
func (hw *GIC) write(reg uintptr, id uint32) {
	addr, bit := hw.bit(reg, id)
	mmio.WriteAfter(addr, bit)
}

// setByte writes the byte of id in a register array that has a byte for each interrupt. Both are accessible by words
// (4.3.11 and 4.3.12, IHI 0048B.b).
func (hw *GIC) setByte(reg uintptr, id uint32, v uint8) {
	addr, shift := hw.Dist+reg+uintptr(id&^3), id%4*8
	mmio.Write(addr, mmio.Read(addr)&^(0xff<<shift)|uint32(v)<<shift)
}
