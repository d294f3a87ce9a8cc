package socket

import (
	"mortise/drivers/mmio"
	"mortise/stack/task"
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
	status     Status
}

// The operations.
const (
	opNone    = iota
	opFlush   // give the messages of port in the queue of sock back
	opCompose // sock.Compose(message, peer, peerPort)
	opSend    // sock.Send(message, n)
	opRelease // message.Release
	opExpire  // give up what came in fragments on port and is not complete
)

var asked request

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
	}
	mmio.Store(&r.op, opNone)
}

// flush gives the slots of the messages from a port back, whose place in the queue is closed up, and takes back what a goroutine has
// read.
//
//oob:stage oob
func (q *sock) flush(port uint32) {
	if q.task >= task.MaxTasks {
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
		if m.port&(1<<partsShift-1) == port {
			m.Release()
			continue
		}
		q.queue[kept%QueueSize] = *m
		kept++
	}
	q.tail = kept
}
