//go:build tamago

#include "textflag.h"

// func undefinedInstruction()
TEXT ·undefinedInstruction(SB),NOSPLIT,$0
	WORD	$0xe7f000f0	// permanently undefined (A5.4, ARM DDI 0406C)
	RET

// func supervisorCall()
TEXT ·supervisorCall(SB),NOSPLIT,$0
	WORD	$0xef000000	// svc 0
	RET

// func wildJump(addr uint32)
TEXT ·wildJump(SB),NOSPLIT,$4-4
	MOVW	addr+0(FP), R0
	BL	(R0)
	RET

// func endless(addr, value uint32)
// Without a frame: where it returns to stands in LR alone.
TEXT ·endless(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	addr+0(FP), R0
	MOVW	value+4(FP), R1
	MOVW	R1, (R0)
	B	0(PC)

#define PATTERN(N) $(0x5a000000|N)

// func hold(mode uint32, fired *uint32) uint32
// The mode's own SP and LR are saved and restored. R0 counts, R1 is fired and collects afterwards, R3 is *fired, R2 the
// stack pointer to return with.
TEXT ·hold(SB),NOSPLIT,$16-12
	MOVW	mode+0(FP), R2
	MOVW	R11, 4(R13)
	WORD	$0xe10f3000	// mrs r3, cpsr
	MOVW	R3, 8(R13)
	BIC	$0x1f, R3, R1
	ORR	R2, R1, R1
	ORR	$0x80, R1	// IRQ masked: the test's own patterns are no stack
	MOVW	R13, R2		// in R2 while the mode has another SP
	WORD	$0xe121f001	// msr cpsr_c, r1
	MOVW	R13, R12	// the mode's SP and LR
	MOVW	R12, 12(R2)
	MOVW	R14, 16(R2)
	WORD	$0xe1a0d002	// mov sp, r2
	MOVW	$0x5a0000e4, R14
	MOVW	fired+4(FP), R1
	MOVW	$0xffffffff, R0
	MOVW	PATTERN(4), R4
	MOVW	PATTERN(5), R5
	MOVW	PATTERN(6), R6
	MOVW	PATTERN(7), R7
	MOVW	PATTERN(8), R8
	MOVW	PATTERN(9), R9
	MOVW	PATTERN(12), R12
	MOVW	PATTERN(11), R11
loop:
	MOVW	(R1), R3
	SUB.S	$1, R0
	B.EQ	done
	CMP	$0, R3
	B.EQ	loop
done:
	MOVW	$0, R1
	// Flags that are lost between a comparison and its branch end the loop too early.
	CMP	$0, R3
	ORR.EQ	$(1<<16), R1
	TEQ	R2, R13
	ORR.NE	$(1<<13), R1
	MOVW	$0x5a0000e4, R0
	TEQ	R0, R14
	ORR.NE	$(1<<14), R1
	MOVW	PATTERN(4), R0
	TEQ	R0, R4
	ORR.NE	$(1<<4), R1
	ADD	$1, R0
	TEQ	R0, R5
	ORR.NE	$(1<<5), R1
	ADD	$1, R0
	TEQ	R0, R6
	ORR.NE	$(1<<6), R1
	ADD	$1, R0
	TEQ	R0, R7
	ORR.NE	$(1<<7), R1
	ADD	$1, R0
	TEQ	R0, R8
	ORR.NE	$(1<<8), R1
	ADD	$1, R0
	TEQ	R0, R9
	ORR.NE	$(1<<9), R1
	ADD	$2, R0
	TEQ	R0, R11
	ORR.NE	$(1<<11), R1
	ADD	$1, R0
	TEQ	R0, R12
	ORR.NE	$(1<<12), R1

	MOVW	16(R2), R14
	MOVW	12(R2), R0
	WORD	$0xe1a0d000	// mov sp, r0
	MOVW	8(R2), R0
	WORD	$0xe121f000	// msr cpsr_c, r0
	WORD	$0xe1a0d002	// mov sp, r2
	MOVW	4(R13), R11
	MOVW	R1, ret+8(FP)
	RET
