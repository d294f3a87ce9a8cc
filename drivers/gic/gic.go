// Package gic drives an ARM Generic Interrupt Controller by groups and priorities: the oob stage's sources are group 0,
// signalled as FIQ, at priority 0x18; in-band's are group 1, signalled as IRQ, at priority 0x60. An in-band interrupt that is
// not ended yet can so never hold back an oob one. GIC is a GICv2, GICv3 a GICv3 or GICv4 by its system registers.
//
// Stage: set-up and in-band halves run in-band; acknowledging and raising run in any stage. Follows: ARM IHI 0048B.b (ARM
// Generic Interrupt Controller, Architecture version 2.0) and ARM IHI 0069 (GICv3 and GICv4), cited by section or register;
// ARM DDI 0464 (Cortex-A7 MPCore TRM), chapter 8. Group 0 is the stage's: GICv2 runs in the secure state, GICv3 there or where
// there is one security state only. Does not support: more than one processor, GICv1, split priority drop and deactivation
// (EOImode 1), message-signalled interrupts.
package gic

// Priorities, smaller is more urgent. The Cortex-A7 implements the upper five bits, so the values are
// multiples of 8. An interrupt is signalled when its priority is below the mask (4.4.2, IHI 0048B.b).
const (
	PriorityWarning = 0x00 // of what may interrupt an activation: see SetPriority
	PriorityFirst   = 0x10 // of what comes first when several oob interrupts are pending, and interrupts none: see SetPriority
	PriorityOob     = 0x18
	PriorityInband  = 0x60
	priorityMask    = 0xf0
	// binaryPoint has the upper four bits of a priority alone decide what interrupts an activation (3.3.3, IHI 0048B.b;
	// ICC_BPR0_EL1, chapter 12, IHI 0069): PriorityFirst and PriorityOob do not interrupt each other.
	binaryPoint = 3
)

// Spurious is what is acknowledged when nothing is pending (3.2.5, IHI 0048B.b; 2.2, IHI 0069).
const Spurious = 1023

// A Group says which stage an interrupt belongs to.
type Group uint32

// The groups (1.4.2, IHI 0048B.b).
const (
	Oob    Group = 0
	Inband Group = 1
)
