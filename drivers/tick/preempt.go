//go:build tamago && mortise.preempt

package tick

import (
	"math"
	"os"
	"os/signal"
	"runtime/goos"
	"time"

	"mortise/drivers/gic"
	"mortise/drivers/mmio"
)

// Available reports whether goroutines are preempted.
const Available = true

// Choices. A slice is what Go gives goroutines elsewhere (sysmon's forcePreemptNS). The delay is how long a device's
// interrupt waits for the scheduler to come by itself: long enough not to cut goroutines that serve interrupts to pieces.
const (
	slicesPerSecond = 100
	delaysPerSecond = 2000
)

// PMR values: all of in-band is signalled, or the tick only (an interrupt is when its priority is below: 4.4.2, IHI
// 0048B.b).
const (
	pmrOpen = 0xf0
	pmrShut = gic.PriorityInband
)

// relayed is what the vector gives to os/signal.Relay.
const relayed = int(irqSignal)

// state is what preempt_*.s knows by its field names. Pointer-free.
type state struct {
	pmr       uint32 // GICC_PMR's address; not on arm64, where it is a system register
	slice     uint32 // in ticks of the counter
	delay     uint32
	brief     uint32 // the timer runs for a delay, not for a slice
	preempted uint32 // goroutines made to give way at a safe point; wraps
}

var (
	st   state
	cpu  *Processor
	intc *Controller
)

// What preempt_*.s has beside the vector.
func frequency() uint32
func arm1(ticks uint32)
func mask()
func wait()

// Start serves interrupts: isr is called in a goroutine of its own, and takes them by Take. The vectors must be in place,
// the interrupt controller initialised; Start replaces the IRQ vector and goos.Idle.
//
//oob:stage init
func Start(c *Processor, hw *Controller, isr func()) {
	cpu, intc = c, hw
	st.slice = frequency() / slicesPerSecond
	st.delay = frequency() / delaysPerSecond

	setVector()
	hw.Assign(IRQ, gic.Inband)
	hw.SetPriority(IRQ, priority)
	hw.Enable(IRQ)

	go serve(isr)
	goos.Idle = idle
	arm1(st.slice)
	enableInterrupts()
}

// Rate sets the length of a slice, and of the delay that a device's interrupt is granted; for tests.
//
//oob:stage inband
func Rate(slice, delay time.Duration) {
	mmio.Store(&st.slice, uint32(slice)/(1e9/frequency()))
	mmio.Store(&st.delay, uint32(delay)/(1e9/frequency()))
}

// serve has isr serve every interrupt that the vector has relayed. What comes while the mask is taken off is relayed again.
func serve(isr func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, irqSignal)
	for {
		open()
		<-c
		isr()
	}
}

// Preempted returns how many goroutines were made to give way; wraps.
func Preempted() uint32 { return mmio.Load(&st.preempted) }

// idle waits in low-power state until the time until, or an in-band interrupt. Activations of the oob stage begin, as they
// do elsewhere, and do not end it. It is on g0, with IRQ masked from where the timer is set: an alarm that comes before WFI
// is so not lost.
//
//oob:stage inband
func idle(until int64) {
	if until <= 0 { // nothing to wait for, and SetAlarm's way to say never
		return
	}
	mask()
	if until == math.MaxInt64 {
		until = 0
	}
	setAlarm(until)
	wait()
	st.brief = 0
	arm1(st.slice)
}
