// Package vector is what the handlers of in-band's IRQs on arm64 have in common: the oob stage's, which stands in for TamaGo's
// vector, and the tick's, which comes in its place where goroutines can be preempted. They keep what was interrupted on a stack
// of their own, in one form.
//
// A handler begins with these five instructions, for which F is masked as the exception left it: a FIQ overwrites ELR_EL1 and
// SPSR_EL1 (D1.10, ARM DDI 0487). R18 belongs to vectors.
//
//	MRS	ELR_EL1, R18_PLATFORM
//	MSR	R18_PLATFORM, TPIDR_EL0
//	MRS	SPSR_EL1, R18_PLATFORM
//	MSR	$1, DAIFClr
//	STP	(R0, R1), -32(RSP)
//
// Then it jumps to ·save with R1 the address to go on at. There RSP is the frame: X0 to X30 at eight times their number (R18's
// place is free), the stack pointer at 248, the address to return to at 256, SPSR at 264. Its end is a jump to ·restore, with RSP
// the frame.
//
// CAUTION: below the stack pointer Go has the frame pointer, and, while it opens a frame of 256 bytes or more, the return address
// at the frame's end, before the stack pointer is there. What is between is free.
//
// Stage: in-band. Follows: ARM DDI 0487 (ARM architecture reference manual, A profile). Does not support: IRQs that nest; ARMv7,
// whose modes have registers of their own.
package vector
