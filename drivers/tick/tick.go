//go:build tamago

// Package tick makes in-band fair: a timer interrupt makes a goroutine that has run for 10 ms, or that has kept a device's
// interrupt waiting for half a millisecond, give way, whether it calls, allocates or blocks or not.
//
// It needs a Go that can do so (Available; tools/toolchain makes one). With another, Start serves interrupts the way TamaGo
// does, and a goroutine that never yields keeps all others waiting.
//
// The timer is the physical one (CNTP; PPI 29 on ARMv7, 30 on arm64), which TamaGo has for its alarm. It runs only while
// goroutines do: with nothing to run it is set to the next Go timer, or off. Its interrupt has a priority of its own, between the
// oob stage's and in-band's, so that a device's interrupt that waits for its goroutine is masked by priority (GICC_PMR,
// ICC_PMR_EL1) and the tick is not. It is never acknowledged at the interrupt controller: the vector sets the timer anew, which
// ends the request.
//
// Stage: in-band, below the oob stage: FIQ is never masked here on ARMv7, for four instructions at each end of the vector on
// arm64. Follows: ARM DDI 0406C (ARMv7-A ARM), cited by section, and ARM DDI 0487 (ARMv8-A ARM); ARM IHI 0048B.b (GICv2), ARM
// IHI 0069 (GICv3). Does not support: more than one processor; goroutines in assembly or in package runtime, which give way at
// their next function call.
package tick

// The tick's priority, more urgent than in-band's 0x60, less than oob's.
const priority = 0x50
