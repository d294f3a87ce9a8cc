package socket

import (
	"unsafe"

	"mortise/stack/frame"
	"mortise/stack/reassembly"
	"mortise/stack/wire"
)

// A message's payload in pieces: Write gathers what a task has in several places, Read scatters it, Skip passes over it. All three go on from
// where Data is, across the parts of a message that has several, and keep them all: Data and Len show what is left of the part they
// are in. So a message in parts is read, or changed in place by Word and SetWord, and sent back by ReplyLong.

// MaxPiece is the most bytes that a call of Write or Read moves.
const MaxPiece = frame.SlotSize

// maxSteps bounds the rounds of a call: words, single bytes up to a word and behind the last one, and steps to the next part.
const maxSteps = MaxPiece/4 + 2*3 + reassembly.MaxParts

// Write puts the bytes of b into the payload and returns how many: fewer than there are only at the message's end, or beyond MaxPiece.
//
//oob:stage oob
func (m *Message) Write(b []byte) uint32 {
	return m.move(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)), true)
}

// Read takes bytes of the payload into b and returns how many: fewer than it has room for only at the message's end, or beyond MaxPiece.
//
//oob:stage oob
func (m *Message) Read(b []byte) uint32 {
	return m.move(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)), false)
}

// move copies up to n bytes between what is at base and the payload. The payload is accessed by words where they are aligned, the task's
// memory by words if it is, too.
//
//oob:stage oob
//go:noinline
func (m *Message) move(base unsafe.Pointer, n uint32, in bool) (done uint32) {
	n = min(n, MaxPiece)
	//oob:loop maxSteps each moves a word, a byte that leads to or from words, or steps to the next part
	for range maxSteps {
		left := n - done
		if left == 0 {
			break
		}
		if m.Len == 0 {
			if !m.step() {
				break
			}
			continue
		}
		local := unsafe.Add(base, done)
		payload := unsafe.Add(nil, m.Data)
		size := uint32(1)
		switch {
		case m.Data%4 != 0 || min(left, m.Len) < 4:
			if in {
				*(*uint8)(payload) = *(*uint8)(local)
			} else {
				*(*uint8)(local) = *(*uint8)(payload)
			}
		case uintptr(local)%4 != 0:
			size = 4
			if c := (*[4]uint8)(local); in {
				*(*uint32)(payload) = uint32(c[0]) | uint32(c[1])<<8 | uint32(c[2])<<16 | uint32(c[3])<<24
			} else {
				w := *(*uint32)(payload)
				c[0], c[1], c[2], c[3] = uint8(w), uint8(w>>8), uint8(w>>16), uint8(w>>24)
			}
		case min(left, m.Len) >= 16:
			size = 16
			if f, t := (*[4]uint32)(local), (*[4]uint32)(payload); in {
				t[0], t[1], t[2], t[3] = f[0], f[1], f[2], f[3]
			} else {
				f[0], f[1], f[2], f[3] = t[0], t[1], t[2], t[3]
			}
		default:
			size = 4
			if in {
				*(*uint32)(payload) = *(*uint32)(local)
			} else {
				*(*uint32)(local) = *(*uint32)(payload)
			}
		}
		m.Data += uintptr(size)
		m.Len -= size
		done += size
	}
	return done
}

// step goes on to the next part, which Data and Len show then, and keeps the one before. It reports whether there is one.
//
//oob:stage any
func (m *Message) step() bool {
	slot := slotOf(m.Data)
	if m.parts() == 0 || slot == m.last {
		return false
	}
	m.show(frame.Next(slot))
	return true
}

// Skip passes over up to n bytes of the payload, as if they had been read, and returns how many. With m.Len it shows the next part; 0: there is none.
//
//oob:stage any
func (m *Message) Skip(n uint32) (done uint32) {
	for range 2 * reassembly.MaxParts {
		size := min(n-done, m.Len)
		m.Data += uintptr(size)
		m.Len -= size
		done += size
		if m.Len != 0 || !m.step() {
			break
		}
	}
	return done
}

// Rewind makes Data and Len show the payload from its begin, or that of the oldest part that Next has left.
//
//oob:stage any
func (m *Message) Rewind() {
	if m.parts() != 0 {
		m.show(m.slot)
		return
	}
	start := memory.Frame(m.slot) + uintptr(m.packet)
	if m.packet >= wire.EthernetLen {
		start += headers
	}
	m.Len += uint32(m.Data - start)
	m.Data = start
}
