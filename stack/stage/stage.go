// Package stage is the oob stage of an ARMv7-A or ARMv8-A (arm64) processor: it runs one function, dispatch, on FIQ, on its
// own stack and with its own g, before and beside everything that the Go runtime does; and it contains the faults of that
// function.
//
// dispatch has no body here. The image provides it, so that the call is a static one, chosen at build time:
//
//	//go:linkname dispatch mortise/stack/stage.dispatch
//	func dispatch(id uint32) { … }
//
// One activation is one call of dispatch. id is the interrupt that caused it, acknowledged; 1023, or WakeSGI, when there is
// none of the stage's any more. dispatch serves it within its budget, and returns; the stage then ends the interrupt. It must
// not assign to id, which the stage reads again. Activations do not nest.
//
// Of what is pending the timer comes first. Hold keeps the time ahead of an expiry clear of other activations, so that it does not
// have to wait for one: a FIQ in that time is acknowledged at its end, when the timer's interrupt is pending, too.
//
// An interrupt of the oob group that is more urgent than the rest (gic.PriorityWarning) and comes amid an activation ends it as
// a fault does, kind Endless: the watchdog's warning before its timeout. It is disabled then. Between activations it causes one
// of its own. On arm64 that is not yet so: F stays masked for the whole activation, and a loop ends with the watchdog's reset.
//
// A fault of oob code (an abort, an undefined instruction, or any service of the Go runtime, whose first step is a load
// through the nil m of the stage's g) is recorded by the vectors, which then take FIQs away from the oob code,
// make the fallback writes, wake in-band, and return to exactly the in-band instruction that the activation had
// interrupted. In-band reports the fault and may call Restart. A fault of the vectors themselves, in a fallback write, is
// contained like that of oob code, without the writes that remain; a further one leaves a mark and waits for the watchdog.
//
// On ARMv7 the stage is FIQ mode with its banked registers, and a GICv2. On arm64 it is EL1 with SP_EL0 for its stack, a
// GICv3, and all of X0–X30, V0–V31, FPCR and FPSR saved at each activation. In-band's interrupts mask F there in their first four
// instructions and in their last four: an activation comes that much later at worst.
//
// Stage: the vectors and leaf functions run oob, the rest in-band, as each function says. Follows: ARM DDI 0406C (ARMv7-A
// ARM) and ARM DDI 0487 (ARMv8-A ARM), cited by section; TamaGo's runtime/goos contract, arm.CPU and arm64.CPU. Does not
// support: more than one processor, the non-secure state where there are two (there is no group 0). ARMv7: floating point in oob
// code (D0–D15 belong to in-band), contexts interrupted in Abort or Undefined mode for longer than the few instructions in which
// this package's own vectors leave them. arm64: in-band code that keeps something in X18 (Go does not), fallback writes above
// 4 GiB.
package stage

import "fmt"

// Interrupt IDs that the stage takes for itself.
const (
	// KickSGI asks the oob stage to run. 8–15 are the secure state's, by ARM's recommendation (IHI 0048B.b).
	KickSGI = 8
	// WakeSGI asks in-band to run.
	WakeSGI = 0
	// TimerPPI is the virtual timer's (ARM DDI 0464, chapter 8); TamaGo's alarm has the physical timer's, 29 or, on arm64, 30.
	TimerPPI = 27
)

// StackSize is the oob stack's size in bytes: a choice; Stats.HighWaterBytes tells how much of it is ever used. The prologue of a Go function that would cross the last 928 bytes calls runtime.morestack, which faults.
const StackSize = 16384

// holdRounds bounds the wait for the end of what Hold has set, in rounds of five instructions: 30 µs at 125 MIPS, 29 at 528 MHz
// if a round takes 20 cycles.
const holdRounds = 768

// MarkContain is what Config.Mark gets: "FAIL".
const MarkContain = 0x4641494c

// Stats is what the stage counts.
type Stats struct {
	Activations    uint32 // that ended well; wraps
	LongestTicks   uint32 // longest activation since ResetLongest, in ticks of Now
	HighWaterBytes uint32 // most stack ever in use
	StackBytes     uint32
	Faults         uint32
}

// State is what the stage does.
type State uint32

// The states.
const (
	Down    State = iota // before Init
	Stopped              // Init or Stop was called
	Serving              // Start was called
	Faulted              // a fault stopped it
)

func (s State) String() string {
	switch s {
	case Down:
		return "down"
	case Stopped:
		return "stopped"
	case Serving:
		return "serving"
	case Faulted:
		return "faulted"
	}
	return fmt.Sprintf("State(%d)", uint32(s))
}

// pattern is what Init paints the stack with.
const pattern = 0x5ac0ffee

// highWater returns how many bytes of a painted stack were ever used; it grows down.
func highWater(stack []uint32) uint32 {
	for i, w := range stack {
		if w != pattern {
			return uint32(4 * (len(stack) - i))
		}
	}
	return 0
}
