package socket

import (
	"mortise/stack/core"
	"mortise/stack/frame"
	"mortise/stack/reassembly"
	"mortise/stack/wire"
)

// Datagrams that do not fit into a frame: they are sent in IPv4 fragments. Such a message has a buffer for each fragment, chained and described
// as what comes in fragments is (reassembly.Lay), so that the one kind can be sent as the other: ReplyLong sends the fragments back in
// the slots that they came in. Each fragment is written once where it is sent from, and read once for the checksum of the datagram.
//
// They have functions of their own. What a task that calls them may cost is in its bound then, and in nobody else's.

// maxPart is the most that a fragment carries behind its IPv4 header: a multiple of eight.
const maxPart = (frame.MaxLen - wire.EthernetLen - 2*wire.TagLen - wire.IPv4Len) &^ 7

// moreFragments is the flag in IPv4.Frag.
const moreFragments = 0x20 << 16

// long counts what is sent in fragments.
var long struct {
	datagrams, fragments uint32
	busy                 uint32 // datagrams that found no room for all their fragments at the device
	idents               uint32 // datagrams for which there was no identification: see ident.go
}

// ComposeLong is Compose for a datagram of n bytes, up to MaxDatagram: a message of as many buffers as it takes, all of them or none. Data and
// Len show the first part; Write and Skip go through them all. It is for SendLong, or Release. What fits into a frame is as Compose
// makes it.
//
//oob:stage oob
func (s Socket) ComposeLong(m *Message, peer, peerPort, n uint32) Status {
	q := s.get()
	status := q.composeLong(m, peer, peerPort, n)
	if status != OK {
		q.count[FailedSend]++
		return status
	}
	if m.parts() != 0 {
		m.lay(n)
	}
	return OK
}

// composeLong is ComposeLong but for what each part is: see lay.
//
//oob:stage oob
func (q *sock) composeLong(m *Message, peer, peerPort, n uint32) Status {
	if n > MaxPayload && (n > MaxDatagram || q.whole != 0) {
		return TooLong
	}
	status := q.compose(m, peer, peerPort)
	if status != OK || n <= MaxPayload {
		return status
	}
	parts := (n + wire.UDPLen + maxPart - 1) / maxPart
	p := &ports[m.port%tablePorts]
	first, last, ok := p.pool.GetChain(parts - 1)
	if !ok {
		p.pool.NoneToSend()
		m.Release()
		return NoBuffer
	}
	frame.Link(m.slot, first)
	m.last = last
	m.port |= inParts | parts<<partsShift
	return OK
}

// lay makes the chain of a message that is composed the parts of a datagram of n bytes.
//
//oob:stage any
func (m *Message) lay(n uint32) {
	at, rest, offset, slot := m.packet+wire.IPv4Len, n+wire.UDPLen, uint32(0), m.slot
	for range reassembly.MaxParts {
		part := min(rest, maxPart)
		reassembly.Lay(slot, at, offset, part)
		if slot == m.last {
			break
		}
		offset += part
		rest -= part
		slot = frame.Next(slot)
	}
	m.packet = 0
	m.Rewind()
}

// SendLong is Send for a message of ComposeLong: in fragments, if n bytes of payload do not fit into a frame. All of them are queued at the
// device, or none: Busy.
//
//oob:stage oob
func (s Socket) SendLong(m *Message, n uint32) Status {
	q := s.get()
	switch {
	case q.kind != udp:
		return m.alien(q)
	case m.port < inParts:
		return m.send(q, n)
	}
	return m.sendParts(q, n)
}

// ReplyLong is Reply for a message of any size: one that came in fragments goes back in them, in the slots that they came in, the first n
// bytes of its payload, which have been rewritten or not. It is to be called while the message has its first part: ahead of Next.
//
//oob:stage oob
func (s Socket) ReplyLong(m *Message, n uint32) Status {
	q := s.get()
	if m.port < inParts {
		return s.Reply(m, n)
	}
	if q.kind != udp {
		return m.alien(q)
	}
	if reassembly.Begin(m.slot) != 0 {
		return m.failed(q, Invalid)
	}
	if q.whole != 0 && n > MaxPayload {
		return m.failed(q, TooLong)
	}
	ports[m.port%tablePorts].turn(wire.EthernetAt(memory.Frame(m.slot)), wire.DatagramAt(header(m.slot)), q.ttl)
	return m.sendParts(q, n)
}

// header returns the address of the IPv4 header of the part in slot.
//
//oob:stage any
func header(slot uint32) uintptr {
	at, _ := reassembly.Data(slot)
	return memory.Frame(slot) + uintptr(at) - wire.IPv4Len
}

// sendParts sends n bytes of a message in parts: the first part's headers are there, but for what depends on n.
//
//oob:stage oob
//go:noinline
func (m *Message) sendParts(q *sock, n uint32) Status {
	if n > MaxDatagram || !m.cut(n+wire.UDPLen) {
		return m.failed(q, TooLong)
	}
	if m.parts() == 1 {
		m.reduce()
		return m.send(q, n)
	}
	p := &ports[m.port%tablePorts]
	switch {
	case p.up == down:
		return m.failed(q, Down)
	case p.up == looped:
		return p.loop(q, m, header(m.slot), n)
	case !core.RoomFor(p.name.Dev(), m.parts()):
		long.busy++
		return m.failed(q, Busy)
	}
	ip := wire.IPv4At(header(m.slot))
	id, ok := identify(ip.Dst)
	if !ok {
		return m.failed(q, Busy)
	}
	m.finish(q.tos, id)
	for range reassembly.MaxParts {
		q.askLast(p, m)
		if !m.submit(p) {
			return m.failed(q, Busy)
		}
		if m.parts() == 0 {
			break
		}
	}
	q.sentLong()
	return OK
}

// sentLong counts a datagram all of whose fragments have been sent.
//
//oob:stage oob
func (q *sock) sentLong() {
	q.count[Sent]++
	long.datagrams++
}

// cut makes a message in parts end bytes long, UDP header included: what is behind goes back. false: it has not so many, or parts that
// cannot be sent.
//
//oob:stage oob
func (m *Message) cut(end uint32) bool {
	if end > reassembly.End(m.last) || reassembly.Begin(m.slot) != 0 {
		return false
	}
	first, _ := reassembly.Data(m.slot)
	slot, gone := m.slot, m.parts()-1
	for range reassembly.MaxParts {
		if at, _ := reassembly.Data(slot); at != first {
			return false // came with other tags than the first: its headers have no room
		}
		if reassembly.End(slot) >= end || slot == m.last {
			break
		}
		slot = frame.Next(slot)
		gone--
	}
	if gone != 0 {
		ports[m.port%tablePorts].pool.PutChain(frame.Next(slot), m.last, gone)
		m.last = slot
		m.port -= gone << partsShift
	}
	begin := reassembly.Begin(slot)
	reassembly.Lay(slot, first, begin, end-begin)
	return true
}

// finish writes the headers of all parts, from those of the first one, which has addresses, UDP ports, protocol and time to live; and the
// datagram's checksum.
//
//oob:stage any
func (m *Message) finish(tos, id uint32) {
	length := reassembly.End(m.last)
	from := header(m.slot)
	ip := wire.DatagramAt(from)
	src, dst, life := ip.Src, ip.Dst, ip.Proto&0xffff
	ip.UDP.Checksum = wire.Swap16(length)
	sum := wire.Add(wire.Add(src, dst), wire.ProtoUDP<<8+wire.Swap16(length))
	slot := m.slot
	for range reassembly.MaxParts {
		at, n := reassembly.Data(slot)
		sum = wire.Sum(memory.Frame(slot)+uintptr(at), n, sum) ^ 0xffff
		to := memory.Frame(slot) + uintptr(at) - wire.IPv4Len
		flags := uint32(0)
		if slot != m.last {
			flags = moreFragments
		}
		h := wire.IPv4At(to)
		head := versionIHL | tos<<8 | wire.Swap16(n+wire.IPv4Len)<<16
		frag := id | wire.Swap16(reassembly.Begin(slot)/8)<<16 | flags
		h.Head, h.Frag, h.Src, h.Dst = head, frag, src, dst
		h.Proto = life | wire.HeaderSum(head, frag, life, src, dst)<<16
		if slot != m.slot {
			e, f := wire.EthernetAt(memory.Frame(m.slot)), wire.EthernetAt(memory.Frame(slot))
			f.Dst0, f.Dst2, f.Src0, f.SrcType = e.Dst0, e.Dst2, e.Src0, e.SrcType
			if at > wire.IPv4Len+wire.EthernetLen {
				f.Tag[0] = e.Tag[0]
			}
			if at > wire.IPv4Len+wire.EthernetLen+wire.TagLen {
				f.Tag[1] = e.Tag[1]
			}
		}
		if slot == m.last {
			break
		}
		slot = frame.Next(slot)
	}
	if sum ^= 0xffff; sum == 0 {
		sum = 0xffff // RFC 768: 0 is no checksum
	}
	ip.UDP.Checksum = wire.Swap16(length) | sum<<16
}

// submit hands the first part of a finished message to the device of p: it is no part of the message any more. false: the device had no room.
//
//oob:stage oob
func (m *Message) submit(p *port) bool {
	slot := m.slot
	next := frame.Next(slot)
	at, n := reassembly.Data(slot)
	size := at + n
	if size < wire.MinLen {
		addr := memory.Frame(slot)
		wire.Zero(addr+uintptr(size), addr+wire.MinLen)
		size = wire.MinLen
	}
	empty, ok := core.Submit(p.name.Dev(), slot, size)
	if !ok {
		return false
	}
	p.pool.Put(empty)
	p.tally.sent++
	p.tally.txBytes += at + n
	long.fragments++
	m.slot = next
	m.port -= 1 << partsShift
	return true
}
