// Package frame holds the frames: a fixed pool of slots in DMA memory, and the rings over which two stages exchange them.
//
// A slot is named by its index; its address follows from the pool's base, and is the same in both stages. Nothing here
// holds a pointer: the rings and lists are fixed arrays of integers in static memory, so that oob code may use them.
//
// Ownership: a slot belongs to exactly one of: a device's receive ring, its transmit ring, the free list of the stage
// that drives the device, or a position of a crossing (Exchange), where it is in-band's. The crossing swaps: who hands over a full
// slot takes an empty one in exchange, so the number of slots a stage has never changes, and a slow in-band side can exhaust its own
// share only.
//
// Stage: any. Does not support: frames larger than a
// slot, chains of slots.
package frame

import "mortise/drivers/mmio"

const (
	// SlotSize is the size of a slot in bytes, a power of two and a multiple of the cache line (64).
	SlotSize = 1 << slotShift
	// Headroom is the number of bytes in front of the DMA buffer: room for a tag or a header pushed in front of a frame.
	// A multiple of 64, because the controllers ask for aligned receive buffers.
	Headroom = 64
	// Pad is the number of bytes the receiver puts in front of the Ethernet header (RACC.SHIFT16), so that the IP header
	// is a multiple of 4 with no tag, one and two.
	Pad = 2
	// BufferSize is what a controller may write from the DMA buffer's start: pad, frame, FCS.
	BufferSize = SlotSize - Headroom
	// MaxLen is the largest frame in bytes, FCS excluded: 1500 of payload, 14 of header, two tags.
	MaxLen = 1500 + 14 + 2*4
	// MinLen is the smallest frame in bytes on the wire, FCS excluded.
	MinLen = 60

	slotShift = 11
)

// Memory is a run of slots at a fixed address: Base for the processor, Bus for a device's DMA. It is a plain value: copy
// it freely.
type Memory struct {
	Base  uintptr // processor address of slot 0, a multiple of 64
	Bus   uint32  // the same byte as the device sees it
	Slots uint32  // number of slots
}

// Buffer returns the processor address of the DMA buffer of slot: Pad bytes, then the frame.
//
//oob:stage any
func (m *Memory) Buffer(slot uint32) uintptr {
	return m.Base + uintptr(slot)<<slotShift + Headroom
}

// Frame returns the processor address of the first byte (destination MAC) of a frame received into slot.
//
//oob:stage any
func (m *Memory) Frame(slot uint32) uintptr {
	return m.Base + uintptr(slot)<<slotShift + Headroom + Pad
}

// BusBuffer returns the address that a device uses for Buffer(slot).
//
//oob:stage any
func (m *Memory) BusBuffer(slot uint32) uint32 {
	return m.Bus + slot<<slotShift + Headroom
}

// Ref names a frame in a slot.
type Ref struct {
	Slot uint16
	Len  uint16 // bytes of the frame, FCS excluded; 0: the slot is empty
	Meta uint32 // what the producer says of it: the ring's user defines it
}

// RingSize is the number of refs a Ring holds, a power of two.
const RingSize = 256

// Ring is a single-producer, single-consumer queue of refs between two stages. The zero value is an empty ring. The
// producer writes tail, the consumer head; both are free-running, so full is tail − head = RingSize.
type Ring struct {
	tail, head uint32
	refs       [RingSize]Ref
}

// Push appends ref and reports whether there was room. Only the producer's stage calls it.
//
//oob:stage any
func (r *Ring) Push(ref Ref) bool {
	tail := r.tail
	if tail-mmio.Load(&r.head) >= RingSize {
		return false
	}
	r.refs[tail%RingSize] = ref
	mmio.Store(&r.tail, tail+1)
	return true
}

// Pop takes the oldest ref and reports whether there was one. Only the consumer's stage calls it.
//
//oob:stage any
func (r *Ring) Pop() (ref Ref, ok bool) {
	head := r.head
	if mmio.Load(&r.tail) == head {
		return ref, false
	}
	ref = r.refs[head%RingSize]
	mmio.Store(&r.head, head+1)
	return ref, true
}

// Len returns how many refs are queued: exact for the caller's own end, a snapshot for the other.
//
//oob:stage any
func (r *Ring) Len() uint32 { return mmio.Load(&r.tail) - mmio.Load(&r.head) }

// ListSize is the number of slots a List holds.
const ListSize = 1024

// List is a stack of free slots that one stage owns. The zero value is empty.
type List struct {
	n, lowest uint32
	slots     [ListSize]uint16
}

// Put gives slot to the list and reports whether there was room: no room is an accounting error of the caller.
//
//oob:stage any
func (l *List) Put(slot uint32) bool {
	if l.n >= ListSize {
		return false
	}
	l.slots[l.n%ListSize] = uint16(slot)
	l.n++
	return true
}

// Get takes a slot and reports whether there was one.
//
//oob:stage any
func (l *List) Get() (slot uint32, ok bool) {
	if l.n == 0 {
		return 0, false
	}
	l.n--
	if l.n < l.lowest {
		l.lowest = l.n
	}
	return uint32(l.slots[l.n%ListSize]), true
}

// At returns the slot at place i, below Len.
//
//oob:stage any
func (l *List) At(i uint32) uint32 { return uint32(l.slots[i%ListSize]) }

// Len returns the number of free slots.
//
//oob:stage any
func (l *List) Len() uint32 { return l.n }

// Lowest returns the smallest number of free slots since Mark.
//
//oob:stage any
func (l *List) Lowest() uint32 { return l.lowest }

// Mark starts a new observation of Lowest from the number of slots free now.
//
//oob:stage any
func (l *List) Mark() { l.lowest = l.n }
