#include "textflag.h"

// func Sum(addr uintptr, n, sum uint32) uint32
//
// 32 bytes by one LDM: a burst on the bus, where each single load from non-cacheable memory is a transfer of its own. The
// carry lives in C all the way: nothing between the additions changes it, as TST and TEQ with a constant that needs no
// rotation do not (A5.2.4, ARM DDI 0406C.d), and SUB without S. The loop runs 31 times at most.
TEXT ·Sum(SB),NOSPLIT|NOFRAME,$0-16
	MOVW	addr+0(FP), R0
	MOVW	n+4(FP), R1
	MOVW	sum+8(FP), R2
	AND.S	$0x7c0, R1, R12		// bytes in whole blocks; C = 0: bit 31 of a rotated constant
	BEQ	tail
block:
	MOVM.IA.W	(R0), [R3-R9,R11]
	ADC.S	R3, R2
	ADC.S	R4, R2
	ADC.S	R5, R2
	ADC.S	R6, R2
	ADC.S	R7, R2
	ADC.S	R8, R2
	ADC.S	R9, R2
	ADC.S	R11, R2
	MOVM.IA.W	(R0), [R3-R9,R11]
	ADC.S	R3, R2
	ADC.S	R4, R2
	ADC.S	R5, R2
	ADC.S	R6, R2
	ADC.S	R7, R2
	ADC.S	R8, R2
	ADC.S	R9, R2
	ADC.S	R11, R2
	SUB	$64, R12
	TEQ	$0, R12
	BNE	block
tail:
	TST	$32, R1
	BEQ	under32
	MOVM.IA.W	(R0), [R3-R9,R11]
	ADC.S	R3, R2
	ADC.S	R4, R2
	ADC.S	R5, R2
	ADC.S	R6, R2
	ADC.S	R7, R2
	ADC.S	R8, R2
	ADC.S	R9, R2
	ADC.S	R11, R2
under32:
	TST	$16, R1
	BEQ	under16
	MOVM.IA.W	(R0), [R3-R6]
	ADC.S	R3, R2
	ADC.S	R4, R2
	ADC.S	R5, R2
	ADC.S	R6, R2
under16:
	TST	$15, R1
	BEQ	fold
	TST	$8, R1
	BEQ	under8
	MOVM.IA.W	(R0), [R3-R4]
	ADC.S	R3, R2
	ADC.S	R4, R2
under8:
	TST	$4, R1
	BEQ	under4
	MOVW.P	4(R0), R3
	ADC.S	R3, R2
under4:
	TST	$3, R1
	BEQ	fold
	MOVW	(R0), R3		// of the last word, its first R1&3 bytes
	AND	$3, R1
	RSB	$4, R1
	MOVW	R1<<3, R1
	MOVW	R3<<R1, R3
	MOVW	R3>>R1, R3
	ADC.S	R3, R2
fold:
	ADC.S	$0, R2			// twice: 0xffffffff and a carry make another
	ADC	$0, R2
	ADD	R2@>16, R2		// high half: the sum of both halves
	MVN	R2, R2
	MOVW	R2>>16, R2
	MOVW	R2, ret+12(FP)
	RET
