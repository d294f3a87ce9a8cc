package socket

import (
	"math/bits"

	"mortise/stack/core"
	"mortise/stack/frame"
)

// listeners are the raw sockets that get a copy of each frame of their oob port, which has their bits: the socket's number plus
// one; 0: none.
var listeners [MaxListeners]uint32

// uncopied counts, for each set of listeners, the frames of which it would have got copies beyond those that an activation makes: one
// store for all. What a listener has missed is the sum of the sets that it is in: see missed.
var uncopied [1 << MaxListeners]uint32

// Show queues a copy of the frame of n bytes at addr, which came on the oob port of index port, for each of the port's listeners,
// as long as there are no more than room. It returns how many there were. The frame stays the caller's.
//
//oob:stage oob
func Show(port uint32, addr uintptr, n, room uint32) (copies uint32) {
	p := &ports[port%tablePorts]
	want := p.listeners
	for want != 0 && copies < room { //oob:total core.MaxShown divert.Poll stack/divert has room for so many in an activation
		listener(want).copied(p, port, addr, n)
		want &= want - 1
		copies++
	}
	uncopied[want%(1<<MaxListeners)]++
	return copies
}

// listener returns the first of the listeners whose bits are set.
//
//oob:stage oob
func listener(set uint32) *sock {
	return &socks[(listeners[bits.TrailingZeros32(set)%MaxListeners]-1)%Max]
}

// copied queues a copy of the frame of n bytes at addr, which came on p, the oob port of index port.
//
//oob:stage oob
func (q *sock) copied(p *port, port uint32, addr uintptr, n uint32) {
	empty, ok := q.slotFor(p)
	if !ok {
		return
	}
	to := memory.Frame(empty)
	frame.Copy(to-frame.Pad, addr-frame.Pad, n+frame.Pad)
	q.frame(port, to, n)
}

// PutFrame queues the frame of n bytes at addr for raw socket s, as Put does.
//
//oob:stage oob
func PutFrame(s, port uint32, addr uintptr, n uint32) uint32 {
	q, p := &socks[s%Max], &ports[port%tablePorts]
	empty, ok := q.slotFor(p)
	if !ok {
		return core.Drop
	}
	p.tally.queued++
	p.tally.rxBytes += n - headers
	q.frame(port, addr, n)
	return core.Kept | empty
}

// slotFor returns an empty slot of p's pool for a message to q, if q's queue has room. What is not ok is counted.
//
//oob:stage oob
func (q *sock) slotFor(p *port) (slot uint32, ok bool) {
	if (q.isConn() || q.tail-q.head >= q.limit || p.up == 0) && !q.room(p) {
		return 0, false
	}
	if slot, ok = p.pool.Get(); !ok {
		q.count[DroppedBuffer]++
	}
	return slot, ok
}

// frame queues the frame of n bytes at addr, in a slot of q's now: slotFor has found room.
//
//oob:stage oob
func (q *sock) frame(port uint32, addr uintptr, n uint32) {
	m := &q.queue[q.tail%QueueSize]
	m.Data, m.Len = addr, n
	m.Peer, m.PeerPort, m.Local, m.packet = 0, 0, 0, 0
	m.slot, m.port = slotOf(addr), port
	q.queued(m)
}
