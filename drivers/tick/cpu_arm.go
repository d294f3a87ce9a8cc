//go:build tamago

package tick

import (
	"github.com/usbarmory/tamago/arm"

	"mortise/drivers/gic"
)

// Processor and Controller are what the tick runs on.
type (
	Processor  = arm.CPU
	Controller = gic.GIC
)

// IRQ is the physical timer's interrupt (ARM DDI 0464, chapter 8).
const IRQ = 29

const irqSignal = arm.IRQ_SIGNAL

func serviceInterrupts(cpu *Processor, isr func()) { cpu.ServiceInterrupts(isr) }
