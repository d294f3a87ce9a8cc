#include "textflag.h"

// func Copy(to, from uintptr, n uint32)
//
// A round is one LDM and one STM: a burst on the bus each, where single accesses to non-cacheable memory are transfers of their
// own. To higher addresses it copies from the end, so that a frame can be moved within its slot.
TEXT ·Copy(SB),NOSPLIT|NOFRAME,$0-12
	MOVW	to+0(FP), R0
	MOVW	from+4(FP), R1
	MOVW	n+8(FP), R2
	MOVW	$32, R12	// from round to round
	ADD	$31, R2
	AND	$0x7e0, R2	// 63 rounds at most
	CMP	R1, R0
	ADD.HI	R2, R0
	ADD.HI	R2, R1
	SUB.HI	R12, R0
	SUB.HI	R12, R1
	MOVW.HI	$-32, R12
	TEQ	$0, R2
	BEQ	done
round:
	MOVM.IA	(R1), [R3-R9,R11]	//oob:burst frames are in normal memory, words aligned
	MOVM.IA	[R3-R9,R11], (R0)	//oob:burst the same
	ADD	R12, R1
	ADD	R12, R0
	SUB	$32, R2
	TEQ	$0, R2
	BNE	round //oob:total MaxCopies*maxRounds divert.Poll stack/divert lets so many frames of an activation be copied
done:
	RET
