package socktest

import (
	"mortise/stack/socket"
)

// The bits of waiting.
const (
	datagram = 1 << iota
	room
	frame
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
	waiting.Wait(datagram | frame)
}

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

// answer says how many bytes a datagram has, and what its words add up to.
//
//oob:stage oob
func answer() {
	m, status := asked.Receive()
	if status != socket.OK {
		return
	}
	whole, sum := m.Whole(), uint32(0)
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
		reply.SetWord(0, whole)
		reply.SetWord(4, sum)
		asked.Send(&reply, 8)
	}
	m.Release()
}
