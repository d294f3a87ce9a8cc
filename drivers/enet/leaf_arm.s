//go:build tamago && arm

#include "textflag.h"

// DMB SY and DSB SY (A8.8.43, A8.8.44, ARM DDI 0406C.d), by number as in drivers/mmio.
#define DMB_SY	WORD $0xf57ff05f
#define DSB_SY	WORD $0xf57ff04f

#define TDAR		0x14
#define TDAR_TDAR	(1<<24)

// func barrier()
TEXT ·barrier(SB),NOSPLIT|NOFRAME,$0-0
	DMB_SY
	RET

// func startTx(base uintptr)
TEXT ·startTx(SB),NOSPLIT|NOFRAME,$0-4
	MOVW	base+0(FP), R0
	DSB_SY
	MOVW	TDAR(R0), R1
	CMP	$0, R1
	MOVW.EQ	$TDAR_TDAR, R1
	MOVW.EQ	R1, TDAR(R0)
	RET

// func send(base uintptr, d *desc, ctl uint32)
TEXT ·send(SB),NOSPLIT|NOFRAME,$0-12
	MOVW	base+0(FP), R0
	MOVW	d+4(FP), R1
	MOVW	ctl+8(FP), R2
	DMB_SY
	MOVW	R2, (R1)
	DSB_SY
	MOVW	TDAR(R0), R1
	CMP	$0, R1
	MOVW.EQ	$TDAR_TDAR, R1
	MOVW.EQ	R1, TDAR(R0)
	RET
