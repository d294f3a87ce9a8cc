package socktest

import (
	"mortise/stack/socket"
)

// The bits of waiting.
const (
	datagram = 1 << iota
	room
	frame
	whole
)

// typeCopy is the EtherType that copies are sent with: one for local experiments (0x88b5), in wire order.
const (
	typeOffset = 16
	typeHigh   = 0x88
	typeLow    = 0xb5
)

// Run is the task: a datagram and a frame a run.
//
//oob:stage oob
func Run() {
	bits := waiting.Ready()
	if bits&frame != 0 {
		copied()
	}
	if bits&(datagram|room) == datagram|room {
		answer()
	}
	if bits&whole != 0 {
		back()
	}
	waiting.Wait(datagram | frame | whole)
}

// back sends a datagram of any size back in the fragments that it came in. It reads its first bytes as a task would that has to, and adds one to the
// last.
//
//oob:stage oob
func back() {
	m, status := echoed.Receive()
	if status != socket.OK {
		return
	}
	n := m.Whole()
	var begin [headBytes]byte
	m.Read(begin[:])
	m.Rewind()
	m.Skip(n - 1)
	m.SetByte(0, m.Byte(0)+1)
	echoed.ReplyLong(m, n)
}

// headBytes is what back reads.
const headBytes = 16

// copied sends a copy of a frame back, under another EtherType.
//
//oob:stage oob
func copied() {
	m, status := all.Receive()
	if status != socket.OK {
		return
	}
	m.SetByte(typeOffset, typeHigh)
	m.SetByte(typeOffset+1, typeLow)
	all.SendFrame(m, m.Len)
}

// answer says how many bytes a datagram has, what its words add up to, and its times; and those of the last answer that has left.
//
//oob:stage oob
func answer() {
	m, status := asked.Receive()
	if status != socket.OK {
		return
	}
	size, sum := m.Whole(), uint32(0)
	times, _ := asked.Times(m)
	asked.Departed(&left)
	for range maxParts { //oob:loop maxParts there are no more
		for i := range uint32(maxWords) { //oob:loop maxWords i counts them
			if 4*i+4 > m.Len {
				break
			}
			sum += m.Word(4 * i)
		}
		if !m.Next() {
			break
		}
	}
	var reply socket.Message
	if asked.Compose(&reply, m.Peer, m.PeerPort) == socket.OK {
		reply.SetWord(0, size)
		reply.SetWord(4, sum)
		reply.SetWord(8, uint32(times.Source))
		reply.SetWord(12, times.Queued-times.Device)
		reply.SetWord(16, times.Delivered-times.Queued)
		reply.SetWord(20, uint32(left.Source))
		reply.SetWord(24, left.Number)
		reply.SetWord(28, left.Device-left.Queued)
		reply.SetWord(32, left.Delivered-left.Device)
		asked.Send(&reply, 36)
	}
	m.Release()
}
