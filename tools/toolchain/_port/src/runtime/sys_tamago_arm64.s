// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// func WakeG(): R0 holds the goroutine. Clobbers R1-R4 and R27.
TEXT runtime·WakeG(SB),NOSPLIT|NOFRAME,$0
	MOVD	$runtime·wakeRequest(SB), R1
	MOVD	$8, R2
slot:
	MOVD	(R1), R3
	CBZ	R3, take
	CMP	R0, R3
	BEQ	take
	ADD	$8, R1
	SUB	$1, R2
	CBNZ	R2, slot
	RET
take:
	MOVD	R0, (R1)
	MOVD	$1, R3
	MOVD	$runtime·relayedAny(SB), R4
	MOVB	R3, (R4)
	RET
