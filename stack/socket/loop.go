package socket

import (
	"mortise/stack/task"
	"mortise/stack/wire"
)

// The loopback port, by which sockets of this machine talk to each other: to 127.0.0.0/8, and to the oob ports' own addresses.
//
// A message goes from the sender's hands into the queue of the socket that it is for, in its slot, within Send: nothing waits in
// between, so that messages arrive in the order in which they were sent, and a message is not copied. Who reads is made ready and
// nothing more, so that there is no recursion: a task runs when the sender's run has ended, in the same activation, which has
// task.MaxRuns runs at most; two tasks that keep each other busy use these up, and in-band gets its time as with any other tasks.
// What a message costs is its sender's time, in the sender's budget and quota. It needs no checksum, and has none.

// Loopback is the index of the loopback port.
const Loopback = MaxPorts - 1

// What port.up says.
const (
	down   = iota
	wired  // frames go to the device: odd, as timed
	looped // they go to sockets here
	timed  // they go to the device, and some tell when they left: see stamp.go
)

// lists has the list of sockets that are bound to each UDP port, plus one; 0: none.
var lists [1 << 16]uint8

// proceed is aside's status for a message that is for the device after all.
const proceed = NumStatuses

// aside is send where the message of n bytes is not for a device: the port is down, or it is the loopback port; or where it is to tell
// when it left.
//
//oob:stage oob
//go:noinline
func (m *Message) aside(q *sock, n uint32) Status {
	p := &ports[m.port%tablePorts]
	switch {
	case m.parts() != 0:
		return m.failed(q, TooLong) // SendLong sends it
	case p.up == timed:
		q.ask(p)
		return proceed
	case p.up != looped:
		return m.failed(q, Down)
	}
	return p.loop(q, m, memory.Frame(m.slot)+uintptr(m.packet), n)
}

// loop gives the message with n bytes of payload, whose IPv4 header lies at packet, to the socket that it is for. What is in parts stays so.
//
//oob:stage oob
func (p *port) loop(q *sock, m *Message, packet uintptr, n uint32) Status {
	q.count[Sent]++
	size := uint32(packet-memory.Frame(m.slot)) + wire.IPv4Len + wire.UDPLen + n
	p.tally.sent++
	p.tally.txBytes += size
	ip := wire.DatagramAt(packet)
	src, dst, pair := ip.Src, ip.Dst, wire.Swap32(ip.Ports)
	switch {
	case q.from != 0: // where the socket is bound to
		src = q.from
	case !isLoopback(dst) && !isGroup(dst): // an own address: it is from there, so that an answer goes there and comes from there
		src = dst
	}
	ip.Src = src
	list := uint32(lists[uint16(pair)]) - 1
	s, ok := Sole(list, Loopback)
	if !ok || list >= Max || isGroup(dst) {
		if s, ok = Find(list, Loopback, src, dst, pair); !ok || list >= Max {
			p.lost(m)
			return OK
		}
	}
	if m.parts() == 0 {
		m.Data, m.Len = packet+wire.IPv4Len+wire.UDPLen, n
	} else {
		m.packet = 0
		m.Rewind()
	}
	m.Peer, m.PeerPort, m.Local = src, pair>>16, dst
	p.hand(m, s, q.task, size)
	return OK
}

// loopFrame sends the frame of size bytes in m by the loopback port: to the raw socket that it is for.
//
//oob:stage oob
//go:noinline
func (p *port) loopFrame(q *sock, m *Message, size uint32) {
	q.count[Sent]++
	p.tally.sent++
	p.tally.txBytes += size
	addr := memory.Frame(m.slot)
	s, ok := FindRaw(Loopback, wire.EthernetAt(addr).SrcType>>16)
	if !ok {
		p.lost(m)
		return
	}
	m.Data, m.Len = addr, size
	m.Peer, m.PeerPort, m.Local, m.packet = 0, 0, 0, 0
	p.hand(m, s, q.task, size)
}

// hand puts m, a frame of size bytes that task by sends, into the queue of socket s, or drops it.
//
//oob:stage oob
func (p *port) hand(m *Message, s, by, size uint32) {
	q := &socks[s%Max]
	tail := q.tail
	if q.task%apart == by%apart && !q.isConn() && tail-q.head >= min(q.limit, QueueSize-1) {
		// To itself: a place further may be that of the message that the task received last, and still looks at.
		q.count[DroppedFull]++
		p.lost(m)
		return
	}
	if (q.isConn() || tail-q.head >= q.limit) && !q.room(p) {
		p.lost(m)
		return
	}
	to := &q.queue[tail%QueueSize]
	*to = *m
	q.queued(to)
	if q.isConn() {
		task.Wake()
	}
	p.tally.taken++
	p.tally.rxBytes += size
}

// lost gives a message that nobody gets back, and counts it.
//
//oob:stage oob
func (p *port) lost(m *Message) {
	p.tally.dropped++
	m.Release()
}

// isLoopback reports whether an IPv4 address in wire order is in 127.0.0.0/8.
//
//oob:stage any
func isLoopback(addr uint32) bool { return addr&0xff == 127 }

// local finds the way to a peer that no neighbour leads to: one of this machine's own addresses is reached by the loopback port.
// Else why says what is missing.
//
//oob:stage oob
//go:noinline
func (q *sock) local(dst uint32, why Status) (i, mac0, mac4 uint32, status Status) {
	own := isLoopback(dst)
	for i := range uint32(MaxPorts) {
		if ports[i].addr == dst {
			own = true
			break
		}
	}
	if !own {
		return 0, 0, 0, why
	}
	if ports[Loopback].up != looped || q.device != 0 && q.device != Loopback+1 {
		return 0, 0, 0, NoRoute
	}
	return Loopback, 0, 0, OK
}
