// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago && (arm || arm64)

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
)

// Asynchronous preemption without a second thread and without signals: the
// board's timer interrupt does what elsewhere sysmon does (it finds that a
// goroutine has run for too long) and what the signal handler does (it makes
// the goroutine call asyncPreempt, if it is at a safe point).
//
// It is the board's choice: nothing preempts where no vector calls
// PreemptInterrupted. The build tag mortise.preempt tells that it exists.

// preemptTick is the scheduler's tick at the end of the last time slice.
var preemptTick uint32

// PreemptInterrupted is for IRQ vectors in assembly, see sys_tamago_$GOARCH.s.
func PreemptInterrupted()

// preemptInterrupted runs on the signal stack with IRQ masked, at any
// instruction of the interrupted code. slice tells that a time slice is over.
// It asks the running goroutine to give way if that has run for all of the
// slice or if a relayed interrupt waits for the scheduler. It reports whether
// it wants to be called soon again, because that is still to happen.
//
//go:nowritebarrierrec
func preemptInterrupted(c *interrupted, slice bool) (again bool) {
	mp := getg().m
	pp := mp.p.ptr()
	gp := mp.curg
	waiting := atomic.Load8(&relayedAny) != 0
	if pp == nil || gp == nil {
		return waiting
	}

	over := slice && pp.schedtick == preemptTick
	if slice {
		preemptTick = pp.schedtick
	}
	if !over && !waiting && !gp.preempt {
		return false
	}
	if readgstatus(gp)&^_Gscan != _Grunning {
		return waiting
	}

	// As preemptone does: the next function call gives way.
	gp.preempt = true
	gp.stackguard0 = stackPreempt
	if debug.asyncpreemptoff != 0 {
		return waiting
	}
	pp.preempt = true

	// As doSigPreempt does: so does this very instruction, if it can.
	if c.running() != gp || !wantAsyncPreempt(gp) {
		return true
	}
	ok, resume := isAsyncSafePoint(gp, *c.pc(), c.sp, *c.link())
	if !ok {
		return true
	}
	c.pushCall()
	*c.link() = resume
	*c.pc() = abi.FuncPCABI0(asyncPreempt)
	return false
}
