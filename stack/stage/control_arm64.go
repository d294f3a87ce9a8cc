//go:build tamago

package stage

import (
	"unsafe"

	"github.com/usbarmory/tamago/arm64"

	"mortise/drivers/gic"
)

// Processor and Controller are what the stage runs on.
type (
	Processor  = arm64.CPU
	Controller = gic.GICv3
)

type record = recordV8

func decode(rec *record, m image) Fault { return decodeV8(rec, m) }

// control is what the vectors read; vectors_arm64.s knows it by its field names. Pointer-free.
type control struct {
	mark        uintptr // Config.Mark
	private     uintptr // address of ICENABLER for private interrupts, and for the others
	shared      uintptr
	state       uint32
	activations uint32
	longest     uint32
	depth       uint32 // faults since the stage was last started: 2 for one of the fault path itself
	fallbacks   uint32
	fallback    [maxFallback]Write
}

// handover is where in-band's exceptions go: slots of TamaGo's table, which others may change. vectors_arm64.s knows it by its field
// names.
type handover struct{ sync, irq uintptr }

// irqStack is irqVector's. IRQs do not nest.
var irqStack [irqStackSize / 8]uint64

const irqStackSize = 512

// What vectors_arm64.s has.
func vectors() uintptr
func irqAddress() uintptr // of irqVector

// sgiFrame is where the registers of a redistributor's private interrupts begin (chapter 12, IHI 0069).
const sgiFrame = 0x10000

func setController(c Config) {
	if c.Trace != 0 {
		panic("stage: no trace on arm64")
	}
	ctl.private = intc.Redist + sgiFrame + gic.GICD_ICENABLER
	ctl.shared = intc.Dist + gic.GICD_ICENABLER
}

// vectorWord returns nothing: fiqVector needs nothing.
func vectorWord() uintptr { return 0 }

// TamaGo's table: from sync of the exception level itself on, every 128 bytes two instructions, then the handler's address.
const (
	tableSync = 0x200 + 8
	tableIRQ  = 0x280 + 8
)

func setVectors() {
	if uintptr(unsafe.Pointer(&stack))%16 != 0 {
		panic("stage: the oob stack is not aligned to 16 bytes")
	}
	t := vectors()
	hand = handover{sync: t + tableSync, irq: t + tableIRQ}
	irq := hand.irq
	**(**uintptr)(unsafe.Pointer(&irq)) = irqAddress()
	serve(false)

	handler := arm64.SystemExceptionHandler
	arm64.SystemExceptionHandler = func(pc uintptr) {
		unmask()
		handler(pc)
	}
}

// serve gives FIQs to dispatch (true) or takes them away from it: another table.
func serve(yes bool)

// irqSignal is what irqVector relays to arm64.ServiceInterrupts.
const irqSignal = int(arm64.IRQ_SIGNAL)
