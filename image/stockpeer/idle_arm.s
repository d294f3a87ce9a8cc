//go:build tamago

#include "textflag.h"

// func waitInterrupt()
TEXT ·waitInterrupt(SB),NOSPLIT|NOFRAME,$0
	WORD	$0xe10f1000	// mrs r1, cpsr
	WORD	$0xf10c0080	// cpsid i
	WORD	$0xf57ff04f	// dsb sy
	WORD	$0xe320f003	// wfi
	WORD	$0xe121f001	// msr cpsr_c, r1
	RET
