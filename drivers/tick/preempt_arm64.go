//go:build tamago && mortise.preempt

package tick

import (
	"math"
	"runtime"
	"unsafe"

	"mortise/drivers/gic"
)

// irqStack is the vector's: below a goroutine's stack pointer is more than its own.
var irqStack [irqStackSize / 8]uint64

const irqStackSize = 512

// What preempt_arm64.s has.
func irqAddress() uintptr
func enableInterrupts()

// open takes the priority mask off.
func open()

func stop()

// take acknowledges and ends the most urgent in-band interrupt that is pending, which takes the priority mask off for that
// long. It returns the ID.
//
//go:noescape
func take() (id uint32)

// tableIRQ is where TamaGo's vector table, at RAM's begin, has the address of the handler of the exception level's own IRQs.
const tableIRQ = 0x280 + 8

func setVector() {
	start, _ := runtime.MemRegion()
	slot := uintptr(start) + tableIRQ
	**(**uintptr)(unsafe.Pointer(&slot)) = irqAddress()
}

// setAlarm sets the timer to a time, 0 stops it. TamaGo's own forgets the offset of its clock.
func setAlarm(until int64) {
	if until == 0 {
		stop()
		return
	}
	ticks := float64(until-cpu.GetTime()) / cpu.TimerMultiplier
	arm1(uint32(min(max(ticks, 1), math.MaxInt32))) // CNTP_TVAL_EL0 is signed
}

// Take acknowledges and ends the next in-band interrupt; ok is false when there is none. See gic.GICv3.Take.
//
//oob:stage inband
func Take() (id uint32, ok bool) {
	for range retakes {
		switch id := take(); {
		case id >= gic.FirstSpecial:
			return 0, false
		case id != IRQ:
			return id, true
		}
	}
	return 0, false
}

// retakes bounds how often Take passes over the tick, which may be pending while its vector is masked.
const retakes = 4
