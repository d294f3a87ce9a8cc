//go:build tamago

#include "textflag.h"

// func Acknowledge(cpu uintptr) uint32
TEXT ·Acknowledge(SB),NOSPLIT|NOFRAME,$0-8
	MOVW	cpu+0(FP), R0
	MOVW	0x0c(R0), R1	// GICC_IAR
	MOVW	R1, 0x10(R0)	// GICC_EOIR; a spurious ID is ignored (4.4.5, IHI 0048B.b)
	BFXU	$10, $0, R1	// the ID alone: an SGI has its source processor above it
	MOVW	R1, ret+4(FP)
	RET
