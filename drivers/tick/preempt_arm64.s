//go:build tamago && mortise.preempt

#include "go_asm.h"
#include "textflag.h"

#define DSB_SY	DSB	$15
#define ISB_SY	ISB	$15

// What is interrupted, on the vector's own stack: X0–X30, SP, the address to return to, SPSR. IRQs do not nest.
#define FRAME	272

// A FIQ overwrites ELR_EL1 and SPSR_EL1: F is masked where they are needed.
#define RESTORE \
	MOVD	240(RSP), R30 \
	LDP	224(RSP), (g, R29) \
	LDP	208(RSP), (R26, R27) \
	LDP	192(RSP), (R24, R25) \
	LDP	176(RSP), (R22, R23) \
	LDP	160(RSP), (R20, R21) \
	MOVD	152(RSP), R19 \
	LDP	128(RSP), (R16, R17) \
	LDP	112(RSP), (R14, R15) \
	LDP	96(RSP), (R12, R13) \
	LDP	80(RSP), (R10, R11) \
	LDP	64(RSP), (R8, R9) \
	LDP	48(RSP), (R6, R7) \
	LDP	32(RSP), (R4, R5) \
	LDP	16(RSP), (R2, R3) \
	MOVD	248(RSP), R18_PLATFORM \
	LDP	0(RSP), (R0, R1) \
	STP	(R0, R1), -32(R18_PLATFORM) \
	LDP	256(RSP), (R0, R1) \
	MOVD	R18_PLATFORM, RSP \
	MSR	$1, DAIFSet \
	MSR	R0, ELR_EL1 \
	MSR	R1, SPSR_EL1 \
	LDP	-32(RSP), (R0, R1) \
	ERET

// IRQ. The tick is told from devices by the timer's own status: no access to the interrupt controller. IRQs do not nest.
// R18 belongs to vectors. ELR and SPSR are saved in the first three instructions, for a FIQ would overwrite them. The first five are
// as in every handler of the kind: the oob stage's table (stack/stage, vectors_arm64.s) has them too, and jumps over these.
//
// CAUTION: below the stack pointer Go has the frame pointer, and, while it opens a frame of 256 bytes or more, the return address
// at the frame's end, before the stack pointer is there. What is between is free.
TEXT ·irqVector(SB),NOSPLIT|NOFRAME,$0
	MRS	ELR_EL1, R18_PLATFORM
	MSR	R18_PLATFORM, TPIDR_EL0
	MRS	SPSR_EL1, R18_PLATFORM
	MSR	$1, DAIFClr
	STP	(R0, R1), -32(RSP)

	MOVD	$·irqStack+(const_irqStackSize-FRAME)(SB), R0
	MOVD	RSP, R1
	MOVD	R1, 248(R0)
	STP	(R2, R3), 16(R0)
	LDP	-32(R1), (R2, R3)	// R0 and R1
	STP	(R2, R3), 0(R0)
	MOVD	R0, RSP
	MRS	TPIDR_EL0, R0
	STP	(R0, R18_PLATFORM), 256(RSP)
	STP	(R4, R5), 32(RSP)
	STP	(R6, R7), 48(RSP)
	STP	(R8, R9), 64(RSP)
	STP	(R10, R11), 80(RSP)
	STP	(R12, R13), 96(RSP)
	STP	(R14, R15), 112(RSP)
	STP	(R16, R17), 128(RSP)
	STP	(ZR, R19), 144(RSP)
	STP	(R20, R21), 160(RSP)
	STP	(R22, R23), 176(RSP)
	STP	(R24, R25), 192(RSP)
	STP	(R26, R27), 208(RSP)
	STP	(g, R29), 224(RSP)
	MOVD	R30, 240(RSP)

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
	RESTORE

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
	RESTORE

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
