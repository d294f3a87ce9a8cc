//go:build tamago

package stage

import (
	"unsafe"

	"github.com/usbarmory/tamago/arm"

	"mortise/drivers/gic"
	"mortise/drivers/mmio"
)

// Processor and Controller are what the stage runs on.
type (
	Processor  = arm.CPU
	Controller = gic.GIC
)

// control is what the vectors and leaf functions read; vectors_arm.s knows it by its field names. Pointer-free.
type control struct {
	state       uint32
	activations uint32
	longest     uint32
	icenabler   uint32  // GICD_ICENABLER's address
	sgir        uint32  // GICD_SGIR's address
	iar         uint32  // GICC_IAR's address
	vector      uint32  // address of the FIQ handler's address
	down        uint32  // downVector's address
	mark        uintptr // Config.Mark
	trace       uint32  // Config.Trace
	depth       uint32  // faults since the stage was last started: 2 for one of the fault path itself
	fallbacks   uint32
	fallback    [maxFallback]Write
}

// handover carries an in-band exception from the mode it came in to SVC mode; vectors_arm.s knows it by its field names.
type handover struct {
	ret, psr                           uint32
	undefined, supervisor, fetch, data uint32 // TamaGo's handlers
}

// What vectors_arm.s has.
func fiqVector()
func downVector()
func undefinedVector()
func supervisorVector()
func prefetchAbortVector()
func dataAbortVector()
func vectors() uint32

func setController(c Config) {
	ctl.icenabler = uint32(intc.Dist + gic.GICD_ICENABLER)
	ctl.iar = uint32(intc.CPU + gic.GICC_IAR)
	ctl.sgir = uint32(intc.Dist + gic.GICD_SGIR)
	ctl.trace = uint32(c.Trace)
}

// vectorWord returns what fiqVector finds in front of the stage's g: GICC_IAR's address.
func vectorWord() uintptr { return uintptr(ctl.iar) }

func setVectors() {
	t := arm.SystemVectorTable()
	hand.undefined = address(t.Undefined)
	hand.supervisor = address(t.Supervisor)
	hand.fetch = address(t.PrefetchAbort)
	hand.data = address(t.DataAbort)

	t.Undefined = undefinedVector
	t.Supervisor = supervisorVector
	t.PrefetchAbort = prefetchAbortVector
	t.DataAbort = dataAbortVector
	t.FIQ = downVector
	cpu.SetVectorTable(t)

	// TamaGo's table: eight instructions, then the handlers' addresses in the order of the vectors.
	ctl.down = address(downVector)
	ctl.vector = vectors() + 8*4 + arm.FIQ
}

func address(fn arm.ExceptionHandler) uint32 {
	return **(**uint32)(unsafe.Pointer(&fn))
}

// serve gives FIQs to dispatch (true) or takes them away from it.
func serve(yes bool) {
	to := ctl.down
	if yes {
		to = address(fiqVector)
	}
	mmio.StoreMem(uintptr(ctl.vector), to)
}
