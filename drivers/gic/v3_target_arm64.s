//go:build tamago

#include "textflag.h"

#define DSB_SY	DSB	$15
#define ISB_SY	ISB	$15

// func AcknowledgeOob() uint32
// A special ID is not ended: nothing was acknowledged (ICC_EOIR0_EL1, chapter 12, IHI 0069).
TEXT ·AcknowledgeOob(SB),NOSPLIT|NOFRAME,$0-4
	MRS	ICC_IAR0_EL1, R0
	DSB_SY
	SUB	$1020, R0, R1
	CMP	$4, R1
	BLO	none
	MSR	R0, ICC_EOIR0_EL1
	ISB_SY
none:
	MOVW	R0, ret+0(FP)
	RET

// func acknowledgeInband() uint32
TEXT ·acknowledgeInband(SB),NOSPLIT|NOFRAME,$0-4
	MRS	ICC_IAR1_EL1, R0
	DSB_SY
	SUB	$1020, R0, R1
	CMP	$4, R1
	BLO	none
	MSR	R0, ICC_EOIR1_EL1
	ISB_SY
none:
	MOVW	R0, ret+0(FP)
	RET

// func raiseOob(sgi uint64)
TEXT ·raiseOob(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	sgi+0(FP), R0
	DSB_SY
	MSR	R0, ICC_SGI0R_EL1
	ISB_SY
	RET

// func raiseInband(sgi uint64)
TEXT ·raiseInband(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	sgi+0(FP), R0
	DSB_SY
	MSR	R0, ICC_SGI1R_EL1
	ISB_SY
	RET

// func enableInband(enable uint64)
TEXT ·enableInband(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	enable+0(FP), R0
	MSR	R0, ICC_IGRPEN1_EL1
	ISB_SY
	RET

// func initCPU(mask, point uint64)
TEXT ·initCPU(SB),NOSPLIT|NOFRAME,$0-16
	MOVD	mask+0(FP), R1
	MOVD	point+8(FP), R2
	MRS	ICC_SRE_EL1, R0
	ORR	$1, R0	// SRE
	MSR	R0, ICC_SRE_EL1
	ISB_SY
	MSR	R1, ICC_PMR_EL1
	MSR	R2, ICC_BPR0_EL1
	MSR	ZR, ICC_BPR1_EL1
	MSR	ZR, ICC_CTLR_EL1	// EOImode 0, CBPR 0
	MOVD	$1, R0
	MSR	R0, ICC_IGRPEN0_EL1
	MSR	R0, ICC_IGRPEN1_EL1
	ISB_SY
	RET
