// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// The assembler makes a reference to thread-local storage one to this.
GLOBL	runtime·tamagoTLS(SB), NOPTR, $8

// settls would set the base of the thread-local storage of another thread,
// see TamaGo's amd64 package. There is neither.
TEXT runtime·settls(SB),NOSPLIT|NOFRAME,$0
	RET

// func cpuBrand(p *[48]byte)
TEXT runtime·cpuBrand(SB),NOSPLIT,$0-8
	MOVQ	p+0(FP), DI
	MOVL	$0x80000000, AX
	CPUID
	CMPL	AX, $0x80000004
	JCS	done
	MOVL	$0x80000002, SI
part:
	MOVL	SI, AX
	CPUID
	MOVL	AX, 0(DI)
	MOVL	BX, 4(DI)
	MOVL	CX, 8(DI)
	MOVL	DX, 12(DI)
	ADDQ	$16, DI
	INCL	SI
	CMPL	SI, $0x80000004
	JLS	part
done:
	RET

// func WakeG(): AX holds the goroutine. Clobbers BX and CX.
TEXT runtime·WakeG(SB),NOSPLIT|NOFRAME,$0
	MOVQ	$runtime·wakeRequest(SB), BX
	MOVL	$8, CX
slot:
	CMPQ	(BX), $0
	JEQ	take
	CMPQ	(BX), AX
	JEQ	take
	ADDQ	$8, BX
	DECL	CX
	JNE	slot
	RET
take:
	MOVQ	AX, (BX)
	MOVB	$1, runtime·relayedAny(SB)
	RET
