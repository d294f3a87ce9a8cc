// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "go_asm.h"
#include "textflag.h"

// Numbers of asm/unistd_64.h.
#define SYS_write		1
#define SYS_mmap		9
#define SYS_rt_sigaction	13
#define SYS_rt_sigreturn	15
#define SYS_sigaltstack		131
#define SYS_clock_gettime	228
#define SYS_clock_nanosleep	230
#define SYS_exit_group		231
#define SYS_getrandom		318

#define SIGBUS	7
#define SIGSEGV	11

// The process starts here. SP points to argc.
TEXT ·CPUInit(SB),NOSPLIT|NOFRAME,$0
	MOVQ	SP, runtime·bootArgs(SB)

	MOVQ	$const_ramStart, DI
	MOVQ	$const_ramSize, SI
	MOVL	$3, DX		// PROT_READ | PROT_WRITE
	MOVL	$0x104022, R10	// MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
	MOVQ	$-1, R8
	MOVL	$0, R9
	MOVL	$SYS_mmap, AX
	SYSCALL
	MOVQ	$const_ramStart, DI
	CMPQ	AX, DI
	JNE	nomem

	// A signal's frame does not fit on a goroutine's stack.
	MOVQ	$·altStack(SB), DI
	MOVL	$0, SI
	MOVL	$SYS_sigaltstack, AX
	SYSCALL
	MOVL	$SIGSEGV, DI
	MOVQ	$·faultAction(SB), SI
	MOVL	$0, DX
	MOVL	$8, R10
	MOVL	$SYS_rt_sigaction, AX
	SYSCALL
	MOVL	$SIGBUS, DI
	MOVQ	$·faultAction(SB), SI
	MOVL	$0, DX
	MOVL	$8, R10
	MOVL	$SYS_rt_sigaction, AX
	SYSCALL

	MOVQ	$(const_ramStart+const_ramSize-const_ramStackOffset), SP
	JMP	_rt0_tamago_start(SB)

nomem:
	MOVL	$2, DI
	MOVQ	$·noMemory(SB), SI
	MOVL	$30, DX
	MOVL	$SYS_write, AX
	SYSCALL
	MOVL	$2, DI
	MOVL	$SYS_exit_group, AX
	SYSCALL
	INT	$3

DATA	·noMemory+0(SB)/8, $"goos: no"
DATA	·noMemory+8(SB)/8, $" 2 GB at"
DATA	·noMemory+16(SB)/8, $" 0xc0000"
DATA	·noMemory+24(SB)/8, $"00000\n  "
GLOBL	·noMemory(SB), RODATA, $32

// stack_t
DATA	·altStack+0(SB)/8, $·sigStack(SB)
DATA	·altStack+16(SB)/8, $65536
GLOBL	·altStack(SB), NOPTR, $24
GLOBL	·sigStack(SB), NOPTR, $65536

// struct sigaction of the kernel
DATA	·faultAction+0(SB)/8, $·fault(SB)
DATA	·faultAction+8(SB)/8, $0x0c000004	// SA_SIGINFO | SA_ONSTACK | SA_RESTORER
DATA	·faultAction+16(SB)/8, $·sigreturn(SB)
GLOBL	·faultAction(SB), NOPTR, $32

// fault has the faulting instruction call sigpanic: SI is the siginfo, DX the
// ucontext. Where a nil function was called its caller's call is the place.
TEXT ·fault(SB),NOSPLIT|NOFRAME,$0
	MOVQ	16(SI), AX	// si_addr
	MOVQ	AX, runtime·faultAddr(SB)
	MOVQ	168(DX), AX	// rip
	CMPQ	AX, $4096
	JCS	called
	MOVQ	160(DX), BX	// rsp
	SUBQ	$8, BX
	MOVQ	AX, (BX)
	MOVQ	BX, 160(DX)
called:
	MOVQ	$runtime·sigpanic0(SB), AX
	MOVQ	AX, 168(DX)
	RET

TEXT ·sigreturn(SB),NOSPLIT|NOFRAME,$0
	MOVL	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3

TEXT ·Hwinit0(SB),NOSPLIT,$0-0
	RET

TEXT ·Hwinit1(SB),NOSPLIT,$0-0
	RET

TEXT ·InitRNG(SB),NOSPLIT,$0-0
	RET

// func Nanotime() int64
TEXT ·Nanotime(SB),NOSPLIT,$16-8
	MOVL	$0, DI	// CLOCK_REALTIME
	LEAQ	0(SP), SI
	MOVL	$SYS_clock_gettime, AX
	SYSCALL
	MOVQ	0(SP), AX
	IMULQ	$1000000000, AX
	ADDQ	8(SP), AX
	MOVQ	AX, ret+0(FP)
	RET

// func sleepUntil(ns int64)
TEXT ·sleepUntil(SB),NOSPLIT,$16-8
	MOVQ	ns+0(FP), AX
	MOVQ	$0, DX
	MOVQ	$1000000000, BX
	DIVQ	BX
	MOVQ	AX, 0(SP)
	MOVQ	DX, 8(SP)
	MOVL	$0, DI	// CLOCK_REALTIME
	MOVL	$1, SI	// TIMER_ABSTIME
	LEAQ	0(SP), DX
	MOVL	$0, R10
	MOVL	$SYS_clock_nanosleep, AX
	SYSCALL
	RET

// func getrandom(p unsafe.Pointer, n uintptr) int
TEXT ·getrandom(SB),NOSPLIT,$0-24
	MOVQ	p+0(FP), DI
	MOVQ	n+8(FP), SI
	MOVL	$0, DX
	MOVL	$SYS_getrandom, AX
	SYSCALL
	MOVQ	AX, ret+16(FP)
	RET

// func write(p unsafe.Pointer, n uintptr) int
TEXT ·write(SB),NOSPLIT,$0-24
	MOVL	$1, DI
	MOVQ	p+0(FP), SI
	MOVQ	n+8(FP), DX
	MOVL	$SYS_write, AX
	SYSCALL
	MOVQ	AX, ret+16(FP)
	RET

// func exit(code int32)
TEXT ·exit(SB),NOSPLIT,$0-4
	MOVL	code+0(FP), DI
	MOVL	$SYS_exit_group, AX
	SYSCALL
	INT	$3
