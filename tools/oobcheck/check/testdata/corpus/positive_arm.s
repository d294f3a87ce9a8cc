//go:build tamago

#include "textflag.h"

// A counter that goes to 0 by blocks, of which there are some, and one that need not meet it: a comment bounds that one.
TEXT ·assembly(SB),NOSPLIT|NOFRAME,$0
	MOVW	$·n(SB), R1
	MOVW	(R1), R2
	AND	$0x7c0, R2, R2
	CMP	$0, R2
	BEQ	done
block:
	SUB	$64, R2
	TEQ	$0, R2
	BNE	block
done:
	MOVW	(R1), R2
again:
	CMP	$0, R2
	BEQ	out
	SUB	$1, R2
	B	again	//oob:loop const_rounds the corpus knows
out:
	RET

// A frame that another function takes down.
TEXT ·handsOver(SB),NOSPLIT|NOFRAME,$0
	SUB	$16, R13
	B	·takesDown(SB)

TEXT ·takesDown(SB),NOSPLIT|NOFRAME,$0
	ADD	$16, R13
	RET
