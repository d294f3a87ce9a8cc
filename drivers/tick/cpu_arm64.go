//go:build tamago

package tick

import (
	"github.com/usbarmory/tamago/arm64"

	"mortise/drivers/gic"
)

// Processor and Controller are what the tick runs on.
type (
	Processor  = arm64.CPU
	Controller = gic.GICv3
)

// IRQ is the interrupt of EL1's physical timer (ARM DEN 0094, Server Base System Architecture: the recommended ID).
const IRQ = 30

const irqSignal = arm64.IRQ_SIGNAL

func serviceInterrupts(_ *Processor, isr func()) { arm64.ServiceInterrupts(isr) }
