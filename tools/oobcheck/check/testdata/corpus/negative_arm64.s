//go:build tamago

#include "textflag.h"

TEXT ·jumps(SB),NOSPLIT|NOFRAME,$0
	MOVWU	·n(SB), R0
	JMP	(R0)

TEXT ·vfp(SB),NOSPLIT|NOFRAME,$0
	FADDD	F0, F1
	RET

// An instruction of pointer authentication, which neither compiler nor assembler makes.
TEXT ·undecoded(SB),NOSPLIT|NOFRAME,$0
	WORD	$0xdac10000
	RET

TEXT ·leaks(SB),NOSPLIT|NOFRAME,$0
	STP.W	(R0, R1), -16(RSP)
	RET

TEXT ·losesStack(SB),NOSPLIT|NOFRAME,$0
	MOVWU	·n(SB), R0
	MOVD	RSP, R1
	SUB	R0, R1
	MOVD	R1, RSP
	RET

TEXT ·traps(SB),NOSPLIT|NOFRAME,$0
	BRK	$1
	RET

// A wait for a device that need not answer.
TEXT ·waits(SB),NOSPLIT|NOFRAME,$0
	MOVD	$·n(SB), R1
wait:
	MOVWU	(R1), R0
	CBZ	R0, wait
	RET

TEXT ·handsOverMore(SB),NOSPLIT|NOFRAME,$0
	SUB	$32, RSP
	B	·takesDown(SB)
