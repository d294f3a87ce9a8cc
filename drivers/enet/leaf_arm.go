//go:build tamago && arm

package enet

// barrier is a DMB: descriptor words and frames are read or written in the order of the program.
//
//oob:stage any
//go:noescape
func barrier()

// startTx writes TDAR of the controller at base unless it is set, behind a DSB: the descriptors stored before are visible
// to the device first.
//
//oob:stage any
//go:noescape
func startTx(base uintptr)

// send hands the transmit descriptor d over by storing ctl, behind a DMB, and does startTx.
//
//oob:stage any
//go:noescape
func send(base uintptr, d *desc, ctl uint32)

// ack clears RXF of the controller at base, ahead of a DMB.
//
//oob:stage any
//go:noescape
func ack(base uintptr)

// refill is RefillAll.
//
//oob:stage any
//go:noescape
func refill(hw *Port, slots *[MaxRefill]uint32, n uint32)

// receive is Receive.
//
//oob:stage any
//go:noescape
func receive(hw *Port) (slot, n uint32)

// queue is Send.
//
//oob:stage any
//go:noescape
func queue(hw *Port, slot, n uint32) bool

// queueFrom is queue for a frame that begins shift bytes behind where frames begin in their slot.
//
//oob:stage any
//go:noescape
func queueFrom(hw *Port, slot, shift, n uint32) bool
