// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "textflag.h"

TEXT ·CPUInit(SB),NOSPLIT|NOFRAME,$0
	JMP	cpuinit(SB)
