//go:build !tamago

package enet

import (
	"mortise/drivers/mmio"
	"mortise/stack/frame"
)

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

// receive is Receive.
//
//oob:stage any
func receive(hw *Port) (slot, n uint32) {
	i := hw.rxHead % RingSize
	d := descAt(hw.rxDesc, i)
	ctl := d.ctl
	n = length(ctl) - padFCS
	if ctl&rxJudged != hw.rxGood || n-minLen > lengths || d.ext&BD_RX_ME != 0 {
		return receiveSlow(hw)
	}
	slot = hw.rxSlot[i]
	hw.rxHead++
	barrier() // the frame is read after ctl
	return slot, n
}

// queue is Send.
//
//oob:stage any
func queue(hw *Port, slot, n uint32) bool { return queueFrom(hw, slot, 0, n) }

// queueFrom is queue for a frame that begins shift bytes behind where frames begin in their slot.
//
//oob:stage any
func queueFrom(hw *Port, slot, shift, n uint32) bool {
	tail := hw.txTail
	if tail-hw.txHead >= RingSize || n-minLen > lengths {
		return hw.refuse(n)
	}
	hw.txTail = tail + 1
	i := tail % RingSize
	hw.txSlot[i] = slot
	d := descAt(hw.txDesc, i)
	d.addr = hw.txBus + slot*frame.SlotSize + shift
	d.ext = BD_TX_INT
	send(hw.base, d, hw.txExtra+n|wrap(i))
	return true
}
