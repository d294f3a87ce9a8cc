package enet

import (
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/frame"
)

// FarRegisters is the size in bytes of the memory that a Far needs in the place of a controller's registers: all that a Port
// touches.
const FarRegisters = 0x40

// A Far is the other end of a Port's rings where there is no controller that knows them: a goroutine does what a
// controller's DMA would, with a driver of any kind behind it (drivers/stock). The stage that drives the Port sees no
// difference, and runs no other instruction: its registers are plain memory, which nobody looks at, and its rings, whose E
// and R bits hand each position over to the other side, are the two single-producer, single-consumer queues between the
// stages.
//
// Stage: in-band. One goroutine at a time calls it, but for the stage that drives the Port.
type Far struct {
	cfg    Config
	hw     *Port
	rx, tx uint32 // positions of the next frame to put in, and to take out; free-running
}

// NewFar checks cfg and returns the other end of hw. cfg.Base is the address of FarRegisters bytes of memory that are nobody
// else's; what only a controller needs is not looked at.
func NewFar(hw *Port, cfg Config) (*Far, error) {
	cfg.ClkHz, cfg.TxShift16, cfg.MIB = 66_000_000, false, false
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Far{cfg: cfg, hw: hw}, nil
}

// Init builds the rings, with slots (RingSize of them) in the receive ring; what they held is forgotten. The stage that drives the
// port must not do so meanwhile.
func (f *Far) Init(slots []uint32) error {
	if err := f.cfg.checkSlots(slots); err != nil {
		return err
	}
	for off := uintptr(0); off < FarRegisters; off += 4 {
		mmio.Write(f.cfg.Base+off, 0)
	}
	f.cfg.build(f.hw, slots)
	f.rx, f.tx = 0, 0
	return nil
}

// Held appends the slots that the rings hold to slots, under Init's condition.
func (f *Far) Held(slots []uint32) []uint32 { return f.hw.held(slots) }

// Abort counts what the rings hold as aborted: see RxAborted.
func (f *Far) Abort() { f.cfg.abort(f.hw) }

// Space returns where the next frame received goes, nil if the ring has no empty position. Received hands it over.
func (f *Far) Space() []byte {
	d := descAt(f.hw.rxDesc, f.rx%RingSize)
	if mmio.Load(&d.ctl)&BD_RX_E == 0 {
		return nil
	}
	return f.bytes(d.addr-f.hw.rxBus, frame.MaxLen)
}

// Received hands the n bytes that were written to Space over to the stage that drives the port.
func (f *Far) Received(n int) {
	i := f.rx % RingSize
	f.rx++
	barrier() // the frame is there before E goes
	mmio.Store(&descAt(f.hw.rxDesc, i).ctl, BD_L|wrap(i)|uint32(n+frame.Pad+fcsLen))
}

// Queued returns the next frame that the stage which drives the port wants to have sent, nil if there is none. Sent takes it off
// the queue. A frame of which no byte is to be seen is one that cannot be.
func (f *Far) Queued() []byte {
	d := descAt(f.hw.txDesc, f.tx%RingSize)
	ctl := mmio.Load(&d.ctl)
	if ctl&BD_TX_R == 0 {
		return nil
	}
	barrier() // the frame is read behind R
	return f.bytes(d.addr-f.hw.txBus, length(ctl))
}

// Sent gives the slot of the frame that Queued returned back; ok false: it was not sent, which the port counts (TxError).
func (f *Far) Sent(ok bool) {
	d := descAt(f.hw.txDesc, f.tx%RingSize)
	f.tx++
	if !ok {
		mmio.Store(&d.ext, d.ext|BD_TX_TXE)
	}
	barrier()
	mmio.Store(&d.ctl, d.ctl&^BD_TX_R)
}

// bytes returns the n bytes at off behind the first frame of the memory: off is a difference of bus addresses. What is not a part
// of a slot is none at all: oob code may have written it, astray.
func (f *Far) bytes(off, n uint32) []byte {
	m := &f.cfg.Memory
	at := off + frame.Headroom + frame.Pad // from slot 0's start
	if at/frame.SlotSize >= m.Slots || at%frame.SlotSize+n > frame.SlotSize {
		return []byte{}
	}
	addr := m.Base + uintptr(at)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}
