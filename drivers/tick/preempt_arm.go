//go:build tamago && mortise.preempt

package tick

import (
	"unsafe"

	"github.com/usbarmory/tamago/arm"

	"mortise/drivers/gic"
	"mortise/drivers/mmio"
)

// iar is the address of the register that acknowledges; the next one ends.
var iar uintptr

// What preempt_arm.s has.
func irqVector()
func vectors() uint32

// take acknowledges and ends the most urgent in-band interrupt that is pending, which takes the priority mask off for that
// long. group is GICD_IGROUPR's address. It returns the ID, and whether it belongs to in-band.
//
//go:noescape
func take(iar, group uintptr) (id uint32, inband uint32)

func setVector() {
	iar = intc.CPU + gic.GICC_IAR
	if intc.Alias {
		iar = intc.CPU + gic.GICC_AIAR
	}
	st.pmr = uint32(intc.CPU + gic.GICC_PMR)

	fn := irqVector
	// TamaGo's table: eight instructions, then the handlers' addresses in the order of the vectors.
	mmio.StoreMem(uintptr(vectors()+8*4+arm.IRQ), **(**uint32)(unsafe.Pointer(&fn)))
}

func enableInterrupts() { cpu.EnableInterrupts(false) }

// open takes the priority mask off.
func open() { mmio.Write(uintptr(st.pmr), pmrOpen) }

// setAlarm sets the timer to a time, 0 stops it.
func setAlarm(until int64) { cpu.SetAlarm(until) }

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
