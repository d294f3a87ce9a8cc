package socket

import (
	"mortise/drivers/mmio"
	"mortise/stack/core"
)

// A request is what in-band asks the oob stage to do, where both would write the same words. In-band fills it in and kicks; on
// the one core the kick has been served when the call returns.
type request struct {
	op         uint32
	sock, port uint32
	peer       uint32
	peerPort   uint32
	n          uint32
	message    Message
	departure  Departure
	status     Status
}

// The operations.
const (
	opNone      = iota
	opFlush     // give the messages of port in the queue of sock back
	opCompose   // sock.Compose(message, peer, peerPort)
	opSend      // sock.Send(message, n)
	opRelease   // message.Release
	opExpire    // give up what came in fragments on port and is not complete
	opLeft      // sock.Departed(departure)
	opLong      // sock.ComposeLong(message, peer, peerPort, n) but for lay; n is an identification then
	opLoop      // send n bytes of message, in parts, by the loopback port
	opGive      // sock gives back what was read, giveMost messages of it
	opSubmit    // send the next parts of message, finished; n is how many are left then, port 1 if it has begun
	opConnect   // sock's peer and peerPort
	opFrame     // sock.ComposeFrame(message)
	opSendFrame // sock.SendFrame(message, n)
)

var asked request

// giveMost bounds the messages that an activation gives back because a goroutine asks for it.
const giveMost = 16

// Asked reports whether the oob stage has still to do what in-band has asked for.
//
//oob:stage inband
func Asked() bool { return mmio.Load(&asked.op) != opNone }

// Kicked does what in-band has asked for: part of the activation for a kick.
//
//oob:stage oob
func Kicked() {
	op := mmio.Load(&asked.op)
	if op == opNone {
		return
	}
	r := &asked
	switch op {
	case opFlush:
		socks[r.sock%Max].flush(r.port)
	case opCompose:
		r.status = Socket(r.sock).Compose(&r.message, r.peer, r.peerPort)
	case opSend:
		r.status = Socket(r.sock).Send(&r.message, r.n)
	case opRelease:
		r.message.Release()
	case opExpire:
		expire(r.port)
	case opGive:
		for range giveMost {
			socks[r.sock%Max].takeBack()
		}
	case opLeft:
		r.status = Socket(r.sock).Departed(&r.departure)
	default:
		r.other(op)
	}
	mmio.Store(&r.op, opNone)
}

// flush gives the slots of the messages from a port back, whose place in the queue is closed up, and takes back what a goroutine has
// read.
//
//oob:stage oob
func (q *sock) flush(port uint32) {
	if q.isConn() {
		for range QueueSize {
			q.takeBack()
		}
	}
	kept, end := q.head, q.tail
	//oob:loop QueueSize i counts them
	for i := uint32(0); i < QueueSize; i++ {
		at := q.head + i
		if at == end {
			break
		}
		m := &q.queue[at%QueueSize]
		if m.port%tablePorts == port {
			m.Release()
			continue
		}
		q.queue[kept%QueueSize] = *m
		kept++
	}
	q.tail = kept
}

// other does what in-band has asked for with a peer, a frame, or a message in parts.
//
//oob:stage oob
//go:noinline
func (r *request) other(op uint32) {
	m, q := &r.message, Socket(r.sock).get()
	p := &ports[m.port%tablePorts]
	switch op {
	case opLong:
		if r.status = q.composeLong(m, r.peer, r.peerPort, r.n); r.status != OK {
			q.count[FailedSend]++
			return
		}
		if m.port%tablePorts == Loopback {
			return
		}
		id, ok := identify(m.Peer)
		if r.n = id; !ok {
			r.status = m.failed(q, Busy)
		}
	case opLoop:
		if p.up != looped {
			r.status = m.failed(q, Down)
			return
		}
		r.status = p.loop(q, m, header(m.slot), r.n)
	case opSubmit:
		r.status = r.submit(q, p, m)
	case opConnect:
		q.peer, q.peerPort = r.peer, r.peerPort
	case opFrame:
		r.status = Socket(r.sock).ComposeFrame(m)
	case opSendFrame:
		r.status = Socket(r.sock).SendFrame(m, r.n)
	}
}

// submit sends the next parts of m. A datagram of which nothing has gone is given back if there is no room for all; the rest of another stays
// in-band's, but if its port is down.
//
//oob:stage oob
func (r *request) submit(q *sock, p *port, m *Message) Status {
	switch {
	case p.up&wired == 0:
		return m.failed(q, Down)
	case r.port == 0 && !core.RoomFor(p.name.Dev(), m.parts()+submitReserve):
		long.busy++
		return m.failed(q, Busy)
	}
	r.port = 1
	for range submitMost {
		q.askLast(p, m)
		if !m.submit(p) {
			return Busy
		}
		if r.n = m.parts(); r.n == 0 {
			q.sentLong()
			break
		}
	}
	return OK
}
