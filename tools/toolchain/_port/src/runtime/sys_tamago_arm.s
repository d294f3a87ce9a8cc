// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// tls_arm.s refers to it. There is no thread-local storage: g is in R10 and
// iscgo is 0.
TEXT runtime·read_tls_fallback(SB),NOSPLIT|NOFRAME,$0
	MOVW	$0, R0
	RET

// CallOnG0: see os_tamago_arm.go. It runs in the mode of the exception, whose
// R13 the handler has set to the interrupted stack.
//
// The state of the interrupted goroutine goes to its g.sched, for the
// traceback. The handler's frame lies on the interrupted stack, so R13 is
// brought back to it for the return.
TEXT runtime·CallOnG0(SB),NOSPLIT|NOFRAME,$0
	CMP	$0, g
	B.EQ	here
	MOVW	g_m(g), R4
	CMP	$0, R4
	B.EQ	here
	MOVW	m_g0(R4), R5
	CMP	$0, R5
	B.EQ	here
	CMP	g, R5
	B.EQ	here

	ADD	R2, R13, R6
	MOVW	R6, (g_sched+gobuf_sp)(g)
	MOVW	R3, (g_sched+gobuf_pc)(g)
	MOVW	$0, R6
	MOVW	R6, (g_sched+gobuf_ctxt)(g)
	// A leaf function has its return address in its mode's R14 only, which
	// processors before ARMv7 do not let other modes read.
	MOVB	runtime·goarm(SB), R7
	CMP	$7, R7
	BLT	2(PC)
	WORD	$0xe1066200	// mrs r6, LR_usr
	MOVW	R6, (g_sched+gobuf_lr)(g)

	MOVW	R13, R6
	MOVW	g, R7
	MOVW	R5, g
	MOVW	(g_sched+gobuf_sp)(g), R13
	SUB	$24, R13
	BIC	$7, R13
	MOVW	R6, 20(R13)	// the interrupted stack
	MOVW	R7, 16(R13)	// the interrupted g
	MOVW	R14, 12(R13)
	MOVW	R0, 4(R13)
	MOVW	$0, R6
	MOVW	R6, 0(R13)	// end of the traceback
	BL	(R1)
	MOVW	12(R13), R14
	MOVW	16(R13), g
	MOVW	20(R13), R13
	B	(R14)

here:
	// No goroutine, or on g0 already: the stack is good as it is.
	SUB	$16, R13
	MOVW	R14, 12(R13)
	MOVW	R0, 4(R13)
	MOVW	$0, R6
	MOVW	R6, 0(R13)
	BL	(R1)
	MOVW	12(R13), R14
	ADD	$16, R13
	B	(R14)

// func WakeG(): R0 holds the goroutine. Clobbers R1-R4.
TEXT runtime·WakeG(SB),NOSPLIT|NOFRAME,$0
	MOVW	$runtime·wakeRequest(SB), R1
	MOVW	$8, R2
slot:
	MOVW	(R1), R3
	CMP	$0, R3
	B.EQ	take
	CMP	R0, R3
	B.EQ	take
	ADD	$4, R1
	SUB.S	$1, R2
	B.NE	slot
	RET
take:
	MOVW	R0, (R1)
	MOVW	$1, R3
	MOVW	$runtime·relayedAny(SB), R4
	MOVB	R3, (R4)
	RET

// A write before it is seen before one after it.
TEXT runtime·publicationBarrier(SB),NOSPLIT|NOFRAME,$0-0
	B	runtime·armPublicationBarrier(SB)

// func PreemptInterrupted()
//
// For IRQ vectors, in IRQ mode with IRQ masked. R0 is the address of the
// interrupted R0-R12 and return address, 14 words; R1 is not 0 when a time
// slice is over. Returns 1 in R0 when it should be called soon again. What it
// changes is the return address in the frame, and R13 and R14 of System mode.
// Needs 20 bytes of the vector's stack. Clobbers R0-R9, R11, R12, flags.
TEXT runtime·PreemptInterrupted(SB),NOSPLIT|NOFRAME,$0
	WORD	$0xe14f2000	// mrs r2, SPSR
	AND	$0x3f, R2
	CMP	$0x1f, R2	// System mode, not Thumb
	B.NE	none
	CMP	$0, g
	B.EQ	none
	MOVW	g_m(g), R3
	CMP	$0, R3
	B.EQ	none
	MOVW	m_gsignal(R3), R4
	CMP	$0, R4
	B.EQ	none
	CMP	g, R4
	B.EQ	none

	// The fields of type interrupted, then R14.
	SUB	$20, R13
	WORD	$0xe8cd6000	// stmia sp, {sp, lr}^
	MOVW	g, interrupted_gp(R13)
	MOVW	R0, interrupted_frame(R13)
	MOVW	R14, 16(R13)

	MOVW	R13, R5
	MOVW	(g_stack+stack_hi)(R4), R6
	MOVW	R4, g
	SUB	$24, R6
	BIC	$7, R6
	MOVW	R6, R13
	MOVW	R5, 16(R13)
	MOVW	$0, R6
	MOVW	R6, 0(R13)	// end of the traceback
	MOVW	R5, 4(R13)
	MOVW	R1, 8(R13)
	BL	runtime·preemptInterrupted(SB)
	MOVBU	12(R13), R0
	MOVW	16(R13), R13

	MOVW	interrupted_gp(R13), g
	MOVW	16(R13), R14
	WORD	$0xe8dd6000	// ldmia sp, {sp, lr}^
	WORD	$0xe1a00000	// nop: no banked register right after (B9.3.6)
	ADD	$20, R13
	RET
none:
	MOVW	$0, R0
	RET
