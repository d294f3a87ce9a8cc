// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

#include "textflag.h"

// func Relay(sig int)
//
// Makes the scheduler deliver sig to the channels given to Notify. For
// interrupt handlers: two stores, no use of g, on any stack. Clobbers AX and
// BX.
TEXT ·Relay(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	sig+0(FP), AX
	CMPQ	AX, $64		// runtime._NSIG
	JCC	done
	MOVQ	$runtime·relayed(SB), BX
	MOVB	$1, (BX)(AX*1)
	MOVB	$1, runtime·relayedAny(SB)
done:
	RET
