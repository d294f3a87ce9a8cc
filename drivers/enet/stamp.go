package enet

import (
	"mortise/drivers/mmio"
	"mortise/stack/frame"
)

// The IEEE 1588 timer, as the stage that drives the port sees it: frames received have its value, frames that SendStamped sends get
// it, and Capture reads it. It counts nanoseconds in steps of its clock's period, and begins again each second (ATPER). Nothing
// here is executed for a frame that nobody wants the time of.

// TimerPeriod is where the timer begins again, in its unit: nanoseconds.
const TimerPeriod = timerPeriod

// ReceivedAt returns the timer's value when the frame that Receive returned last came in: at its start-of-frame delimiter, by
// the manual. It is valid until the frame's position is refilled.
//
//oob:stage any
func (hw *Port) ReceivedAt() uint32 { return descAt(hw.rxDesc, (hw.rxHead-1)%RingSize).time }

// SendStamped is Send for a frame whose departure is to be stamped: see SentAt.
//
//oob:stage any
//go:noinline
func (hw *Port) SendStamped(slot, n uint32) bool {
	tail := hw.txTail
	if tail-hw.txHead >= RingSize || n-minLen > frame.MaxLen-minLen {
		return hw.refuse(n)
	}
	hw.txTail = tail + 1
	i := tail % RingSize
	hw.txSlot[i] = slot
	d := descAt(hw.txDesc, i)
	d.addr = hw.txBus + slot*frame.SlotSize
	d.ext = BD_TX_INT | BD_TX_TS
	send(hw.base, d, hw.txExtra+n|wrap(i))
	return true
}

// Queued returns the position of the frame that was queued last, below RingSize.
//
//oob:stage any
func (hw *Port) Queued() uint32 { return (hw.txTail - 1) % RingSize }

// SentAt tells of the frame whose slot Reclaim returned last, sent by SendStamped: the position that Queued told of then, and
// the timer's value when it left. ok is false when the device has none.
//
//oob:stage any
func (hw *Port) SentAt() (i, time uint32, ok bool) {
	i = (hw.txHead - 1) % RingSize
	d := descAt(hw.txDesc, i)
	return i, d.time, d.ext&(BD_TX_TS|BD_TX_TXE|BD_TX_TSE) == BD_TX_TS
}

// captureReads is how often Capture reads a register until the timer's value has come over. That takes up to six cycles of the slower
// of the two clocks (Linux' FEC_QUIRK_BUG_CAPTURE, set for the 6UL), 240 ns at 25 MHz; a read takes two cycles of the
// peripheral bus at least, 30 ns at 66 MHz: 480 ns.
const captureReads = 16

// Capture returns the timer's value, as it was between the call and 240 ns behind the write that asks for it.
//
//oob:stage any
//go:noinline
func (hw *Port) Capture() uint32 {
	mmio.Write(hw.base+ATCR, ATCR_CAPTURE|ATCR_PEREN|ATCR_EN)
	for range captureReads {
		mmio.Read(hw.base + ATCR)
	}
	return mmio.Read(hw.base + ATVR)
}
