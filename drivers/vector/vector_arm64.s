//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// save keeps what was interrupted, and goes on at R1 with RSP the frame.
TEXT ·save(SB),NOSPLIT|NOFRAME,$0
	MOVD	$·irqStack+(const_irqStackSize-const_irqFrame)(SB), R0
	STP	(R2, R3), 16(R0)
	MOVD	RSP, R2
	MOVD	R2, 248(R0)
	LDP	-32(R2), (R2, R3)	// R0 and R1
	STP	(R2, R3), 0(R0)
	MOVD	R0, RSP
	MRS	TPIDR_EL0, R0
	STP	(R0, R18_PLATFORM), 256(RSP)
	STP	(R4, R5), 32(RSP)
	STP	(R6, R7), 48(RSP)
	STP	(R8, R9), 64(RSP)
	STP	(R10, R11), 80(RSP)
	STP	(R12, R13), 96(RSP)
	STP	(R14, R15), 112(RSP)
	STP	(R16, R17), 128(RSP)
	STP	(ZR, R19), 144(RSP)
	STP	(R20, R21), 160(RSP)
	STP	(R22, R23), 176(RSP)
	STP	(R24, R25), 192(RSP)
	STP	(R26, R27), 208(RSP)
	STP	(g, R29), 224(RSP)
	MOVD	R30, 240(RSP)
	JMP	(R1)

// restore returns to what was interrupted. A FIQ overwrites ELR_EL1 and SPSR_EL1: F is masked where they are needed.
TEXT ·restore(SB),NOSPLIT|NOFRAME,$0
	MOVD	240(RSP), R30
	LDP	224(RSP), (g, R29)
	LDP	208(RSP), (R26, R27)
	LDP	192(RSP), (R24, R25)
	LDP	176(RSP), (R22, R23)
	LDP	160(RSP), (R20, R21)
	MOVD	152(RSP), R19
	LDP	128(RSP), (R16, R17)
	LDP	112(RSP), (R14, R15)
	LDP	96(RSP), (R12, R13)
	LDP	80(RSP), (R10, R11)
	LDP	64(RSP), (R8, R9)
	LDP	48(RSP), (R6, R7)
	LDP	32(RSP), (R4, R5)
	LDP	16(RSP), (R2, R3)
	MOVD	248(RSP), R18_PLATFORM
	LDP	0(RSP), (R0, R1)
	STP	(R0, R1), -32(R18_PLATFORM)
	LDP	256(RSP), (R0, R1)
	MOVD	R18_PLATFORM, RSP
	MSR	$1, DAIFSet
	MSR	R0, ELR_EL1
	MSR	R1, SPSR_EL1
	LDP	-32(RSP), (R0, R1)
	ERET
