package socket

import (
	"mortise/stack/core"
	"mortise/stack/wire"
)

// Writable says how it would go to send a message now, to a peer as Compose has it: OK, or what Compose or Send would say.
// It takes nothing and counts nothing. Of a UDP socket that is not connected, with no peer named, it tells whether the oob port that it
// is bound to takes messages; a raw socket has no peers.
//
//oob:stage oob
func (s Socket) Writable(peer, peerPort uint32) Status {
	q := s.get()
	i := q.device - 1
	switch {
	case q.kind == closed:
		return Closed
	case q.kind != udp:
	case peer|q.peer == 0:
		if i >= MaxPorts {
			return NoPeer
		}
	default:
		if peer == 0 {
			peer, peerPort = q.peer, q.peerPort
		}
		if peerPort == 0 {
			return NoPeer
		}
		var status Status
		if i, _, _, status = q.path(peer); status != OK {
			return status
		}
	}
	p := &ports[i%tablePorts]
	switch {
	case p.up == down:
		return Down
	case p.pool.Free() == 0:
		return NoBuffer
	case p.up&wired != 0 && !core.Room(p.name.Dev()):
		return Busy
	}
	return OK
}

// WritableLong is Writable for a datagram of n bytes of payload, in fragments if it takes some: room for all of them, or none.
//
//oob:stage oob
func (s Socket) WritableLong(peer, peerPort, n uint32) Status {
	status := s.Writable(peer, peerPort)
	if status == Closed || n <= MaxPayload {
		return status
	}
	q := s.get()
	if q.kind != udp {
		return NotUDP
	}
	if n > MaxDatagram || q.whole != 0 {
		return TooLong
	}
	if status != OK {
		return status
	}
	if peer == 0 {
		peer = q.peer
	}
	i := q.device - 1
	if peer != 0 {
		i, _, _, _ = q.path(peer)
	}
	p, parts := &ports[i%tablePorts], (n+wire.UDPLen+maxPart-1)/maxPart
	switch {
	case p.pool.Free() < parts:
		return NoBuffer
	case p.up&wired != 0 && !core.RoomFor(p.name.Dev(), parts):
		return Busy
	}
	return OK
}
