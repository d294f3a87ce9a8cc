package socket

import (
	"unsafe"

	"mortise/stack/frame"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// get returns the state of a socket of a kind that is open, nil for another.
//
//oob:stage oob
func (s Socket) get() *sock { return &socks[s%Max] }

// Receive takes the oldest message of the queue. The caller owns it then; it lies in the queue's place, which holds it until the
// task's run ends: a task that keeps a message longer copies it. Empty: there is none.
//
//oob:stage oob
//go:nosplit
func (s Socket) Receive() (*Message, Status) {
	q := s.get()
	head := q.head
	m := &q.queue[head%QueueSize]
	tail := q.tail
	if tail == head {
		return m, q.why()
	}
	m.Delivered = task.Began()
	head++
	q.head = head
	if tail != head {
		task.Ready(q.task) // there is more: a task need not empty the queue
	}
	return m, OK
}

// why says why there is no message.
//
//oob:stage oob
//go:noinline
func (q *sock) why() Status {
	if q.kind == closed {
		return Closed
	}
	return Empty
}

// Readable returns the number of messages in the queue.
//
//oob:stage oob
func (s Socket) Readable() uint32 { q := s.get(); return q.tail - q.head }

// Release gives the message's slot back: it is consumed.
//
//oob:stage oob
func (m *Message) Release() {
	if m.port >= 1<<partsShift {
		m.releaseParts()
		return
	}
	ports[m.port%tablePorts].pool.Put(m.slot)
}

// Word returns the four bytes at offset off of the payload as a big-endian number. off is a multiple of four below Len, or 0 is
// read: nothing outside the slot is touched, whatever off is.
//
//oob:stage oob
func (m *Message) Word(off uint32) uint32 { return wire.Swap32(*(*uint32)(m.at(off))) }

// SetWord writes v, big-endian, to the four bytes at offset off of the payload.
//
//oob:stage oob
func (m *Message) SetWord(off, v uint32) { *(*uint32)(m.at(off)) = wire.Swap32(v) }

// Byte returns the byte at offset off of the payload.
//
//oob:stage oob
func (m *Message) Byte(off uint32) uint32 { return uint32(*(*uint8)(m.at(off))) }

// SetByte writes the low byte of v to offset off of the payload.
//
//oob:stage oob
func (m *Message) SetByte(off, v uint32) { *(*uint8)(m.at(off)) = uint8(v) }

// at returns where offset off of the payload is. Behind each payload's start a slot has room for frame.MaxLen bytes.
//
//oob:stage oob
func (m *Message) at(off uint32) unsafe.Pointer {
	if off >= frame.MaxLen {
		off = 0
	}
	return unsafe.Add(nil, m.Data+uintptr(off))
}
