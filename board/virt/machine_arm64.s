//go:build tamago

#include "textflag.h"

// func psci(function uint64)
TEXT ·psci(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	function+0(FP), R0
	HVC	$0
	RET

// func setMAIR(attributes uint64)
TEXT ·setMAIR(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	attributes+0(FP), R0
	MSR	R0, MAIR_EL1
	ISB	$15
	RET

// func wait(ticks uint64)
// ISR_EL1 tells what is pending, masked or not.
TEXT ·wait(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	ticks+0(FP), R1
	MRS	DAIF, R2
	MSR	$2, DAIFSet	// I
	CBZ	R1, again
	MOVD	$1, R0
	MSR	R1, CNTP_TVAL_EL0
	MSR	R0, CNTP_CTL_EL0
	ISB	$15
again:
	DSB	$15
	WFI
	MRS	ISR_EL1, R0
	TBZ	$7, R0, again	// I
	MSR	ZR, CNTP_CTL_EL0
	ISB	$15
	MSR	R2, DAIF
	RET
