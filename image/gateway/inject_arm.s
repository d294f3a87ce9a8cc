//go:build tamago && inject

#include "textflag.h"

// func wildJump(addr uintptr)
TEXT ·wildJump(SB),NOSPLIT,$4-4
	MOVW	addr+0(FP), R0
	BL	(R0)
	RET

// func undefinedInstruction()
TEXT ·undefinedInstruction(SB),NOSPLIT,$0
	WORD	$0xe7f000f0	// permanently undefined (A5.4, ARM DDI 0406C)
	RET

// func hang()
TEXT ·hang(SB),NOSPLIT,$0
	WORD	$0xf10c00c0	// cpsid if
	B	0(PC)
