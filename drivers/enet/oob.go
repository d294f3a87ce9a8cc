package enet

import (
	"mortise/drivers/mmio"
	"mortise/stack/frame"
)

// The functions of the hot path are nosplit: three instructions less each, and the linker proves that they fit the margin
// behind the stack guard.

// rxErrors are the bits of a completed descriptor's ctl that make its frame a bad one.
const rxErrors = BD_RX_LG | BD_RX_NO | BD_RX_CR | BD_RX_OV | BD_RX_TR

const (
	rxJudged = BD_RX_E | BD_L | rxErrors // what of ctl must be rxGood
	padFCS   = frame.Pad + fcsLen        // what a received length has too much
	lengths  = frame.MaxLen - minLen     // a frame's length less minLen is no more than that
)

// Ack clears the receive event. Receive must be called behind it until there is no frame: it finds those that completed
// before, a later one raises RXF again. The barrier keeps Receive from looking at the ring ahead of the store.
//
//oob:stage any
//go:nosplit
func (hw *Port) Ack() { ack(hw.base) }

// Mask turns the receive interrupt off.
//
//oob:stage any
func (hw *Port) Mask() { mmio.Write(hw.base+EIMR, 0) }

// Unmask turns the receive interrupt on; frames that completed since Ack raise it at once.
//
//oob:stage any
func (hw *Port) Unmask() { mmio.Write(hw.base+EIMR, EIR_RXF) }

// Receive returns the next good frame: its slot, which the caller owns now, and its length in bytes without FCS; n = 0 when
// there is none. For each frame the caller must call Refill once before the activation ends, what is urgent first, and
// before RingSize frames wait for it: then the ring has no empty position, and an old frame would be taken for a new one.
//
//oob:stage any
//go:nosplit
func (hw *Port) Receive() (slot, n uint32) { return receive(hw) }

// Empty reports that Receive has no frame now. It is shorter than to call it in vain.
//
//oob:stage any
func (hw *Port) Empty() bool { return descAt(hw.rxDesc, hw.rxHead%RingSize).ctl&BD_RX_E != 0 }

// receiveSlow is Receive for a ring whose next frame is missing or bad: it recycles bad frames up to the next good one. It
// recycles RingSize frames at most until Resume, however often it is called: those are all that completed before Ack, a
// later one raises RXF again.
//
//oob:stage any
func receiveSlow(hw *Port) (slot, n uint32) {
	//oob:total RingSize divert.Poll each round adds one to rxRecycled, and Resume, which ends Poll, starts anew
	for i := 0; i < RingSize && hw.rxRecycled-hw.rxMark < RingSize; i++ {
		i := hw.rxHead % RingSize
		d := descAt(hw.rxDesc, i)
		ctl := d.ctl
		if ctl&BD_RX_E != 0 {
			return 0, 0
		}
		barrier()
		n = length(ctl) - padFCS
		slot = hw.rxSlot[i]
		hw.rxHead++
		if hw.rxIsGood(ctl, d.ext, n) {
			return slot, n
		}
		hw.Refill(slot)
		hw.rxRecycled++
	}
	return 0, 0
}

// rxIsGood judges a completed descriptor and counts a bad frame once: at its first buffer if it is split, else by the first
// reason of the list. TR and OV come first: with them the other bits mean nothing (Table 22-35).
//
//oob:stage any
func (hw *Port) rxIsGood(ctl, ext, n uint32) bool {
	split := hw.rxGood == 0 // the rest of a frame already counted
	if ctl&BD_L == 0 {
		if !split {
			hw.Counters[RxSplit]++
		}
		hw.rxGood = 0
		return false
	}
	hw.rxGood = BD_L
	switch {
	case split:
	case ctl&BD_RX_TR != 0:
		hw.Counters[RxTruncated]++
	case ctl&BD_RX_OV != 0:
		hw.Counters[RxOverrun]++
	case ctl&BD_RX_LG != 0:
		hw.Counters[RxLong]++
	case ctl&BD_RX_NO != 0:
		hw.Counters[RxNonOctet]++
	case ctl&BD_RX_CR != 0:
		hw.Counters[RxCRC]++
	case ext&BD_RX_ME != 0:
		hw.Counters[RxMACError]++
	case int32(n) < minLen:
		hw.Counters[RxShort]++
	case n > frame.MaxLen:
		hw.Counters[RxLong]++
	default:
		return true
	}
	return false
}

// Refill gives slot, which the caller owned, to the oldest position that was received and has none: the device may fill it
// from now on. Resume must follow before the activation ends.
//
//oob:stage any
//go:nosplit
func (hw *Port) Refill(slot uint32) {
	i := hw.rxFill % RingSize
	hw.rxFill++
	hw.rxSlot[i] = slot
	d := descAt(hw.rxDesc, i)
	d.addr = hw.rxBus + slot*frame.SlotSize
	d.ext = BD_RX_INT
	barrier() // the device sees E last
	d.ctl = BD_RX_E | wrap(i)
}

// Resume tells the device that there are empty descriptors: it stops looking when it meets one that is not.
//
//oob:stage any
func (hw *Port) Resume() {
	mmio.WriteAfter(hw.base+RDAR, RDAR_RDAR)
	hw.rxMark = hw.rxRecycled
}

// MaxRefill is the number of slots that RefillAll takes at most.
const MaxRefill = RingSize / 2

// RefillAll is Refill for each of the first n slots, and Resume.
//
//oob:stage any
//go:nosplit
func (hw *Port) RefillAll(slots *[MaxRefill]uint32, n uint32) { refill(hw, slots, n) }

// Transmit queues the frame of n bytes at Memory.Frame(slot) and reports whether it did: then the driver owns slot until
// Reclaim returns it. Else the ring is full or n impossible, which is counted, and the caller keeps slot. The MAC pads
// short frames and appends the FCS. Nothing is sent before Start.
//
//oob:stage any
//go:nosplit
func (hw *Port) Transmit(slot, n uint32) bool {
	tail := hw.txTail
	if tail-hw.txHead >= RingSize || n-minLen > lengths {
		return hw.refuse(n)
	}
	hw.txTail = tail + 1
	i := tail % RingSize
	hw.txSlot[i] = slot
	d := descAt(hw.txDesc, i)
	d.addr = hw.txBus + slot*frame.SlotSize
	d.ext = BD_TX_INT
	barrier() // the device sees frame and buffer address before R
	d.ctl = hw.txExtra + n | wrap(i)
	return true
}

// Send is Transmit and Start at once.
//
//oob:stage any
//go:nosplit
func (hw *Port) Send(slot, n uint32) bool { return queue(hw, slot, n) }

// SendFrom is Send for a frame that begins shift bytes behind where frames begin in their slot, or in front if it is negative: a
// multiple of four.
//
// The transmit buffer of silicon has an alignment, which a frame that has moved no longer has: there it is moved back, by words. The
// emulator asks for none, and nothing is copied. (TACC.SHIFT16 tells the two apart: see Config.TxShift16.)
//
//oob:stage any
//go:nosplit
func (hw *Port) SendFrom(slot, shift, n uint32) bool {
	if shift != 0 && hw.Aligns() {
		if hw.Free() == 0 || n-minLen > lengths {
			return hw.refuse(n)
		}
		hw.align(slot, shift, n)
		shift = 0
	}
	return queueFrom(hw, slot, shift, n)
}

// align moves a frame of n bytes that begins shift bytes behind its place there.
//
//oob:stage any
func (hw *Port) align(slot, shift, n uint32) {
	to := hw.txFrames + uintptr(slot)*frame.SlotSize
	frame.Copy(to, to+uintptr(int32(shift)), n+frame.Pad)
}

// Aligns reports whether SendFrom copies a frame that has moved.
//
//oob:stage any
func (hw *Port) Aligns() bool { return hw.txExtra&frame.Pad != 0 }

// MaxAligned is the number of frames of an activation that the caller of SendFrom may have copied: it bounds the activation.
const MaxAligned = 8

// refuse counts why Transmit or Send did not take a frame of n bytes.
//
//oob:stage any
//go:noinline
func (hw *Port) refuse(n uint32) bool {
	if n-minLen > lengths {
		hw.Counters[TxLength]++
	} else {
		hw.Counters[TxRingFull]++
	}
	return false
}

// refused is refuse for queue's machine code.
//
//oob:stage any
func refused(hw *Port, slot, n uint32) bool { return hw.refuse(n) }

// refusedFrom is refuse for queueFrom's.
//
//oob:stage any
func refusedFrom(hw *Port, slot, shift, n uint32) bool { return hw.refuse(n) }

// Start lets the MAC send what is queued.
//
// ERR007885 (TDAR race: a write at the moment the DMA clears it can hang the transmitter; named for the i.MX 6SX, Linux's
// fec driver applies it to the 6UL too) asks not to write TDAR while it is set. A transmitter that is active finds the new
// descriptor by itself, or else has stopped just before it: Reclaim sees that and starts it again.
//
//oob:stage any
func (hw *Port) Start() { startTx(hw.base) }

// Free returns the number of frames that Transmit will take.
//
//oob:stage any
func (hw *Port) Free() uint32 { return RingSize - (hw.txTail - hw.txHead) }

// Sending reports whether there are frames that Reclaim has not returned, sent or not.
//
//oob:stage any
func (hw *Port) Sending() bool { return hw.txHead != hw.txTail }

// Reclaim returns the slot of the oldest frame queued when its transmission is over, sent or failed: the caller owns it.
// ok is false when there is none.
//
//oob:stage any
//go:nosplit
func (hw *Port) Reclaim() (slot uint32, ok bool) {
	head := hw.txHead
	if head == hw.txTail {
		return 0, false
	}
	i := head % RingSize
	d := descAt(hw.txDesc, i)
	if d.ctl&BD_TX_R != 0 {
		hw.restart(d)
		return 0, false
	}
	if d.ext&BD_TX_TXE != 0 {
		hw.Counters[TxError]++
	}
	hw.txHead = head + 1
	return hw.txSlot[i], true
}

// restart starts a transmitter that stopped ahead of the ready descriptor d (see Start). d is read again after TDAR:
// between the two reads the transmitter may have finished it.
//
//oob:stage any
//go:noinline
func (hw *Port) restart(d *desc) {
	if mmio.Read(hw.base+TDAR)&TDAR_TDAR == 0 && d.ctl&BD_TX_R != 0 {
		hw.Counters[TxRestart]++
		startTx(hw.base)
	}
}
