//go:build arm64 || !tamago

package gic

import "mortise/drivers/mmio"

// GICv3 is an interrupt controller with one security state (GICD_CTLR.DS is 1), or the secure half of one with two. It is
// pointer-free: oob code may hold one in static memory.
type GICv3 struct {
	Dist   uintptr // distributor's registers
	Redist uintptr // registers of the processor's redistributor, both frames

	lines uint32 // interrupt IDs in multiples of 32
}

// polls bounds how often a register is read that the hardware changes in some clocks; a choice.
const polls = 1 << 16

// Init disables every interrupt, gives all of them to in-band, and enables both groups at the CPU interface. The
// distributor forwards in-band's group only: Forward opens it for oob. It returns the register that did not follow, "" as a rule.
//
//oob:stage init
func (hw *GICv3) Init() (stuck string) {
	hw.lines = min(32*(mmio.Read(hw.Dist+GICD_TYPER)&TYPER_ITLINES+1), FirstSpecial)

	mmio.Write(hw.Dist+GICD_CTLR, CTLR_ARE)
	mmio.Clear(hw.Redist+GICR_WAKER, WAKER_PROCESSORSLEEP)
	if !poll(hw.Redist+GICR_WAKER, WAKER_CHILDRENASLEEP) {
		return "GICR_WAKER"
	}
	for id := uint32(0); id < hw.lines; id += 32 {
		for _, reg := range []uintptr{GICD_ICENABLER, GICD_ICPENDR, GICD_ICACTIVER, GICD_IGROUPR} {
			addr, _ := hw.bit(reg, id)
			mmio.Write(addr, ^uint32(0))
		}
	}
	for id := uint32(0); id < hw.lines; id++ {
		hw.setByte(GICD_IPRIORITYR, id, PriorityInband)
		if id >= 32 {
			mmio.Write(hw.Dist+GICD_IROUTER+8*uintptr(id), 0) // processor 0.0.0.0
			mmio.Write(hw.Dist+GICD_IROUTER+8*uintptr(id)+4, 0)
		}
	}
	initCPU(priorityMask, binaryPoint)
	hw.Forward(false)
	if !poll(hw.Dist+GICD_CTLR, CTLR_RWP) {
		return "GICD_CTLR"
	}
	return ""
}

// poll waits for the bits of mask to be 0.
func poll(reg uintptr, mask uint32) bool {
	for range polls {
		if mmio.Read(reg)&mask == 0 {
			return true
		}
	}
	return false
}

// Lines returns how many interrupt IDs there are, valid after Init.
func (hw *GICv3) Lines() uint32 { return hw.lines }

// Forward opens (true) or closes the distributor for oob's group. Closed, no source causes a FIQ: what is pending
// stays pending.
//
//oob:stage any
func (hw *GICv3) Forward(oob bool) {
	ctlr := uint32(CTLR_ARE | CTLR_ENABLEGRP1)
	if oob {
		ctlr |= CTLR_ENABLEGRP0
	}
	mmio.WriteAfter(hw.Dist+GICD_CTLR, ctlr)
}

// MaskInband stops (true) or resumes the signalling of in-band's group at the CPU interface.
//
//oob:stage any
func (hw *GICv3) MaskInband(mask bool) {
	if mask {
		enableInband(0)
	} else {
		enableInband(1)
	}
}

// Assign gives interrupt id to the stage of group g, with that stage's priority. Disable it first: the change of a
// group is not atomic with its priority.
//
//oob:stage init
func (hw *GICv3) Assign(id uint32, g Group) {
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
func (hw *GICv3) Group(id uint32) Group {
	reg, bit := hw.bit(GICD_IGROUPR, id)
	if mmio.Read(reg)&bit == 0 {
		return Oob
	}
	return Inband
}

// SetPriority replaces the priority that Assign gave interrupt id.
//
//oob:stage init
func (hw *GICv3) SetPriority(id uint32, priority uint8) { hw.setByte(GICD_IPRIORITYR, id, priority) }

// Enable lets interrupt id be forwarded to the processor.
//
//oob:stage any
func (hw *GICv3) Enable(id uint32) { hw.write(GICD_ISENABLER, id) }

// Disable stops the forwarding of interrupt id; an active one stays active until it is ended.
//
//oob:stage any
func (hw *GICv3) Disable(id uint32) { hw.write(GICD_ICENABLER, id) }

// Pending reports whether interrupt id is pending.
//
//oob:stage any
func (hw *GICv3) Pending(id uint32) bool {
	reg, bit := hw.bit(GICD_ISPENDR, id)
	return mmio.Read(reg)&bit != 0
}

// SetPending makes interrupt id pending.
//
//oob:stage any
func (hw *GICv3) SetPending(id uint32) { hw.write(GICD_ISPENDR, id) }

// ClearPending removes the pending state of interrupt id; a level-sensitive source that is still asserted stays pending.
//
//oob:stage any
func (hw *GICv3) ClearPending(id uint32) { hw.write(GICD_ICPENDR, id) }

// RaiseOob raises the software interrupt id (0–15), which must be assigned to Oob: a kick.
//
//oob:stage any
func (hw *GICv3) RaiseOob(id uint32) { raiseOob(uint64(id)<<sgirID | sgirSelf) }

// RaiseInband raises the software interrupt id (0–15), which must be assigned to Inband: a wake.
//
//oob:stage any
func (hw *GICv3) RaiseInband(id uint32) { raiseInband(uint64(id)<<sgirID | sgirSelf) }

// Take acknowledges and ends the next in-band interrupt; ok is false when there is none. An interrupt is taken before its
// source is served: a level-sensitive source that is still asserted afterwards is taken again. It never gets an interrupt of
// oob's.
//
//oob:stage inband
func (hw *GICv3) Take() (id uint32, ok bool) {
	if id = acknowledgeInband(); id >= FirstSpecial {
		return 0, false
	}
	return id, true
}

// frame returns the registers that interrupt id is in: private interrupts are the redistributor's.
//
//oob:stage any
func (hw *GICv3) frame(id uint32) uintptr {
	if id < 32 {
		return hw.Redist + sgiFrame
	}
	return hw.Dist
}

// bit returns where the bit of id is in a register array that has a bit for each interrupt.
//
//oob:stage any
func (hw *GICv3) bit(reg uintptr, id uint32) (addr uintptr, bit uint32) {
	return hw.frame(id) + reg + uintptr(id/32*4), 1 << (id % 32)
}

// write sets the bit of id in such an array; the others, written 0, stay as they are.
//
//oob:stage any
func (hw *GICv3) write(reg uintptr, id uint32) {
	addr, bit := hw.bit(reg, id)
	mmio.WriteAfter(addr, bit)
}

// setByte writes the byte of id in a register array that has a byte for each interrupt, accessible by words (GICD_IPRIORITYR,
// chapter 12, IHI 0069).
func (hw *GICv3) setByte(reg uintptr, id uint32, v uint8) {
	addr, shift := hw.frame(id)+reg+uintptr(id&^3), id%4*8
	mmio.Write(addr, mmio.Read(addr)&^(0xff<<shift)|uint32(v)<<shift)
}
