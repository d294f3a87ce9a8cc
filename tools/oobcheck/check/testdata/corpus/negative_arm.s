//go:build tamago

#include "textflag.h"

TEXT ·jumps(SB),NOSPLIT|NOFRAME,$0
	MOVW	·n(SB), R0
	MOVW	R0, R15
	RET

TEXT ·vfp(SB),NOSPLIT|NOFRAME,$0
	MOVD	F0, F1
	RET

// A coprocessor's instruction.
TEXT ·undecoded(SB),NOSPLIT|NOFRAME,$0
	WORD	$0xee000e00 | 1<<8
	WORD	$0xee1007d0
	RET

TEXT ·leaks(SB),NOSPLIT|NOFRAME,$0
	MOVM.DB.W	[R0-R3], (R13)
	RET

TEXT ·losesStack(SB),NOSPLIT|NOFRAME,$0
	MOVW	·n(SB), R0
	MOVW	R13, R1
	SUB	R0, R13, R13
	MOVW	R1, R13
	RET

TEXT ·traps(SB),NOSPLIT|NOFRAME,$0
	WORD	$0xe7f000f0
	RET

// A wait for a device that need not answer.
TEXT ·waits(SB),NOSPLIT|NOFRAME,$0
	MOVW	$·n(SB), R1
wait:
	MOVW	(R1), R0
	CMP	$0, R0
	BNE	wait
	RET

TEXT ·handsOverMore(SB),NOSPLIT|NOFRAME,$0
	SUB	$32, R13
	B	·takesDown(SB)
