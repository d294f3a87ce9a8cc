//go:build tamago && arm

#include "textflag.h"

// DMB SY and DSB SY, by number: the assembler knows them only with an option operand that differs between releases
// (A8.8.43, A8.8.44, ARM DDI 0406C.d).
#define DMB_SY	WORD $0xf57ff05f
#define DSB_SY	WORD $0xf57ff04f

// func Read(addr uintptr) uint32
TEXT ·Read(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	addr+0(FP), R0
	MOVW	(R0), R0
	MOVW	R0, ret+4(FP)
	RET

// func Write(addr uintptr, v uint32)
TEXT ·Write(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	addr+0(FP), R0
	MOVW	v+4(FP), R1
	MOVW	R1, (R0)
	RET

// func Read16(addr uintptr) uint16
TEXT ·Read16(SB),NOSPLIT|NOFRAME,$0-6
	MOVW	addr+0(FP), R0
	MOVHU	(R0), R0
	MOVH	R0, ret+4(FP)
	RET

// func Write16(addr uintptr, v uint16)
TEXT ·Write16(SB),NOSPLIT|NOFRAME,$0-6
	MOVW	addr+0(FP), R0
	MOVHU	v+4(FP), R1
	MOVH	R1, (R0)
	RET

// func WriteAfter(addr uintptr, v uint32)
TEXT ·WriteAfter(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	addr+0(FP), R0
	MOVW	v+4(FP), R1
	DSB_SY
	MOVW	R1, (R0)
	RET

// func Load(p *uint32) uint32
TEXT ·Load(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	p+0(FP), R0
	MOVW	(R0), R0
	DMB_SY
	MOVW	R0, ret+4(FP)
	RET

// func Store(p *uint32, v uint32)
TEXT ·Store(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	p+0(FP), R0
	MOVW	v+4(FP), R1
	DMB_SY
	MOVW	R1, (R0)
	RET

// func LoadMem(addr uintptr) uint32
TEXT ·LoadMem(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	addr+0(FP), R0
	MOVW	(R0), R0
	DMB_SY
	MOVW	R0, ret+4(FP)
	RET

// func StoreMem(addr uintptr, v uint32)
TEXT ·StoreMem(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	addr+0(FP), R0
	MOVW	v+4(FP), R1
	DMB_SY
	MOVW	R1, (R0)
	RET
