//go:build tamago && mortise.preempt

#include "go_asm.h"
#include "textflag.h"

#define DSB_SY	DSB	$15
#define ISB_SY	ISB	$15

// IRQ. The tick is told from devices by the timer's own status: no access to the interrupt controller. The first five
// instructions are as in every handler of the kind (package vector): the oob stage's table has them too, and jumps over these.
TEXT ·irqVector(SB),NOSPLIT|NOFRAME,$0
	MRS	ELR_EL1, R18_PLATFORM
	MSR	R18_PLATFORM, TPIDR_EL0
	MRS	SPSR_EL1, R18_PLATFORM
	MSR	$1, DAIFClr
	STP	(R0, R1), -32(RSP)
	MOVD	$·interrupted(SB), R1
	B	mortise∕drivers∕vector·save(SB)

// interrupted goes on with all registers saved.
TEXT ·interrupted(SB),NOSPLIT|NOFRAME,$0
	MRS	CNTP_CTL_EL0, R0
	AND	$5, R0
	CMP	$5, R0	// ENABLE and ISTATUS
	BNE	device

	MOVD	$·st(SB), R4
	MOVWU	state_brief(R4), R1
	EOR	$1, R1
	MOVD	RSP, R0
	BL	runtime·PreemptInterrupted(SB)
	MOVD	$·st(SB), R4
	MOVW	R0, state_brief(R4)
	MOVWU	state_slice(R4), R1
	CBZ	R0, 2(PC)
	MOVWU	state_delay(R4), R1
	MSR	R1, CNTP_TVAL_EL0
	ISB_SY

	MOVD	256(RSP), R0
	MOVD	$runtime·asyncPreempt(SB), R1
	CMP	R0, R1
	BNE	return
	MOVWU	state_preempted(R4), R1
	ADD	$1, R1
	MOVW	R1, state_preempted(R4)
	B	mortise∕drivers∕vector·restore(SB)

device:
	MOVD	$const_relayed, R0
	WORD	$0xd10043ff	// sub sp, sp, #16
	MOVD	R0, 8(RSP)
	BL	os∕signal·Relay(SB)
	WORD	$0x910043ff	// add sp, sp, #16
	MOVD	$const_pmrShut, R0
	MSR	R0, ICC_PMR_EL1
	MOVD	$·st(SB), R4
	MOVD	$1, R1
	MOVW	R1, state_brief(R4)
	MOVWU	state_delay(R4), R0
	MSR	R0, CNTP_TVAL_EL0
	MSR	R1, CNTP_CTL_EL0
	DSB_SY
	ISB_SY

return:
	B	mortise∕drivers∕vector·restore(SB)

// func irqAddress() uintptr
// Go's own value of an assembly function is that of a stub.
TEXT ·irqAddress(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	$·irqVector(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func frequency() uint32
TEXT ·frequency(SB),NOSPLIT|NOFRAME,$0-4
	MRS	CNTFRQ_EL0, R0
	MOVW	R0, ret+0(FP)
	RET

// func arm1(ticks uint32)
TEXT ·arm1(SB),NOSPLIT|NOFRAME,$0-4
	MOVWU	ticks+0(FP), R0
	MOVD	$1, R1
	MSR	R0, CNTP_TVAL_EL0
	MSR	R1, CNTP_CTL_EL0
	ISB_SY
	RET

// func stop()
TEXT ·stop(SB),NOSPLIT|NOFRAME,$0
	MSR	ZR, CNTP_CTL_EL0
	ISB_SY
	RET

// func mask()
TEXT ·mask(SB),NOSPLIT|NOFRAME,$0
	MSR	$2, DAIFSet	// I
	RET

// func enableInterrupts()
TEXT ·enableInterrupts(SB),NOSPLIT|NOFRAME,$0
	MSR	$2, DAIFClr
	RET

// func open()
TEXT ·open(SB),NOSPLIT|NOFRAME,$0
	MOVD	$const_pmrOpen, R0
	MSR	R0, ICC_PMR_EL1
	ISB_SY
	RET

// func wait()
// WFI until an IRQ is pending, devices' among them: called with IRQ masked, it returns with IRQ unmasked.
TEXT ·wait(SB),NOSPLIT|NOFRAME,$0
	MOVD	$const_pmrOpen, R0
	MSR	R0, ICC_PMR_EL1
	ISB_SY
again:
	DSB_SY
	WFI
	MRS	ISR_EL1, R0
	TBZ	$7, R0, again	// I: an IRQ is pending
	MSR	$2, DAIFClr
	RET

// func take() (id uint32)
TEXT ·take(SB),NOSPLIT|NOFRAME,$0-4
	MSR	$2, DAIFSet
	MOVD	$const_pmrOpen, R1
	MSR	R1, ICC_PMR_EL1
	ISB_SY
	MRS	ICC_IAR1_EL1, R0
	DSB_SY
	SUB	$1020, R0, R1
	CMP	$4, R1
	BLO	none	// 1020–1023: none
	MSR	R0, ICC_EOIR1_EL1
none:
	MOVD	$const_pmrShut, R1
	MSR	R1, ICC_PMR_EL1
	ISB_SY
	MSR	$2, DAIFClr
	MOVW	R0, id+0(FP)
	RET
