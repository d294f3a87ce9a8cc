//go:build tamago && !mortise.preempt

package tick

import (
	"github.com/usbarmory/tamago/arm"

	"mortise/drivers/gic"
)

// Available reports whether goroutines are preempted.
const Available = false

var intc *gic.GIC

// Start serves interrupts: isr is called in a goroutine of its own, and takes them by Take.
//
//oob:stage init
func Start(cpu *arm.CPU, hw *gic.GIC, isr func()) {
	intc = hw
	go cpu.ServiceInterrupts(isr)
}

// Take acknowledges and ends the next in-band interrupt; ok is false when there is none.
//
//oob:stage inband
func Take() (id uint32, ok bool) { return intc.Take() }

// Preempted returns 0.
func Preempted() uint32 { return 0 }
