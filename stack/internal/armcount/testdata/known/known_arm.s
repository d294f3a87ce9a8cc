#include "textflag.h"

// func twelve(): pushes LR, eight of its own, calls three, one more, pops into PC.
TEXT ·twelve(SB), NOSPLIT, $4-0
	MOVW $1, R0
	MOVW $2, R0
	MOVW $3, R0
	MOVW $4, R0
	MOVW $5, R0
	MOVW $6, R0
	MOVW $7, R0
	MOVW $8, R0
	BL   ·three(SB)
	MOVW $9, R0
	RET

TEXT ·three(SB), NOSPLIT|NOFRAME, $0-0
	MOVW $1, R0
	MOVW $2, R0
	RET
