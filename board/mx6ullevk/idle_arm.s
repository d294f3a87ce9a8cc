//go:build tamago

#include "textflag.h"

// func waitInband()
TEXT ·waitInband(SB),NOSPLIT|NOFRAME,$0
	WORD	$0xe10f1000	// mrs r1, cpsr
	WORD	$0xf10c0080	// cpsid i
	WORD	$0xf57ff04f	// dsb sy
wait:
	WORD	$0xe320f003	// wfi
	MRC	15, 0, R0, C12, C1, 0	// ISR, Interrupt Status Register (B4.1, ARM DDI 0406C)
	TST	$0x80, R0	// I: an IRQ is pending
	B.EQ	wait
	WORD	$0xe121f001	// msr cpsr_c, r1
	RET
