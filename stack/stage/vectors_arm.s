//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// In the vectors nothing may use R11, the assembler's scratch register: R8–R12 are in-band's in every mode but FIQ. So
// static memory is reached through MOVW $sym(SB), and no constant needs more than one instruction.

// Instructions that the assembler does not know (ARM DDI 0406C, A8.8 and B9.3).
#define CLREX			WORD	$0xf57ff01f
#define DSB_SY			WORD	$0xf57ff04f
#define ISB_SY			WORD	$0xf57ff06f
#define WFI			WORD	$0xe320f003
#define CPSIE_F			WORD	$0xf1080040
#define CPSID_I			WORD	$0xf10c0080
#define CPS_SVC			WORD	$0xf1020013	// cps #0x13
#define CPSID_IF_FIQ		WORD	$0xf10e00d1	// cpsid if, #0x11
#define MRS_CPSR_R0		WORD	$0xe10f0000
#define MSR_CPSR_R0		WORD	$0xe121f000	// msr cpsr_c, r0
#define MRS_SPSR_R0		WORD	$0xe14f0000
#define MRS_SPSR_R1		WORD	$0xe14f1000
#define MRS_SPSR_SP		WORD	$0xe14fd000
#define MRS_SPSR_LR		WORD	$0xe14fe000
#define MSR_SPSR_LR		WORD	$0xe16ff00e	// msr spsr_cxsf, lr
#define SUBS_PC_LR_4		WORD	$0xe25ef004	// return from FIQ (B9.3.20)
#define MRRC_CNTVCT_R0_R1	WORD	$0xec510f1e	// mrrc p15, 1, r0, r1, c14
#define MRRC_CNTVCT_R8_R9	WORD	$0xec598f1e
#define MCRR_CVAL_R0_R1		WORD	$0xec410f3e	// mcrr p15, 3, r0, r1, c14

// The frame of an activation: R0–R8 and LR at the top of the stack. R8 is the counter at its begin.
#define FRAME	40
#define TOP	(const_StackSize-FRAME)

// End of an activation, from the frame.
#define RETURN \
	CLREX \
	MOVM.IA.W	(R13), [R0-R8, R14] \
	SUBS_PC_LR_4

// FIQ. Four instructions with the vector's own from the interrupted one to dispatch's first.
TEXT ·fiqVector(SB),NOSPLIT|NOFRAME,$0
	MRRC_CNTVCT_R8_R9
	MOVM.DB.W	[R0-R8, R14], (R13)
	BL	·dispatch(SB)

	MRRC_CNTVCT_R0_R1
	MOVW	32(R13), R1
	SUB	R1, R0, R0
	MOVW	$·ctl+control_activations(SB), R3
	MOVM.IA	(R3), [R4-R5]	// activations, longest
	ADD	$1, R4
	CMP	R5, R0
	MOVW.HI	R0, R5
	MOVM.IA	[R4-R5], (R3)
	RETURN

// FIQ while the stage does not serve. Closing the oob group at the distributor instead would leave the interrupt pending,
// and QEMU's GICv2 then holds back in-band's: it picks the most urgent interrupt before it looks whether its group is
// forwarded. So a kick is swallowed, and any other source disabled. R8 to R12 are FIQ mode's own, R10 is g.
TEXT ·downVector(SB),NOSPLIT|NOFRAME,$0
	MOVW	$·ctl(SB), R8
	MOVW	control_iar(R8), R9
	MOVW	(R9), R11
	MOVW	R11, 4(R9)	// GICC_EOIR
	MOVW	R11<<22, R11
	MOVW	R11>>22, R11
	CMP	$const_WakeSGI, R11
	B.EQ	wake
	CMP	$16, R11
	B.LT	return
	CMP	$1020, R11	// 1020 and above: none was pending
	B.GE	return
	MOVW	control_icenabler(R8), R9
	MOVW	R11>>5, R12
	ADD	R12<<2, R9
	MOVW	$1, R12
	AND	$31, R11
	MOVW	R12<<R11, R12
	MOVW	R12, (R9)
	B	return
wake:
	// In-band's, acknowledged here because it became pending between the FIQ's signal and its acknowledgement.
	MOVW	control_sgir(R8), R9
	MOVW	$(2<<24), R12
	ORR	$(1<<15), R12
	MOVW	R12, (R9)
return:
	SUBS_PC_LR_4

// Aborts, undefined instructions and supervisor calls. SP is the only register that is free until the origin is known;
// the exception itself has saved nothing but LR and PSR.
//
// From FIQ mode: oob code faulted, contain has it; its record is fault, or second if contain itself faulted. From Abort or
// Undefined mode, in which nothing runs but these vectors: the same. From elsewhere: TamaGo's handler gets it, in SVC mode rather than the
// exception's own, so that an oob fault during a panic of in-band does not overwrite the LR and PSR it runs with.
#define VECTOR(KIND, NEXT) \
	MRS_SPSR_SP \
	AND	$0x1f, R13 \
	CMP	$0x11, R13 \
	CMP.NE	$0x17, R13 \
	CMP.NE	$0x1b, R13 \
	B.NE	9(PC) \
	MOVW	$·ctl(SB), R13 \
	MOVW	control_depth(R13), R13 \
	CMP	$0, R13 \
	MOVW.EQ	$·fault(SB), R13 \
	MOVW.NE	$·second(SB), R13 \
	MOVM.IA	[R0-R7], (R13) \
	MOVW	$KIND, R0 \
	B	·contain(SB) \
	MOVW	$·hand(SB), R13 \
	MOVW	R14, handover_ret(R13) \
	MRS_SPSR_LR \
	MOVW	R14, handover_psr(R13) \
	CPS_SVC \
	MOVW	$·hand(SB), R13 \
	MOVW	handover_psr(R13), R14 \
	MSR_SPSR_LR \
	MOVW	handover_ret(R13), R14 \
	MOVW	NEXT(R13), R15

TEXT ·undefinedVector(SB),NOSPLIT|NOFRAME,$0
	VECTOR(const_Undefined, handover_undefined)

TEXT ·supervisorVector(SB),NOSPLIT|NOFRAME,$0
	VECTOR(const_SupervisorCall, handover_supervisor)

TEXT ·prefetchAbortVector(SB),NOSPLIT|NOFRAME,$0
	VECTOR(const_PrefetchAbort, handover_fetch)

TEXT ·dataAbortVector(SB),NOSPLIT|NOFRAME,$0
	VECTOR(const_DataAbort, handover_data)

// contain records the fault, stops the stage and returns to in-band. In the exception's mode: R13 is the record, which
// has R0–R7 already, R0 the kind. No stack is used: the oob stack may be the fault's reason, and in-band reads the call
// chain from it.
TEXT ·contain(SB),NOSPLIT|NOFRAME,$0
	MOVW	R0, record_kind(R13)
	MOVW	R14, record_ret(R13)
	MRS_SPSR_R0
	MOVW	R0, record_psr(R13)
	MOVW	$·ctl(SB), R1
	MOVW	control_depth(R1), R0
	ADD	$1, R0
	MOVW	R0, control_depth(R1)
	CMP	$2, R0
	B.LE	2(PC)
	B	·giveUp(SB)
	MRC	15, 0, R0, C5, C0, 0
	MOVW	R0, record_dfsr(R13)
	MRC	15, 0, R0, C5, C0, 1
	MOVW	R0, record_ifsr(R13)
	MRC	15, 0, R0, C6, C0, 0
	MOVW	R0, record_dfar(R13)
	MRC	15, 0, R0, C6, C0, 2
	MOVW	R0, record_ifar(R13)

	// FIQ mode: its banked registers, and the PSR it interrupted in-band with.
	MOVW	R13, R0
	CPSID_IF_FIQ
	ADD	$(record_r+8*4), R0, R1
	MOVM.IA	[R8-R14], (R1)
	MRS_SPSR_R1
	MOVW	R1, record_inband(R0)
	MOVW	R0, R2
	MRRC_CNTVCT_R0_R1
	MOVW	R0, record_time(R2)
	MOVW	$·fault(SB), R2
	MOVW	record_count(R2), R0
	ADD	$1, R0
	MOVW	R0, record_count(R2)

	// No activation from here on: FIQs go to downVector, the timer stops.
	MOVW	$·ctl(SB), R2
	MOVW	$const_Faulted, R0
	MOVW	R0, control_state(R2)
	MOVW	control_down(R2), R0
	MOVW	control_vector(R2), R1
	MOVW	R0, (R1)
	MOVW	$0, R0
	MCR	15, 0, R0, C14, C3, 1

	// Fallback writes: at most maxFallback; none when one of them may be the fault. downVector then silences what they
	// would have.
	MOVW	control_depth(R2), R3
	CMP	$1, R3
	B.NE	wake
	MOVW	control_fallbacks(R2), R3
	ADD	$control_fallback, R2, R4
fallback:
	CMP	$0, R3	//oob:loop maxFallback Init refuses more
	B.EQ	wake
	MOVM.IA.W	(R4), [R5-R6]
	MOVW	R6, (R5)
	SUB	$1, R3
	B	fallback

wake:
	MOVW	control_sgir(R2), R1
	MOVW	$(2<<24), R0
	ORR	$(1<<15), R0	// SGIR_SELF|SGIR_NSATT|WakeSGI
	DSB_SY
	MOVW	R0, (R1)

	// The frame is where every activation has it. The faulting code may have changed g.
	MOVW	$·oobG(SB), g
	MOVW	$·stack+TOP(SB), R13
	RETURN

// giveUp ends in the watchdog's reset: the third fault in a row. R1 is ctl.
TEXT ·giveUp(SB),NOSPLIT|NOFRAME,$0
	MOVW	control_mark(R1), R2
	CMP	$0, R2
	MOVW	$const_MarkContain, R0
	MOVW.NE	R0, (R2)
	B	0(PC)	//oob:loop 1 nothing is bounded any more: the watchdog's reset ends it

// func bank()
// SP and g of FIQ mode.
TEXT ·bank(SB),NOSPLIT|NOFRAME,$0
	MRS_CPSR_R0
	CPSID_IF_FIQ
	MOVW	$·oobG(SB), g
	MOVW	$·stack+const_StackSize(SB), R13
	MSR_CPSR_R0
	RET

// func vectors() uint32
// VBAR (B4.1.156, ARM DDI 0406C).
TEXT ·vectors(SB),NOSPLIT|NOFRAME,$0-4
	MRC	15, 0, R0, C12, C0, 0
	MOVW	R0, ret+0(FP)
	RET

// func unmask()
TEXT ·unmask(SB),NOSPLIT|NOFRAME,$0
	CPSIE_F
	RET

// func halt()
// The oob stage goes on, in-band does not: a FIQ wakes WFI.
TEXT ·halt(SB),NOSPLIT|NOFRAME,$0
	CPSID_I
	CPSIE_F
	DSB_SY
	WFI
	B	-1(PC)

// func Kick()
TEXT ·Kick(SB),NOSPLIT|NOFRAME,$0
	MOVW	$·ctl(SB), R0
	MOVW	control_sgir(R0), R0
	MOVW	$(2<<24), R1
	ORR	$const_KickSGI, R1
	DSB_SY
	MOVW	R1, (R0)
	RET

// func Wake()
TEXT ·Wake(SB),NOSPLIT|NOFRAME,$0
	MOVW	$·ctl(SB), R0
	MOVW	control_sgir(R0), R0
	MOVW	$(2<<24), R1
	ORR	$(1<<15), R1
	DSB_SY
	MOVW	R1, (R0)
	RET

// func Now() uint32
TEXT ·Now(SB),NOSPLIT|NOFRAME,$0-4
	MRRC_CNTVCT_R0_R1
	MOVW	R0, ret+0(FP)
	RET

// func Time() uint64
TEXT ·Time(SB),NOSPLIT|NOFRAME,$0-8
	MRRC_CNTVCT_R0_R1
	MOVW	R0, ret_lo+0(FP)
	MOVW	R1, ret_hi+4(FP)
	RET

// func TicksPerSecond() uint32
TEXT ·TicksPerSecond(SB),NOSPLIT|NOFRAME,$0-4
	MRC	15, 0, R0, C14, C0, 0
	MOVW	R0, ret+0(FP)
	RET

// func Arm(ticks uint32)
// CNTV_TVAL, then ENABLE in CNTV_CTL (B4.1.33 and B4.1.31, ARM DDI 0406C).
TEXT ·Arm(SB),NOSPLIT|NOFRAME,$0-4
	MOVW	ticks+0(FP), R0
	MOVW	$1, R1
	MCR	15, 0, R0, C14, C3, 0
	MCR	15, 0, R1, C14, C3, 1
	ISB_SY
	RET

// func ArmAt(time uint32)
// CNTV_CVAL = CNTVCT + (time − CNTVCT's low word), the difference signed (B4.1.32).
TEXT ·ArmAt(SB),NOSPLIT|NOFRAME,$0-4
	MOVW	time+0(FP), R2
	MRRC_CNTVCT_R0_R1
	SUB	R0, R2, R2
	ADD.S	R2, R0, R0
	ADC	R2->31, R1, R1
	MCRR_CVAL_R0_R1
	MOVW	$1, R0
	MCR	15, 0, R0, C14, C3, 1
	ISB_SY
	RET

// func ArmTime(time uint64)
TEXT ·ArmTime(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	time_lo+0(FP), R0
	MOVW	time_hi+4(FP), R1
	MCRR_CVAL_R0_R1
	MOVW	$1, R0
	MCR	15, 0, R0, C14, C3, 1
	ISB_SY
	RET

// func Disarm()
TEXT ·Disarm(SB),NOSPLIT|NOFRAME,$0
	MOVW	$0, R0
	MCR	15, 0, R0, C14, C3, 1
	ISB_SY
	RET

// func Expired() bool
// ISTATUS of CNTV_CTL.
TEXT ·Expired(SB),NOSPLIT|NOFRAME,$0-1
	MRC	15, 0, R0, C14, C3, 1
	MOVW	R0>>2, R0
	AND	$1, R0
	MOVB	R0, ret+0(FP)
	RET
