// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// func WakeG(): R0 holds the goroutine. Clobbers R1-R4 and R27.
TEXT runtime·WakeG(SB),NOSPLIT|NOFRAME,$0
	MOVD	$runtime·wakeRequest(SB), R1
	MOVD	$8, R2
slot:
	MOVD	(R1), R3
	CBZ	R3, take
	CMP	R0, R3
	BEQ	take
	ADD	$8, R1
	SUB	$1, R2
	CBNZ	R2, slot
	RET
take:
	MOVD	R0, (R1)
	MOVD	$1, R3
	MOVD	$runtime·relayedAny(SB), R4
	MOVB	R3, (R4)
	RET

// func PreemptInterrupted()
//
// For IRQ vectors at EL1 on SP_EL1, with IRQ masked. R0 is the address of
// the interrupted R0-R30, SP, return address and SPSR, 34 words, on another
// stack than the interrupted one; R1 is not 0 when a time slice is over.
// Returns 1 in R0 when it should be called soon again. What it changes is in
// these words, by which the vector returns, and below SP. Keeps RSP, g, R29,
// R30, F0-F31, FPCR and FPSR.
TEXT runtime·PreemptInterrupted(SB),NOSPLIT|NOFRAME,$0
	MOVD	interrupted_state(R0), R2
	AND	$0x1f, R2
	CMP	$5, R2	// EL1h, 64 bits
	BNE	none
	CBZ	g, none
	MOVD	g_m(g), R3
	CBZ	R3, none
	MOVD	m_gsignal(R3), R4
	CBZ	R4, none
	CMP	g, R4
	BEQ	none

	// On the signal stack: arguments and result, what the caller keeps.
	MOVD	RSP, R5
	MOVD	g, R6
	MOVD	(g_stack+stack_hi)(R4), R7
	SUB	$608, R7
	AND	$~15, R7
	MOVD	R4, g
	MOVD	R7, RSP
	STP	(ZR, R0), 0(RSP)	// end of the traceback; c
	STP	(R1, ZR), 16(RSP)	// slice; again
	STP	(R5, R6), 32(RSP)
	STP	(R29, R30), 48(RSP)
	MOVD	FPCR, R2
	MOVD	FPSR, R3
	STP	(R2, R3), 64(RSP)
	FSTPQ	(F0, F1), 80(RSP)
	FSTPQ	(F2, F3), 112(RSP)
	FSTPQ	(F4, F5), 144(RSP)
	FSTPQ	(F6, F7), 176(RSP)
	FSTPQ	(F8, F9), 208(RSP)
	FSTPQ	(F10, F11), 240(RSP)
	FSTPQ	(F12, F13), 272(RSP)
	FSTPQ	(F14, F15), 304(RSP)
	FSTPQ	(F16, F17), 336(RSP)
	FSTPQ	(F18, F19), 368(RSP)
	FSTPQ	(F20, F21), 400(RSP)
	FSTPQ	(F22, F23), 432(RSP)
	FSTPQ	(F24, F25), 464(RSP)
	FSTPQ	(F26, F27), 496(RSP)
	FSTPQ	(F28, F29), 528(RSP)
	FSTPQ	(F30, F31), 560(RSP)
	MOVD	ZR, R29
	BL	runtime·preemptInterrupted(SB)
	FLDPQ	80(RSP), (F0, F1)
	FLDPQ	112(RSP), (F2, F3)
	FLDPQ	144(RSP), (F4, F5)
	FLDPQ	176(RSP), (F6, F7)
	FLDPQ	208(RSP), (F8, F9)
	FLDPQ	240(RSP), (F10, F11)
	FLDPQ	272(RSP), (F12, F13)
	FLDPQ	304(RSP), (F14, F15)
	FLDPQ	336(RSP), (F16, F17)
	FLDPQ	368(RSP), (F18, F19)
	FLDPQ	400(RSP), (F20, F21)
	FLDPQ	432(RSP), (F22, F23)
	FLDPQ	464(RSP), (F24, F25)
	FLDPQ	496(RSP), (F26, F27)
	FLDPQ	528(RSP), (F28, F29)
	FLDPQ	560(RSP), (F30, F31)
	LDP	64(RSP), (R2, R3)
	MOVD	R2, FPCR
	MOVD	R3, FPSR
	MOVBU	24(RSP), R0
	LDP	48(RSP), (R29, R30)
	LDP	32(RSP), (R5, g)
	MOVD	R5, RSP
	RET
none:
	MOVD	$0, R0
	RET
