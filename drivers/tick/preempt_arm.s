//go:build tamago && mortise.preempt

#include "go_asm.h"
#include "textflag.h"

// Instructions that the assembler does not know (ARM DDI 0406C, A8.8 and B9.3).
#define CLREX	WORD	$0xf57ff01f
#define DSB_SY	WORD	$0xf57ff04f
#define ISB_SY	WORD	$0xf57ff06f
#define WFI	WORD	$0xe320f003
#define CPSIE_I	WORD	$0xf1080080
#define CPSID_I	WORD	$0xf10c0080

// CNTP_CTL and CNTP_TVAL (B4.1.24 and B4.1.26).
#define READ_CTL(R)	MRC	15, 0, R, C14, C2, 1
#define WRITE_CTL(R)	MCR	15, 0, R, C14, C2, 1
#define WRITE_TVAL(R)	MCR	15, 0, R, C14, C2, 0

// IRQ. The tick is told from devices by the timer's own status: no access to the interrupt controller. IRQs do not nest.
TEXT ·irqVector(SB),NOSPLIT|NOFRAME,$0
	SUB	$4, R14
	MOVM.DB.W	[R0-R12, R14], (R13)
	MOVW	$·st(SB), R4
	READ_CTL(R0)
	AND	$5, R0
	CMP	$5, R0		// ENABLE and ISTATUS
	B.NE	device

	MOVW	state_brief(R4), R1
	EOR	$1, R1
	MOVW	R13, R0
	BL	runtime·PreemptInterrupted(SB)
	MOVW	$·st(SB), R4
	MOVW	R0, state_brief(R4)
	MOVW	state_slice(R4), R1
	CMP	$0, R0
	MOVW.NE	state_delay(R4), R1
	WRITE_TVAL(R1)
	ISB_SY

	MOVW	52(R13), R0
	MOVW	$runtime·asyncPreempt(SB), R1
	CMP	R0, R1
	B.NE	return
	MOVW	state_preempted(R4), R0
	ADD	$1, R0
	MOVW	R0, state_preempted(R4)
	B	return

device:
	MOVW	$const_relayed, R0
	SUB	$8, R13
	MOVW	R0, 4(R13)
	BL	os∕signal·Relay(SB)
	ADD	$8, R13
	MOVW	$·st(SB), R4
	MOVW	state_pmr(R4), R0
	MOVW	$const_pmrShut, R1
	MOVW	R1, (R0)
	MOVW	$1, R1
	MOVW	R1, state_brief(R4)
	MOVW	state_delay(R4), R0
	WRITE_TVAL(R0)
	WRITE_CTL(R1)
	DSB_SY
	ISB_SY

return:
	CLREX	// or a STREX of what was interrupted could succeed
	MOVM.IA.W	(R13), [R0-R12, R14]
	MOVW.S	R14, R15

// func vectors() uint32
// VBAR (B4.1.156).
TEXT ·vectors(SB),NOSPLIT|NOFRAME,$0-4
	MRC	15, 0, R0, C12, C0, 0
	MOVW	R0, ret+0(FP)
	RET

// func frequency() uint32
// CNTFRQ (B4.1.21).
TEXT ·frequency(SB),NOSPLIT|NOFRAME,$0-4
	MRC	15, 0, R0, C14, C0, 0
	MOVW	R0, ret+0(FP)
	RET

// func arm1(ticks uint32)
TEXT ·arm1(SB),NOSPLIT|NOFRAME,$0-4
	MOVW	ticks+0(FP), R0
	MOVW	$1, R1
	WRITE_TVAL(R0)
	WRITE_CTL(R1)
	ISB_SY
	RET

// func mask()
TEXT ·mask(SB),NOSPLIT|NOFRAME,$0
	CPSID_I
	RET

// func wait()
// WFI until an IRQ is pending, devices' among them: called with IRQ masked, it returns with IRQ unmasked.
TEXT ·wait(SB),NOSPLIT|NOFRAME,$0
	MOVW	$·st(SB), R0
	MOVW	state_pmr(R0), R0
	MOVW	$const_pmrOpen, R1
	MOVW	R1, (R0)
	DSB_SY
again:
	WFI
	MRC	15, 0, R0, C12, C1, 0	// ISR, Interrupt Status Register (B4.1, ARM DDI 0406C)
	TST	$0x80, R0	// I: an IRQ is pending
	B.EQ	again
	CPSIE_I
	RET

// func take(iar, group uintptr) (id, inband uint32)
// The group is read before EOIR: until then no FIQ can be signalled, so nobody changes it.
TEXT ·take(SB),NOSPLIT|NOFRAME,$0-16
	MOVW	iar+0(FP), R0
	MOVW	group+4(FP), R1
	MOVW	$·st(SB), R2
	MOVW	state_pmr(R2), R2
	CPSID_I
	MOVW	$const_pmrOpen, R3
	MOVW	R3, (R2)
	DSB_SY
	MOVW	(R0), R4
	MOVW	R4<<22, R5	// the ID alone: an SGI has its source processor above it
	MOVW	R5>>22, R5
	MOVW	$0, R6
	CMP	$1020, R5	// 1020–1023: none
	B.HS	none
	MOVW	R5>>5, R6
	ADD	R6<<2, R1
	MOVW	(R1), R6
	AND	$31, R5, R7
	MOVW	R6>>R7, R6
	AND	$1, R6
	MOVW	R4, 4(R0)	// EOIR
none:
	MOVW	$const_pmrShut, R3
	MOVW	R3, (R2)
	DSB_SY
	CPSIE_I
	MOVW	R5, id+8(FP)
	MOVW	R6, inband+12(FP)
	RET
