//go:build tamago

#include "textflag.h"

TEXT ·Bursts(SB),NOSPLIT|NOFRAME,$0
	MOVW	·Base(SB), R0
	MOVM.IA	(R0), [R1-R4]
	RET

TEXT ·BurstsStated(SB),NOSPLIT|NOFRAME,$0
	MOVW	·Base(SB), R0
	MOVM.IA	(R0), [R1-R4]	//oob:burst the corpus knows
	RET
