//go:build tamago && mortise.preempt

package tick

import (
	"math"
	"os"
	"os/signal"
	"runtime/goos"
	"time"
	"unsafe"

	"github.com/usbarmory/tamago/arm"

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
const relayed = int(arm.IRQ_SIGNAL)

// state is what preempt_arm.s knows by its field names. Pointer-free.
type state struct {
	pmr       uint32 // GICC_PMR's address
	slice     uint32 // in ticks of the counter
	delay     uint32
	brief     uint32 // the timer runs for a delay, not for a slice
	preempted uint32 // goroutines made to give way at a safe point; wraps
}

var (
	st   state
	cpu  *arm.CPU
	intc *gic.GIC
	iar  uintptr // address of the register that acknowledges, the next one ends
)

// What preempt_arm.s has.
func irqVector()
func vectors() uint32
func frequency() uint32
func arm1(ticks uint32)
func mask()
func wait()

// take acknowledges and ends the most urgent in-band interrupt that is pending, which takes the priority mask off for that
// long. group is GICD_IGROUPR's address. It returns the ID, and whether it belongs to in-band.
//
//go:noescape
func take(iar, group uintptr) (id uint32, inband uint32)

// Start serves interrupts: isr is called in a goroutine of its own, and takes them by Take. The vectors must be in place,
// the interrupt controller initialised; Start replaces the IRQ vector and goos.Idle.
//
//oob:stage init
func Start(c *arm.CPU, hw *gic.GIC, isr func()) {
	cpu, intc = c, hw
	iar = hw.CPU + gic.GICC_IAR
	if hw.Alias {
		iar = hw.CPU + gic.GICC_AIAR
	}
	st.pmr = uint32(hw.CPU + gic.GICC_PMR)
	st.slice = frequency() / slicesPerSecond
	st.delay = frequency() / delaysPerSecond

	fn := irqVector
	// TamaGo's table: eight instructions, then the handlers' addresses in the order of the vectors.
	mmio.StoreMem(uintptr(vectors()+8*4+arm.IRQ), **(**uint32)(unsafe.Pointer(&fn)))
	hw.Assign(IRQ, gic.Inband)
	hw.SetPriority(IRQ, priority)
	hw.Enable(IRQ)

	go serve(isr)
	goos.Idle = idle
	arm1(st.slice)
	c.EnableInterrupts(false)
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
	signal.Notify(c, arm.IRQ_SIGNAL)
	for {
		mmio.Write(uintptr(st.pmr), pmrOpen)
		<-c
		isr()
	}
}

// Take acknowledges and ends the next in-band interrupt; ok is false when there is none. See gic.Take.
//
//oob:stage inband
func Take() (id uint32, ok bool) {
	for range retakes {
		id, inband := take(iar, intc.Dist+gic.GICD_IGROUPR)
		switch {
		case id >= gic.FirstSpecial:
			return 0, false
		case inband == 0 && !intc.Alias:
			intc.GiveBack(id)
		case id != IRQ:
			return id, true
		}
	}
	return 0, false
}

// retakes bounds how many oob interrupts Take gives back before it leaves the rest to the next IRQ: see gic.Take.
const retakes = 4

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
	cpu.SetAlarm(until)
	wait()
	st.brief = 0
	arm1(st.slice)
}
