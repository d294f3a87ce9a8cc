// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// The program's entry point. There is no stack yet.
TEXT _rt0_arm64_tamago(SB),NOSPLIT|NOFRAME,$0
	B	runtime∕goos·CPUInit(SB)

// CPUInit comes here, with a stack.
TEXT _rt0_tamago_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	// Hwinit0 may be compiled Go: its prologue compares the stack pointer
	// with what g says. rt0_go sets g0 up again.
	MOVD	$runtime·g0(SB), g
	MOVD	RSP, R7
	MOVD	$(-64*1024)(R7), R0
	MOVD	R0, (g_stack+stack_lo)(g)
	MOVD	R7, (g_stack+stack_hi)(g)
	ADD	$const_stackGuard, R0
	MOVD	R0, g_stackguard0(g)
	MOVD	R0, g_stackguard1(g)

	SUB	$16, RSP
	BL	runtime∕goos·Hwinit0(SB)
	ADD	$16, RSP

	MOVD	$0, R0	// argc
	MOVD	$0, R1	// argv
	B	runtime·rt0_go(SB)
