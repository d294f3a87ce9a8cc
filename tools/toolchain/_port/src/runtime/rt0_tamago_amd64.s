// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// The program's entry point. There is no stack yet.
TEXT _rt0_amd64_tamago(SB),NOSPLIT|NOFRAME,$0
	JMP	runtime∕goos·CPUInit(SB)

// CPUInit comes here, with a stack.
TEXT _rt0_tamago_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	// Hwinit0 may be compiled Go: its prologue compares the stack pointer
	// with what g says, and X15 is zero in it. rt0_go sets g0 up again.
	MOVQ	$runtime·g0(SB), R14
	MOVQ	R14, runtime·tamagoTLS(SB)
	LEAQ	(-64*1024+104)(SP), AX
	MOVQ	AX, (g_stack+stack_lo)(R14)
	MOVQ	SP, (g_stack+stack_hi)(R14)
	ADDQ	$const_stackGuard, AX
	MOVQ	AX, g_stackguard0(R14)
	MOVQ	AX, g_stackguard1(R14)
	XORPS	X15, X15
	ANDQ	$~15, SP

	CALL	runtime∕goos·Hwinit0(SB)

	MOVQ	$0, DI	// argc
	MOVQ	$0, SI	// argv
	MOVQ	runtime·bootArgs(SB), AX
	TESTQ	AX, AX
	JEQ	3(PC)
	MOVQ	(AX), DI
	LEAQ	8(AX), SI
	JMP	runtime·rt0_go(SB)
