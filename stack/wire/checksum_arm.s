#include "textflag.h"

// The high half of R3 and below it that of R2, in one instruction (A8.8.125, ARM DDI 0406C.d).
#define PKHTB_R2_R3_R2_ASR_16	WORD	$0xe6832852

// SUM adds to R2 the R1 bytes at R0 and folds: the checksum is then in the high half of R2, wire order.
//
// 32 bytes by one LDM: a burst on the bus, where each single load from non-cacheable memory is a transfer of its own. The
// carry lives in C all the way: nothing between the additions changes it, as TST and TEQ with a constant that needs no
// rotation do not (A5.2.4, ARM DDI 0406C.d), and SUB without S. It is added once, at the end: a sum that carries is below
// 0xffffffff. The loop runs 31 times at most.
#define SUM \
	AND.S	$0x7c0, R1, R12	/* bytes in whole blocks; C = 0: bit 31 of a rotated constant */ \
	BEQ	tail \
block: \
	MOVM.IA.W	(R0), [R3-R9,R11] \
	ADC.S	R3, R2 \
	ADC.S	R4, R2 \
	ADC.S	R5, R2 \
	ADC.S	R6, R2 \
	ADC.S	R7, R2 \
	ADC.S	R8, R2 \
	ADC.S	R9, R2 \
	ADC.S	R11, R2 \
	MOVM.IA.W	(R0), [R3-R9,R11] \
	ADC.S	R3, R2 \
	ADC.S	R4, R2 \
	ADC.S	R5, R2 \
	ADC.S	R6, R2 \
	ADC.S	R7, R2 \
	ADC.S	R8, R2 \
	ADC.S	R9, R2 \
	ADC.S	R11, R2 \
	SUB	$64, R12 \
	TEQ	$0, R12 \
	BNE	block \
tail: \
	TST	$32, R1 \
	BEQ	under32 \
	MOVM.IA.W	(R0), [R3-R9,R11] \
	ADC.S	R3, R2 \
	ADC.S	R4, R2 \
	ADC.S	R5, R2 \
	ADC.S	R6, R2 \
	ADC.S	R7, R2 \
	ADC.S	R8, R2 \
	ADC.S	R9, R2 \
	ADC.S	R11, R2 \
under32: \
	TST	$16, R1 \
	BEQ	under16 \
	MOVM.IA.W	(R0), [R3-R6] \
	ADC.S	R3, R2 \
	ADC.S	R4, R2 \
	ADC.S	R5, R2 \
	ADC.S	R6, R2 \
under16: \
	TST	$15, R1 \
	BEQ	fold \
	TST	$8, R1 \
	BEQ	under8 \
	MOVM.IA.W	(R0), [R3-R4] \
	ADC.S	R3, R2 \
	ADC.S	R4, R2 \
under8: \
	TST	$4, R1 \
	BEQ	under4 \
	MOVW.P	4(R0), R3 \
	ADC.S	R3, R2 \
under4: \
	TST	$3, R1 \
	BEQ	fold \
	MOVW	(R0), R3	/* of the last word, its first R1&3 bytes */ \
	AND	$3, R1 \
	RSB	$4, R1 \
	MOVW	R1<<3, R1 \
	MOVW	R3<<R1, R3 \
	MOVW	R3>>R1, R3 \
	ADC.S	R3, R2 \
fold: \
	ADC	$0, R2 \
	ADD	R2@>16, R2	/* high half: the sum of both halves */ \
	MVN	R2, R2

// func Sum(addr uintptr, n, sum uint32) uint32
TEXT ·Sum(SB),NOSPLIT|NOFRAME,$0-16
	MOVW	addr+0(FP), R0
	MOVW	n+4(FP), R1
	MOVW	sum+8(FP), R2
	SUM	//oob:burst frames are in normal memory, packets aligned
	MOVW	R2>>16, R2
	MOVW	R2, ret+12(FP)
	RET

// func SumUDP(packet uintptr, n uint32) uint32
//
// The payload's sum starts at the addresses: with protocol and length they are the pseudo header.
TEXT ·SumUDP(SB),NOSPLIT|NOFRAME,$0-12
	MOVW	packet+0(FP), R0
	MOVW	n+4(FP), R1
	MOVHU	24(R0), R2		// UDP length
	MOVM.IA.W	(R0), [R3-R5]	// R0: the addresses //oob:burst the same
	MOVM.IA	(R0), [R6-R7]	//oob:burst the same
	ADD	$8, R1
	ADD	$(17<<8), R2		// protocol
	ADD.S	R4, R3
	ADC.S	R5, R3
	ADC.S	R6, R3
	ADC.S	R7, R3
	ADC	$0, R3
	ADD	R3@>16, R3
	MVN	R3, R3
	MOVW	R3, ret+8(FP)
	SUM	//oob:burst frames are in normal memory, packets aligned
	MOVW	ret+8(FP), R3
	PKHTB_R2_R3_R2_ASR_16
	MOVW	R2, ret+8(FP)
	RET
