//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// In the vectors nothing may use R11, the assembler's scratch register: R8–R12 are in-band's in every mode but FIQ. So
// static memory is reached through MOVW $sym(SB), and no constant needs more than one instruction. F is masked in all of them,
// but not in the first instructions of those that oob code faults into: a warning there is dispatched like any other.

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
#define MRS_SPSR_R3		WORD	$0xe14f3000
#define MSR_SPSR_R3		WORD	$0xe16ff003	// msr spsr_cxsf, r3
#define CPSID_F			WORD	$0xf10c0040
#define MSRLT_CPSR_UNMASK_F	WORD	$0xb321f091	// msrlt cpsr_c, #0x91: I masked, F not, FIQ mode
#define MRS_SPSR_SP		WORD	$0xe14fd000
#define MRS_SPSR_LR		WORD	$0xe14fe000
#define MSR_SPSR_LR		WORD	$0xe16ff00e	// msr spsr_cxsf, lr
#define SUBS_PC_LR_4		WORD	$0xe25ef004	// return from FIQ (B9.3.20)
#define MRRC_CNTVCT_R0_R1	WORD	$0xec510f1e	// mrrc p15, 1, r0, r1, c14
#define MRRC_CNTVCT_R2_R3	WORD	$0xec532f1e
#define MRRC_CNTVCT_R6_R7	WORD	$0xec576f1e
#define MCRR_CVAL_R0_R1		WORD	$0xec410f3e	// mcrr p15, 3, r0, r1, c14

// The frame of an activation, at the top of the stack. From the stack pointer up: GICC_IAR's address; its value, which is
// dispatch's argument; the counter at the begin; the PSR of what was interrupted; R0–R9 and LR.
#define FRAME	(4*(4+11))
#define TOP	(const_StackSize-FRAME)

// End of an activation, from R0 in the frame.
#define RETURN \
	CLREX \
	MOVM.IA.W	(R13), [R0-R9, R14] \
	SUBS_PC_LR_4

// FIQ. The interrupt stays active until dispatch has returned, so that F can be unmasked meanwhile: what is not more urgent
// waits (3.3.2, IHI 0048B.b). That is only the watchdog's warning, which then finds FIQ mode interrupted: an activation that
// does not end. F stays masked when GICC_IAR gave nothing (1023), or in-band's wake (0), which holds back nothing: of the
// interrupts' IDs the comparison lets 1 to 511 pass.
//
// Within the time that Hold has set, nothing is acknowledged until it is over: what is then the most urgent, the timer, comes
// first, and what has caused this FIQ is pending still.
TEXT ·fiqVector(SB),NOSPLIT|NOFRAME,$0
	MOVM.DB.W	[R0-R9, R14], (R13)
	MRRC_CNTVCT_R2_R3
	MRS_SPSR_R3
	MOVM.DB	(g), [R0, R4, R5]	// vectorWords: GICC_IAR's address, Hold's time, its last tick
	TST	$0x0e, R3	// the mode: zero in FIQ mode's alone
	SUB	R4, R2, R6
	CMP.NE	R5, R6
	B.LS	hold
acknowledge:
	MOVW	(R0), R1	// GICC_IAR
	MOVM.DB.W	[R0-R3], (R13)
	CMP	R1<<22, R1
	MSRLT_CPSR_UNMASK_F
	BL	·dispatch(SB)

	CPSID_F
	MRRC_CNTVCT_R0_R1
	MOVM.IA.W	(R13), [R2-R5]	// as it was pushed
	SUB	R4, R0, R0
	MOVW	R3, 4(R2)	// GICC_EOIR
	MOVW	$·ctl+control_activations(SB), R3
	MOVM.IA	(R3), [R4-R5]	// activations, longest
	ADD	$1, R4
	CMP	R5, R0
	MOVW.HI	R0, R5
	MOVM.IA	[R4-R5], (R3)
	RETURN

hold:
	TST	$0x0e, R3
	B.EQ	endless
	ADD	$1, R5
	MOVW	$const_holdRounds, R8
wait:
	MRRC_CNTVCT_R6_R7	//oob:loop holdRounds R8 counts them
	SUB	R4, R6
	SUB.S	$1, R8
	CMP.NE	R5, R6
	B.LO	wait	// neither all rounds nor all ticks are over
	B	acknowledge

// R14 is lost, the interrupted code's is overwritten: there is no way back to it, and none is wanted. The rest of it is in the
// registers and in the frame of this FIQ. Its source is ended, and disabled, because it is a level.
endless:
	MOVW	(R0), R1	// GICC_IAR
	MOVW	R1, 4(R0)	// GICC_EOIR
	MOVW	$·ctl(SB), R6
	MOVW	control_icenabler(R6), R4
	MOVW	R1>>5, R5
	ADD	R5<<2, R4
	AND	$31, R1
	MOVW	$1, R5
	MOVW	R5<<R1, R5
	MOVW	R5, (R4)

	MOVW	control_depth(R6), R4
	ADD	$1, R4
	MOVW	R4, control_depth(R6)	// 1: contain, and what follows it, run with F masked
	MOVW	$·fault(SB), R0
	MOVW	R3, record_psr(R0)
	MOVW	R14, record_ret(R0)
	MOVW	$const_Endless, R1
	MOVW	R1, record_kind(R0)
	MOVM.IA.W	(R13), [R1-R5]	// R0–R4
	MOVM.IA	[R1-R5], (R0)
	MOVM.IA.W	(R13), [R1-R5]	// R5–R9
	ADD	$(record_r+5*4), R0, R6
	MOVM.IA	[R1-R5], (R6)
	ADD	$4, R13	// R13 is now what it was
	MOVW	$0, R14
	ADD	$(record_r+10*4), R0, R1
	MOVM.IA	[g, R11, R12, R13, R14], (R1)
	B	·abandon(SB)

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

	// FIQ mode: its banked registers.
	MOVW	R13, R0
	CPSID_IF_FIQ
	ADD	$(record_r+8*4), R0, R1
	MOVM.IA	[R8-R14], (R1)
	B	·abandon(SB)

// abandon is the rest of contain, and the end of an activation that does not end. In FIQ mode, with F masked: R0 is the record.
TEXT ·abandon(SB),NOSPLIT|NOFRAME,$0
	// The frame is where every activation has it; it has the PSR that was interrupted, which the processor may have lost.
	MOVW	$·stack+TOP(SB), R13
	MOVW	12(R13), R1
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

	// What the next run needs if in-band does not get to report this one; not when writing it may be the second fault. R0 is the
	// checksum.
	MOVW	control_depth(R2), R3
	CMP	$1, R3
	B.NE	end
	MOVW	control_trace(R2), R4
	CMP	$0, R4
	B.EQ	end
	MOVW	$0, R1
	MOVW	R1, (R4)
	MOVW	R4, R7
	MOVW	$·fault(SB), R5
	MOVW	record_r+13*4(R5), R6
	MOVW	$const_traceSeed, R0
	MOVW	$(record__size/4), R3
regs:
	MOVW.P	4(R5), R1	//oob:loop recordWords all of record
	MOVW.W	R1, 4(R4)
	ADD	R0@>31, R1, R0
	SUB.S	$1, R3
	B.NE	regs

	// The stack from the stack pointer, if that is one, to the frame.
	MOVW	$·stack(SB), R1
	SUB	R1, R6, R5
	MOVW	$TOP, R1
	SUB	R5, R1, R3
	CMP	R1, R5
	MOVW.HI	$0, R3
	TST	$3, R6
	MOVW.NE	$0, R3
	MOVW	R3>>2, R3
	CMP	$const_traceStack, R3
	MOVW.HI	$const_traceStack, R3
	MOVW.W	R3, 4(R4)
	ADD	R0@>31, R3, R0
	ADD	R3<<2, R6, R3
words:
	CMP	R3, R6	//oob:loop traceStack it is cut to that
	B.EQ	traced
	MOVW.P	4(R6), R1
	MOVW.W	R1, 4(R4)
	ADD	R0@>31, R1, R0
	B	words
traced:
	MOVW	R0, (R7)

end:
	// The activation's interrupt ends here. The faulting code may have changed g.
	MOVW	$·oobG+4*const_vectorWords(SB), g
	MOVM.IA.W	(R13), [R0-R3]
	MOVW	R1, 4(R0)	// GICC_EOIR
	MSR_SPSR_R3
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
	MOVW	$·oobG+4*const_vectorWords(SB), g
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

// func Elapsed() uint32
TEXT ·Elapsed(SB),NOSPLIT|NOFRAME,$0-4
	MRRC_CNTVCT_R0_R1
	MOVW	·stack+(TOP+8)(SB), R2	// the counter at the begin
	SUB	R2, R0
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
