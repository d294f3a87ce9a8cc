//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// The oob stage's stack pointer is SP_EL0, in-band's is SP_EL1: taking an exception selects SP_EL1, the stage's vectors select
// SP_EL0, and the return brings back what was. So SP_EL0 is as good as a banked register, and the processor itself tells faults of
// oob code from in-band's: they have vectors of their own.
//
// X18 is no register of Go's: TamaGo's vectors use it, and those for in-band do here. Before X27, the assembler's scratch register,
// is saved, no instruction may be one that it makes of several.

#define DSB_SY		DSB	$15
#define ISB_SY		ISB	$15
#define UNMASK_F	MSR	$1, DAIFClr
#define MASK_F		MSR	$1, DAIFSet
#define MASK_I		MSR	$2, DAIFSet
#define OOB_STACK	MSR	$0, SPSel

// What changes RSP and shall not count for the linker's stack limit.
#define SUB_FRAME	WORD	$0xd10c83ff	// sub sp, sp, #FRAME
#define ADD_FRAME	WORD	$0x910c83ff
#define SUB_64		WORD	$0xd10103ff	// sub sp, sp, #64
#define ADD_64		WORD	$0x910103ff
#define PUSH_0_R0	WORD	$0xa9bf03ff	// stp xzr, x0, [sp, #-16]!
#define POP_0_R3	WORD	$0xa8c10fff	// ldp xzr, x3, [sp], #16

// The frame of an activation, at the top of the stack: X0–X30, ELR, SPSR, the counter at its begin, FPCR, FPSR, Q0–Q31. Below it is
// ICC_IAR0_EL1's value, which is dispatch's argument.
#define FRAME	800
#define TOP	(const_StackSize-FRAME)

// ICC_SGI1R_EL1 for WakeSGI, on this processor.
#define WAKE	((const_WakeSGI<<24)|1)

// A FIQ overwrites ELR_EL1 and SPSR_EL1, so who unmasks F saves them, and masks F to bring them back. This is how a handler of
// in-band's IRQs begins: F is masked for four instructions, as it is in the last four. X18 is then SPSR, TPIDR_EL0 is ELR, R0 and
// R1 are below the stack pointer. A handler in TamaGo's table begins so itself; here the table has done so, and jumps over it.
//
// CAUTION: below the stack pointer Go has the frame pointer, and, while it opens a frame of 256 bytes or more, the return address
// at the frame's end, before the stack pointer is there: IRQ handlers have a stack of their own, and 16 bytes here.
#define BEGIN_IRQ \
	MRS	ELR_EL1, R18_PLATFORM \
	MSR	R18_PLATFORM, TPIDR_EL0 \
	MRS	SPSR_EL1, R18_PLATFORM \
	UNMASK_F \
	STP	(R0, R1), -32(RSP)
#define BEGIN_SIZE	20

// A vector table (D1.10.2, ARM DDI 0487) but for what comes from EL0, where nothing runs. The first four entries are for
// SP_EL0: oob code, or contain. The others are in-band's.
#define TABLE(FIQ) \
	PCALIGN	$2048 \
	B	·contain(SB) \
	PCALIGN	$128 \
	B	·contain(SB) \
	PCALIGN	$128 \
	B	·contain(SB) \
	PCALIGN	$128 \
	B	·contain(SB) \
	PCALIGN	$128 \
	B	·syncVector(SB) \
	PCALIGN	$128 \
	BEGIN_IRQ \
	MOVD	$·hand(SB), R0 \
	MOVD	handover_irq(R0), R0 \
	MOVD	(R0), R0 \
	ADD	$BEGIN_SIZE, R0 \
	JMP	(R0) \
	PCALIGN	$128 \
	OOB_STACK \
	FIQ \
	PCALIGN	$128 \
	B	·syncVector(SB)

TEXT ·serving(SB),NOSPLIT|NOFRAME,$0
	TABLE(B ·fiqVector(SB))

TEXT ·down(SB),NOSPLIT|NOFRAME,$0
	TABLE(B ·downVector(SB))

// Synchronous exceptions and system errors of in-band: TamaGo's handler, on the stack that was interrupted. It reads ELR_EL1 and
// calls arm64.SystemExceptionHandler, which unmasks F.
TEXT ·syncVector(SB),NOSPLIT|NOFRAME,$0
	MOVD	$·hand(SB), R18_PLATFORM
	MOVD	handover_sync(R18_PLATFORM), R18_PLATFORM
	MOVD	(R18_PLATFORM), R18_PLATFORM
	JMP	(R18_PLATFORM)

// IRQ, in place of TamaGo's vector, which leaves F masked until in-band has served the interrupt: it is relayed, and I is
// masked until arm64.ServiceInterrupts unmasks it.
TEXT ·irqVector(SB),NOSPLIT|NOFRAME,$0
	BEGIN_IRQ
	MOVD	$·irqStack+(const_irqStackSize-272)(SB), R0
	MOVD	RSP, R1
	MOVD	R1, 248(R0)
	STP	(R2, R3), 16(R0)
	LDP	-32(R1), (R2, R3)	// R0 and R1
	STP	(R2, R3), 0(R0)
	MOVD	R0, RSP
	MRS	TPIDR_EL0, R0
	ORR	$(1<<7), R18_PLATFORM, R1	// I
	STP	(R0, R1), 256(RSP)
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
	MOVD	$const_irqSignal, R0
	WORD	$0xd10043ff	// sub sp, sp, #16
	MOVD	R0, 8(RSP)
	BL	os∕signal·Relay(SB)
	WORD	$0x910043ff	// add sp, sp, #16
	MOVD	240(RSP), R30
	LDP	224(RSP), (g, R29)
	LDP	208(RSP), (R26, R27)
	LDP	192(RSP), (R24, R25)
	LDP	176(RSP), (R22, R23)
	LDP	160(RSP), (R20, R21)
	MOVD	152(RSP), R19
	LDP	128(RSP), (R16, R17)
	LDP	112(RSP), (R14, R15)
	LDP	96(RSP), (R12, R13)
	LDP	80(RSP), (R10, R11)
	LDP	64(RSP), (R8, R9)
	LDP	48(RSP), (R6, R7)
	LDP	32(RSP), (R4, R5)
	LDP	16(RSP), (R2, R3)
	MOVD	248(RSP), R18_PLATFORM
	LDP	0(RSP), (R0, R1)
	STP	(R0, R1), -32(R18_PLATFORM)
	LDP	256(RSP), (R0, R1)
	MOVD	R18_PLATFORM, RSP
	MASK_F
	MSR	R0, ELR_EL1
	MSR	R1, SPSR_EL1
	LDP	-32(RSP), (R0, R1)
	ERET

// FIQ, on the oob stack. Go code may change any register. The interrupt stays active until dispatch has returned, with F masked: in
// GICv3 nothing is more urgent. Within the time that Hold has set nothing is acknowledged, as on arm. A special ID is not ended: nothing was acknowledged (ICC_EOIR0_EL1, chapter 12, IHI 0069).
TEXT ·fiqVector(SB),NOSPLIT|NOFRAME,$0
	SUB_FRAME
	STP	(R0, R1), 0(RSP)
	STP	(R2, R3), 16(RSP)
	STP	(R4, R5), 32(RSP)
	STP	(R6, R7), 48(RSP)
	STP	(R8, R9), 64(RSP)
	STP	(R10, R11), 80(RSP)
	STP	(R12, R13), 96(RSP)
	STP	(R14, R15), 112(RSP)
	STP	(R16, R17), 128(RSP)
	STP	(R18_PLATFORM, R19), 144(RSP)
	STP	(R20, R21), 160(RSP)
	STP	(R22, R23), 176(RSP)
	STP	(R24, R25), 192(RSP)
	STP	(R26, R27), 208(RSP)
	STP	(g, R29), 224(RSP)
	MRS	ELR_EL1, R0
	STP	(R30, R0), 240(RSP)
	MRS	SPSR_EL1, R0
	MRS	CNTVCT_EL0, R1
	STP	(R0, R1), 256(RSP)
	MOVD	FPCR, R0
	MOVD	FPSR, R1
	STP	(R0, R1), 272(RSP)
	FSTPQ	(F0, F1), 288(RSP)
	FSTPQ	(F2, F3), 320(RSP)
	FSTPQ	(F4, F5), 352(RSP)
	FSTPQ	(F6, F7), 384(RSP)
	FSTPQ	(F8, F9), 416(RSP)
	FSTPQ	(F10, F11), 448(RSP)
	FSTPQ	(F12, F13), 480(RSP)
	FSTPQ	(F14, F15), 512(RSP)
	FSTPQ	(F16, F17), 544(RSP)
	FSTPQ	(F18, F19), 576(RSP)
	FSTPQ	(F20, F21), 608(RSP)
	FSTPQ	(F22, F23), 640(RSP)
	FSTPQ	(F24, F25), 672(RSP)
	FSTPQ	(F26, F27), 704(RSP)
	FSTPQ	(F28, F29), 736(RSP)
	FSTPQ	(F30, F31), 768(RSP)
	MOVD	$·oobG+8*const_vectorWords(SB), g
	MOVD	ZR, R29	// in-band's frames are none of the stage's
	LDP	-16(g), (R3, R4)	// vectorWords: Hold's time, its last tick
	MRS	CNTVCT_EL0, R2
	SUBW	R3, R2, R2
	CMPW	R4, R2
	BLS	hold
acknowledge:
	MRS	ICC_IAR0_EL1, R0
	DSB_SY
	PUSH_0_R0
	BL	·dispatch(SB)

	POP_0_R3
	SUB	$1020, R3, R0
	CMP	$4, R0
	BLO	2(PC)
	MSR	R3, ICC_EOIR0_EL1
	MRS	CNTVCT_EL0, R0
	MOVD	264(RSP), R1
	SUBW	R1, R0, R0
	MOVD	$·ctl(SB), R2
	MOVWU	control_activations(R2), R3
	ADD	$1, R3
	MOVW	R3, control_activations(R2)
	MOVWU	control_longest(R2), R3
	CMPW	R3, R0
	CSEL	HI, R0, R3, R3
	MOVW	R3, control_longest(R2)
	B	·leave(SB)

hold:
	ADDW	$1, R4
	MOVD	$const_holdRounds, R5
wait:
	MRS	CNTVCT_EL0, R2	//oob:loop holdRounds R5 counts them
	SUBW	R3, R2, R2
	SUB	$1, R5
	CBZ	R5, acknowledge
	CMPW	R4, R2
	BLO	wait
	B	acknowledge

// leave ends an activation, from its frame. The return from the exception clears the exclusive monitor.
TEXT ·leave(SB),NOSPLIT|NOFRAME,$0
	FLDPQ	288(RSP), (F0, F1)
	FLDPQ	320(RSP), (F2, F3)
	FLDPQ	352(RSP), (F4, F5)
	FLDPQ	384(RSP), (F6, F7)
	FLDPQ	416(RSP), (F8, F9)
	FLDPQ	448(RSP), (F10, F11)
	FLDPQ	480(RSP), (F12, F13)
	FLDPQ	512(RSP), (F14, F15)
	FLDPQ	544(RSP), (F16, F17)
	FLDPQ	576(RSP), (F18, F19)
	FLDPQ	608(RSP), (F20, F21)
	FLDPQ	640(RSP), (F22, F23)
	FLDPQ	672(RSP), (F24, F25)
	FLDPQ	704(RSP), (F26, F27)
	FLDPQ	736(RSP), (F28, F29)
	FLDPQ	768(RSP), (F30, F31)
	LDP	272(RSP), (R0, R1)
	MOVD	R0, FPCR
	MOVD	R1, FPSR
	MOVD	256(RSP), R0
	MSR	R0, SPSR_EL1
	LDP	240(RSP), (R30, R0)
	MSR	R0, ELR_EL1
	LDP	224(RSP), (g, R29)
	LDP	208(RSP), (R26, R27)
	LDP	192(RSP), (R24, R25)
	LDP	176(RSP), (R22, R23)
	LDP	160(RSP), (R20, R21)
	LDP	144(RSP), (R18_PLATFORM, R19)
	LDP	128(RSP), (R16, R17)
	LDP	112(RSP), (R14, R15)
	LDP	96(RSP), (R12, R13)
	LDP	80(RSP), (R10, R11)
	LDP	64(RSP), (R8, R9)
	LDP	48(RSP), (R6, R7)
	LDP	32(RSP), (R4, R5)
	LDP	16(RSP), (R2, R3)
	LDP	0(RSP), (R0, R1)
	ADD_FRAME
	ERET

// FIQ while the stage does not serve. A kick is swallowed, any other source disabled. The top of the oob stack is free: a
// fault's evidence is below the frame of its activation.
TEXT ·downVector(SB),NOSPLIT|NOFRAME,$0
	SUB_64
	STP	(R0, R1), 0(RSP)
	STP	(R2, R3), 16(RSP)
	MRS	NZCV, R3
	MOVD	R3, 32(RSP)
	MRS	ICC_IAR0_EL1, R0
	DSB_SY
	SUB	$1020, R0, R1
	CMP	$4, R1
	BLO	return	// 1020–1023: none was pending
	MSR	R0, ICC_EOIR0_EL1
	CMP	$16, R0
	BLO	return
	MOVD	$·ctl(SB), R1
	MOVD	control_private(R1), R2
	CMP	$32, R0
	BLO	2(PC)
	MOVD	control_shared(R1), R2
	LSR	$5, R0, R1
	LSL	$2, R1
	ADD	R1, R2
	MOVD	$1, R1
	LSLW	R0, R1, R1	// by ID modulo 32
	MOVW	R1, (R2)
	DSB_SY
return:
	MOVD	32(RSP), R3
	MSR	R3, NZCV
	LDP	16(RSP), (R2, R3)
	LDP	0(RSP), (R0, R1)
	ADD_64
	ERET

// contain records the fault, stops the stage and returns to in-band. It runs with SP_EL0 selected, so that its own fault comes
// here again, as the second record, and uses no stack: the oob stack may be the fault's reason, and in-band reads the call chain
// from it.
TEXT ·contain(SB),NOSPLIT|NOFRAME,$0
	OOB_STACK
	MSR	R0, TPIDR_EL1
	MSR	R1, TPIDRRO_EL0
	MOVD	$·ctl(SB), R0
	MOVWU	control_depth(R0), R1
	ADD	$1, R1
	MOVW	R1, control_depth(R0)
	CMP	$2, R1
	BHI	giveUp
	MOVD	$·fault(SB), R0
	BLO	save
	MOVD	$·second(SB), R0
save:
	MOVD	R2, (recordV8_x+2*8)(R0)
	MOVD	R3, (recordV8_x+3*8)(R0)
	STP	(R4, R5), (recordV8_x+4*8)(R0)
	STP	(R6, R7), (recordV8_x+6*8)(R0)
	STP	(R8, R9), (recordV8_x+8*8)(R0)
	STP	(R10, R11), (recordV8_x+10*8)(R0)
	STP	(R12, R13), (recordV8_x+12*8)(R0)
	STP	(R14, R15), (recordV8_x+14*8)(R0)
	STP	(R16, R17), (recordV8_x+16*8)(R0)
	STP	(R18_PLATFORM, R19), (recordV8_x+18*8)(R0)
	STP	(R20, R21), (recordV8_x+20*8)(R0)
	STP	(R22, R23), (recordV8_x+22*8)(R0)
	STP	(R24, R25), (recordV8_x+24*8)(R0)
	STP	(R26, R27), (recordV8_x+26*8)(R0)
	STP	(g, R29), (recordV8_x+28*8)(R0)
	MOVD	R30, (recordV8_x+30*8)(R0)
	MRS	TPIDR_EL1, R2
	MRS	TPIDRRO_EL0, R3
	STP	(R2, R3), recordV8_x(R0)
	MOVD	RSP, R2
	MOVD	R2, recordV8_sp(R0)
	MRS	ELR_EL1, R2
	MOVD	R2, recordV8_elr(R0)
	MRS	SPSR_EL1, R2
	MOVD	R2, recordV8_spsr(R0)
	MRS	ESR_EL1, R2
	MOVD	R2, recordV8_esr(R0)
	MRS	FAR_EL1, R2
	MOVD	R2, recordV8_far(R0)
	MRS	CNTVCT_EL0, R2
	MOVD	R2, recordV8_time(R0)

	// The frame is where every activation has it.
	MOVD	$·stack+TOP(SB), R3
	MOVD	256(R3), R2
	MOVD	R2, recordV8_inband(R0)
	MOVD	$·fault(SB), R2
	MOVWU	recordV8_count(R2), R4
	ADD	$1, R4
	MOVW	R4, recordV8_count(R2)

	// No activation from here on: FIQs go to downVector, the timer stops.
	MOVD	$·ctl(SB), R2
	MOVD	$const_Faulted, R4
	MOVW	R4, control_state(R2)
	MOVD	$·down(SB), R4
	MSR	R4, VBAR_EL1
	MSR	ZR, CNTV_CTL_EL0
	ISB_SY

	// Fallback writes: at most maxFallback; none when one of them may be the fault. downVector then silences what they
	// would have.
	CMP	$1, R1
	BNE	wake
	MOVWU	control_fallbacks(R2), R4
	ADD	$control_fallback, R2, R5
fallback:
	CBZ	R4, wake	//oob:loop maxFallback Init refuses more
	MOVWU	Write_Addr(R5), R6
	MOVWU	Write_Value(R5), R7
	MOVW	R7, (R6)
	ADD	$Write__size, R5
	SUB	$1, R4
	B	fallback

wake:
	MOVD	$WAKE, R4
	DSB_SY
	MSR	R4, ICC_SGI1R_EL1

	// The activation's interrupt ends here.
	MOVD	-8(R3), R4
	SUB	$1020, R4, R0
	CMP	$4, R0
	BLO	2(PC)
	MSR	R4, ICC_EOIR0_EL1
	MOVD	R3, RSP
	B	·leave(SB)

// The third fault in a row ends in the watchdog's reset. R0 is ctl.
giveUp:
	MOVD	control_mark(R0), R1
	CBZ	R1, 3(PC)	//oob:loop 1 the assembler makes it a branch to itself, as the last line is
	MOVD	$const_MarkContain, R0
	MOVW	R0, (R1)
	B	0(PC)	//oob:loop 1 nothing is bounded any more: the watchdog's reset ends it

// func bank()
// SP_EL0, the stage's stack pointer.
TEXT ·bank(SB),NOSPLIT|NOFRAME,$0
	MOVD	$·stack+const_StackSize(SB), R0
	MSR	R0, SP_EL0
	RET

// func vectors() uintptr
TEXT ·vectors(SB),NOSPLIT|NOFRAME,$0-8
	MRS	VBAR_EL1, R0
	MOVD	R0, ret+0(FP)
	RET

// func irqAddress() uintptr
// Go's own value of an assembly function is that of a stub.
TEXT ·irqAddress(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	$·irqVector(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func serve(yes bool)
TEXT ·serve(SB),NOSPLIT|NOFRAME,$0-1
	MOVBU	yes+0(FP), R1
	MOVD	$·down(SB), R0
	CBZ	R1, set
	MOVD	$·serving(SB), R0
set:
	DSB_SY
	MSR	R0, VBAR_EL1
	ISB_SY
	RET

// func unmask()
TEXT ·unmask(SB),NOSPLIT|NOFRAME,$0
	UNMASK_F
	RET

// func halt()
// The oob stage goes on, in-band does not: a FIQ wakes WFI.
TEXT ·halt(SB),NOSPLIT|NOFRAME,$0
	MASK_I
	UNMASK_F
	DSB_SY
	WFI
	B	-1(PC)

// func Kick()
TEXT ·Kick(SB),NOSPLIT|NOFRAME,$0
	MOVD	$((const_KickSGI<<24)|1), R0
	DSB_SY
	MSR	R0, ICC_SGI0R_EL1
	ISB_SY
	RET

// func Wake()
TEXT ·Wake(SB),NOSPLIT|NOFRAME,$0
	MOVD	$WAKE, R0
	DSB_SY
	MSR	R0, ICC_SGI1R_EL1
	RET

// func Now() uint32
TEXT ·Now(SB),NOSPLIT|NOFRAME,$0-4
	MRS	CNTVCT_EL0, R0
	MOVW	R0, ret+0(FP)
	RET

// func Elapsed() uint32
TEXT ·Elapsed(SB),NOSPLIT|NOFRAME,$0-4
	MRS	CNTVCT_EL0, R0
	MOVD	$·stack+TOP(SB), R1
	MOVWU	264(R1), R1	// the counter at the begin
	SUBW	R1, R0, R0
	MOVW	R0, ret+0(FP)
	RET

// func Time() uint64
TEXT ·Time(SB),NOSPLIT|NOFRAME,$0-8
	MRS	CNTVCT_EL0, R0
	MOVD	R0, ret+0(FP)
	RET

// func TicksPerSecond() uint32
TEXT ·TicksPerSecond(SB),NOSPLIT|NOFRAME,$0-4
	MRS	CNTFRQ_EL0, R0
	MOVW	R0, ret+0(FP)
	RET

// func Arm(ticks uint32)
// CNTV_TVAL_EL0, then ENABLE in CNTV_CTL_EL0.
TEXT ·Arm(SB),NOSPLIT|NOFRAME,$0-4
	MOVWU	ticks+0(FP), R0
	MOVD	$1, R1
	MSR	R0, CNTV_TVAL_EL0
	MSR	R1, CNTV_CTL_EL0
	ISB_SY
	RET

// func ArmAt(time uint32)
// CNTV_CVAL_EL0 = CNTVCT_EL0 + (time − CNTVCT_EL0's low word), the difference signed.
TEXT ·ArmAt(SB),NOSPLIT|NOFRAME,$0-4
	MOVWU	time+0(FP), R2
	MRS	CNTVCT_EL0, R0
	SUBW	R0, R2, R2
	SXTW	R2, R2
	ADD	R2, R0
	MSR	R0, CNTV_CVAL_EL0
	MOVD	$1, R1
	MSR	R1, CNTV_CTL_EL0
	ISB_SY
	RET

// func ArmTime(time uint64)
TEXT ·ArmTime(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	time+0(FP), R0
	MSR	R0, CNTV_CVAL_EL0
	MOVD	$1, R1
	MSR	R1, CNTV_CTL_EL0
	ISB_SY
	RET

// func Disarm()
TEXT ·Disarm(SB),NOSPLIT|NOFRAME,$0
	MSR	ZR, CNTV_CTL_EL0
	ISB_SY
	RET

// func Expired() bool
// ISTATUS of CNTV_CTL_EL0.
TEXT ·Expired(SB),NOSPLIT|NOFRAME,$0-1
	MRS	CNTV_CTL_EL0, R0
	UBFX	$2, R0, $1, R0
	MOVB	R0, ret+0(FP)
	RET
