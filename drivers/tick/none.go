//go:build tamago && !mortise.preempt

package tick

// Available reports whether goroutines are preempted.
const Available = false

var intc *Controller

// Start serves interrupts: isr is called in a goroutine of its own, and takes them by Take.
//
//oob:stage init
func Start(cpu *Processor, hw *Controller, isr func()) {
	intc = hw
	go serviceInterrupts(cpu, isr)
}

// Take acknowledges and ends the next in-band interrupt; ok is false when there is none.
//
//oob:stage inband
func Take() (id uint32, ok bool) { return intc.Take() }

// Preempted returns 0.
func Preempted() uint32 { return 0 }
