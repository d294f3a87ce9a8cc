//go:build tamago

#include "textflag.h"

TEXT ·Bursts(SB),NOSPLIT|NOFRAME,$0
	MOVD	$·Base(SB), R0
	MOVD	(R0), R0
	FLDPQ	(R0), (F16, F17)
	RET

TEXT ·BurstsStated(SB),NOSPLIT|NOFRAME,$0
	MOVD	$·Base(SB), R0
	MOVD	(R0), R0
	FLDPQ	(R0), (F16, F17)	//oob:burst the corpus knows
	RET
