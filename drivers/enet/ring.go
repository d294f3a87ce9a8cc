package enet

import (
	"unsafe"

	"mortise/stack/frame"
)

const (
	// RingSize is the number of positions of each ring, a power of two: 64 × 123 µs of back-to-back full frames at
	// 100 Mb/s is 7.8 ms, 64 minimal frames are 430 µs.
	RingSize = 64
	// DescBytes is the size in bytes of the descriptor memory of a port: both rings.
	DescBytes = 2 * RingSize * descSize
	// DescAlign is the alignment in bytes of the descriptor memory.
	DescAlign = 64

	slotShift = 11 // frame.SlotSize is 1 << 11, for leaf_arm.s

	// fcsLen and frame.Pad are part of a received length.
	fcsLen = 4
	// minLen is what a frame must have to have a type: an Ethernet header.
	minLen = 14

	// maxFL: the longest frame in bytes with its FCS, and the pad, which QEMU 10 counts too. Silicon then lets frames
	// pass that are up to two bytes too long: Receive refuses them.
	maxFL = frame.MaxLen + fcsLen + frame.Pad
	// truncFL cuts longer frames so that one frame is always one buffer. At least MAX_FL.
	truncFL = 1536
	// rxBufSize is MRBR.R_BUF_SIZE, a multiple of 64 that holds a truncated frame.
	rxBufSize = frame.BufferSize &^ 63
)

var _ [frame.SlotSize - 1<<slotShift]struct{} = [0]struct{}{}

// Counters of Port.Counters, one for each reason to drop a frame, and events that drop none. Names are in CounterNames.
const (
	RxSplit     = iota // frame in more than one buffer
	RxTruncated        // TR
	RxOverrun          // OV
	RxLong             // LG, or more than frame.MaxLen
	RxNonOctet         // NO
	RxCRC              // CR
	RxMACError         // ME alone
	RxShort            // less than an Ethernet header
	TxRingFull         // Transmit found no position
	TxLength           // Transmit was asked for an impossible length
	TxError            // TXE: queued, not sent
	RxAborted          // received, not taken when the port was shut down or initialised again
	TxAborted          // queued, not sent then
	TxRestart          // event: TDAR was found at rest with a frame queued, and written again
	NumCounters

	numDrops = TxAborted + 1
)

// CounterNames holds the names of Port.Counters.
var CounterNames = [NumCounters]string{
	RxSplit:     "rx_split",
	RxTruncated: "rx_truncated",
	RxOverrun:   "rx_overrun",
	RxLong:      "rx_long",
	RxNonOctet:  "rx_non_octet",
	RxCRC:       "rx_crc",
	RxMACError:  "rx_mac_error",
	RxShort:     "rx_short",
	TxRingFull:  "tx_ring_full",
	TxLength:    "tx_length",
	TxError:     "tx_error",
	RxAborted:   "rx_aborted",
	TxAborted:   "tx_aborted",
	TxRestart:   "tx_restart",
}

// A desc is an enhanced descriptor in DMA memory. Its words are read and written plainly: the calls of barrier and of mmio
// order them, for the processor by what they execute, for the compiler because it cannot see through them.
type desc struct {
	ctl  uint32 // status and length; written last, it hands the descriptor over
	addr uint32 // bus address of the buffer
	ext  uint32 // extended control and status
	csum uint32 // header length, protocol, payload checksum: accelerators, not used
	bdu  uint32 // set by the device when it is done; E and R say the same
	time uint32 // of the 1588 timer: see stamp.go
	_    [2]uint32
}

// descAt returns the descriptor at position i of the ring at base.
//
//oob:stage any
func descAt(base uintptr, i uint32) *desc {
	base += uintptr(i << descShift)
	return *(**desc)(unsafe.Pointer(&base))
}

// length returns the length field of ctl.
//
//oob:stage any
func length(ctl uint32) uint32 { return uint32(uint16(ctl)) }

// wrap returns W for the last position of a ring.
//
//oob:stage any
func wrap(i uint32) uint32 { return (i + 1) / RingSize * BD_W }

// A Port is the oob half: the rings of one controller and where they are. It holds no pointer; it lives in static memory.
// One stage at a time calls its methods. Slots are remembered here, never read back from descriptors.
type Port struct {
	rxSlot [RingSize]uint32 // but from rxFill to rxHead: the caller has those. First, for the shortest addressing
	txSlot [RingSize]uint32 // valid from txHead to txTail

	base     uintptr // registers
	rxDesc   uintptr // receive descriptors
	txDesc   uintptr // transmit descriptors
	rxBus    uint32  // bus address of slot 0's receive buffer
	txBus    uint32  // and of its transmit buffer: with the pad (TACC.SHIFT16) or behind it
	txFrames uintptr // address of slot 0's buffer, where its pad is
	txExtra  uint32  // word 0 of a transmit descriptor but for length and W; its low half is the pad's length

	rxHead     uint32 // position of the next Receive, free-running
	rxFill     uint32 // position of the next Refill, free-running: at most rxHead
	rxGood     uint32 // word 0 bits that Receive's short path wants: BD_L; 0 inside a split frame
	rxRecycled uint32 // positions that held no good frame: good frames are rxHead − rxRecycled
	rxMark     uint32 // rxRecycled at the last Resume
	txHead     uint32 // position of the next Reclaim, free-running
	txTail     uint32 // position of the next Transmit, free-running

	// Counters are written by the stage that drives the port; another reads them with mmio.Load.
	Counters [NumCounters]uint32
}
