//go:build tamago

#include "textflag.h"

// Q16 and Q17, the compiler's for copies.
TEXT ·saves(SB),NOSPLIT|NOFRAME,$0
	SUB	$32, RSP
	FSTPQ	(F16, F17), (RSP)
	FLDPQ	(RSP), (F16, F17)
	ADD	$32, RSP
	RET

// All of them, and what computing with them changes besides.
TEXT ·savesAll(SB),NOSPLIT|NOFRAME,$0
	SUB	$512, RSP
	FSTPQ	(F0, F1), (RSP)
	FSTPQ	(F2, F3), 32(RSP)
	FSTPQ	(F4, F5), 64(RSP)
	FSTPQ	(F6, F7), 96(RSP)
	FSTPQ	(F8, F9), 128(RSP)
	FSTPQ	(F10, F11), 160(RSP)
	FSTPQ	(F12, F13), 192(RSP)
	FSTPQ	(F14, F15), 224(RSP)
	FSTPQ	(F16, F17), 256(RSP)
	FSTPQ	(F18, F19), 288(RSP)
	FSTPQ	(F20, F21), 320(RSP)
	FSTPQ	(F22, F23), 352(RSP)
	FSTPQ	(F24, F25), 384(RSP)
	FSTPQ	(F26, F27), 416(RSP)
	FSTPQ	(F28, F29), 448(RSP)
	FSTPQ	(F30, F31), 480(RSP)
	MOVD	FPSR, R0
	ADD	$512, RSP
	RET

// A counter that goes to 0 by blocks, of which there are some, and one that need not meet it: a comment bounds that one.
TEXT ·assembly(SB),NOSPLIT|NOFRAME,$0
	MOVWU	·n(SB), R2
	AND	$0x7c0, R2, R2
	CBZ	R2, done
block:
	SUB	$64, R2
	CBNZ	R2, block
done:
	MOVWU	·n(SB), R2
again:
	CBZ	R2, out
	SUB	$1, R2
	B	again	//oob:loop const_rounds the corpus knows
out:
	RET

// A frame that another function takes down.
TEXT ·handsOver(SB),NOSPLIT|NOFRAME,$0
	SUB	$16, RSP
	B	·takesDown(SB)

TEXT ·takesDown(SB),NOSPLIT|NOFRAME,$0
	ADD	$16, RSP
	RET
