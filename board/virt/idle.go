//go:build tamago && arm64

package virt

import (
	"math"
	"runtime/goos"

	"mortise/drivers/gic"
)

// alarmPPI is the physical timer's interrupt (the machine's device tree: PPI 14), which ends an idle time. It is never taken:
// what it is for is to be pending.
const alarmPPI = 30

// initIdle is for toolchains that do not preempt: drivers/tick has an idle function of its own, in place of this one. It
// replaces TamaGo's idle governor, which sleeps only when no Go timer runs, and is woken by each FIQ.
func initIdle() {
	GIC.Assign(alarmPPI, gic.Inband)
	GIC.Enable(alarmPPI)
	goos.Idle = idle
}

// idle waits in low-power state until the time until, or an in-band interrupt. Activations of the oob stage begin, as they
// do elsewhere, and do not end it.
//
//oob:stage inband
func idle(until int64) {
	switch {
	case until <= 0: // nothing to wait for
	case until == math.MaxInt64:
		wait(0)
	default:
		ticks := float64(until-nanotime()) / CPU.TimerMultiplier
		wait(uint64(min(max(ticks, 1), math.MaxInt32))) // TimerValue is signed
	}
}

// wait executes WFI until an IRQ is pending, with IRQ masked: one that comes between the scheduler's decision and WFI is so
// not lost. ticks, if not 0, is when the physical timer's does.
//
//go:noescape
func wait(ticks uint64)
