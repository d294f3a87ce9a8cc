//go:build tamago

#include "textflag.h"

// func Read(addr uintptr) uint32
TEXT ·Read(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	addr+0(FP), R0
	MOVWU	(R0), R0
	MOVW	R0, ret+8(FP)
	RET

// func Write(addr uintptr, v uint32)
TEXT ·Write(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	addr+0(FP), R0
	MOVWU	v+8(FP), R1
	MOVW	R1, (R0)
	RET

// func Read16(addr uintptr) uint16
TEXT ·Read16(SB),NOSPLIT|NOFRAME,$0-10
	MOVD	addr+0(FP), R0
	MOVHU	(R0), R0
	MOVH	R0, ret+8(FP)
	RET

// func Write16(addr uintptr, v uint16)
TEXT ·Write16(SB),NOSPLIT|NOFRAME,$0-10
	MOVD	addr+0(FP), R0
	MOVHU	v+8(FP), R1
	MOVH	R1, (R0)
	RET

// func WriteAfter(addr uintptr, v uint32)
TEXT ·WriteAfter(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	addr+0(FP), R0
	MOVWU	v+8(FP), R1
	DSB	$15	// SY
	MOVW	R1, (R0)
	RET

// func Load(p *uint32) uint32
TEXT ·Load(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	p+0(FP), R0
	MOVWU	(R0), R0
	DMB	$15
	MOVW	R0, ret+8(FP)
	RET

// func Store(p *uint32, v uint32)
TEXT ·Store(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	p+0(FP), R0
	MOVWU	v+8(FP), R1
	DMB	$15
	MOVW	R1, (R0)
	RET

// func LoadMem(addr uintptr) uint32
TEXT ·LoadMem(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	addr+0(FP), R0
	MOVWU	(R0), R0
	DMB	$15
	MOVW	R0, ret+8(FP)
	RET

// func StoreMem(addr uintptr, v uint32)
TEXT ·StoreMem(SB),NOSPLIT|NOFRAME,$0-12
	MOVD	addr+0(FP), R0
	MOVWU	v+8(FP), R1
	DMB	$15
	MOVW	R1, (R0)
	RET
