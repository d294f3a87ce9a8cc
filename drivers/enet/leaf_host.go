//go:build !tamago

package enet

import "mortise/drivers/mmio"

// barrier keeps the compiler from moving memory accesses across it; the fake device of a test runs in the same goroutine.
//
//oob:stage any
//go:noinline
func barrier() {}

// startTx writes TDAR of the controller at base unless it is set: what leaf_arm.s does, as TestLeaves checks.
//
//oob:stage any
func startTx(base uintptr) {
	if mmio.Read(base+TDAR) == 0 {
		mmio.Write(base+TDAR, TDAR_TDAR)
	}
}

// send hands the transmit descriptor d over and starts the transmitter.
//
//oob:stage any
func send(base uintptr, d *desc, ctl uint32) {
	barrier()
	d.ctl = ctl
	startTx(base)
}

// ack clears RXF of the controller at base.
//
//oob:stage any
func ack(base uintptr) {
	mmio.Write(base+EIR, EIR_RXF)
	barrier()
}

// refill is RefillAll.
//
//oob:stage any
func refill(hw *Port, slots *[MaxRefill]uint32, n uint32) {
	for i := uint32(0); i < n && i < MaxRefill; i++ {
		hw.Refill(slots[i])
	}
	hw.Resume()
}
