// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "textflag.h"

// func Relay(sig int)
//
// Makes the scheduler deliver sig to the channels given to Notify. For
// interrupt handlers: two stores, no use of g, on any stack. Clobbers R0-R2
// and R27.
TEXT ·Relay(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	sig+0(FP), R0
	CMP	$64, R0		// runtime._NSIG
	BHS	done
	MOVD	$1, R1
	MOVD	$runtime·relayed(SB), R2
	ADD	R0, R2
	MOVB	R1, (R2)
	MOVD	$runtime·relayedAny(SB), R2
	MOVB	R1, (R2)
done:
	RET
