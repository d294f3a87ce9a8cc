// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// What interrupt handlers tell the scheduler. They run at any instruction, on
// any stack, with any g: they store, the scheduler acts when it next looks for
// a goroutine to run. A store that comes after that look finds the interrupt
// still masked and pending, so that the board's idle function does not sleep.

// relayed has a byte for each signal given to os/signal.Relay, relayedAny is
// set after any of them. The handlers write a 1, the scheduler a 0: no
// read-modify-write, no lost signal. The linkname lets the assembly of
// os/signal refer to them.
//
//go:linkname relayed
var relayed [_NSIG]uint8

//go:linkname relayedAny
var relayedAny uint8

// wakeRequest holds the goroutines to wake from time.Sleep, see Wake. A slot
// is free when 0.
var wakeRequest [8]uintptr

// tamagoPoll runs on g0 with a P, before the scheduler takes the next
// goroutine. Having a P, it may use write barriers.
//
//go:yeswritebarrierrec
func tamagoPoll() {
	if atomic.Load8(&relayedAny) == 0 {
		return
	}
	atomic.Store8(&relayedAny, 0)

	for s := range relayed {
		if atomic.Load8(&relayed[s]) != 0 {
			atomic.Store8(&relayed[s], 0)
			sigsend(uint32(s))
		}
	}

	for i := range wakeRequest {
		if gp := atomic.Loaduintptr(&wakeRequest[i]); gp != 0 {
			atomic.Storeuintptr(&wakeRequest[i], 0)
			wakeSleeper((*g)(unsafe.Pointer(gp)))
		}
	}
}

// wakeSleeper makes the timer of a goroutine in time.Sleep due.
func wakeSleeper(gp *g) {
	t := gp.timer
	if t == nil || readgstatus(gp)&^_Gscan != _Gwaiting || gp.waitreason != waitReasonSleep {
		return
	}
	t.modify(nanotime(), 0, t.f, t.arg, t.seq)
}

// Wake asks for the goroutine gp, as returned by GetG, to be woken from
// time.Sleep. It reports whether the request was taken: eight can wait.
func Wake(gp uint) bool {
	for i := range wakeRequest {
		p := &wakeRequest[i]
		if *p == 0 || *p == uintptr(gp) {
			*p = uintptr(gp)
			atomic.Store8(&relayedAny, 1)
			return true
		}
	}
	return false
}

// GetG returns the addresses of the current goroutine and its processor, for
// use with Wake and WakeG.
func GetG() (gp uint, pp uint) {
	g := getg()
	return uint(uintptr(unsafe.Pointer(g))), uint(uintptr(g.m.p))
}

// WakeG is Wake for interrupt handlers. It is called from assembly only, and
// takes the goroutine's address in R0.
func WakeG()
