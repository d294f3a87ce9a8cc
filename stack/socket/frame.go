package socket

import (
	"mortise/stack/core"
	"mortise/stack/wire"
)

// What raw sockets send: whole frames. The stage writes the tag of a VLAN port, so that what is sent by a port is in its VLAN, as what is taken there.
// A frame that has been composed begins so far behind where frames begin in their slot that the tag has room, by moving the addresses alone.

// MaxPacket is what a frame carries at most behind its header and tags: the MTU of all oob ports, Ethernet's (3.2.7, IEEE 802.3-2018).
const MaxPacket = 1500

// ComposeFrame gives m a buffer of the port that the raw socket is bound to, for a frame from the destination address on, without a tag: that of a VLAN
// port is SendFrame's to write, with Options.PCP. The source address is the port's, and the EtherType the socket's if it has one: the caller may
// write others.
//
//oob:stage oob
func (s Socket) ComposeFrame(m *Message) Status {
	q := s.get()
	status := q.composeFrame(m)
	if status != OK {
		q.count[FailedSend]++
	}
	return status
}

//oob:stage oob
func (q *sock) composeFrame(m *Message) Status {
	if q.kind < raw {
		return q.notRaw()
	}
	i := (q.device - 1) % tablePorts // it has one
	p := &ports[i]
	if p.up == down {
		return Down
	}
	slot, ok := p.pool.Get()
	if !ok {
		p.pool.NoneToSend()
		return NoBuffer
	}
	m.packet = 0
	if p.tci != 0 {
		m.packet = wire.TagLen
	}
	m.Data, m.Len = memory.Frame(slot)+uintptr(m.packet), wire.EthernetLen+MaxPacket
	e, typ := wire.EthernetAt(m.Data), uint32(0)
	if q.kind == raw {
		typ = q.port
	}
	e.Src0, e.SrcType = p.src0, p.src4|typ<<16
	m.Peer, m.PeerPort, m.Local = 0, 0, 0
	m.Queued, m.Delivered = 0, 0
	m.slot, m.port = slot, i
	return OK
}

// SendFrame hands the frame of n bytes in m, composed or received, to the device of the port it belongs to. What was composed gets the port's tag; what
// was received goes as it is, with the tags it has, which have to be the port's. What is not to be sent so is Invalid (shorter than its header, or from
// a group), WrongTag or TooLong (more than MaxPacket bytes behind header and tags). The caller no longer owns it: also when it returns an error.
//
//oob:stage oob
func (s Socket) SendFrame(m *Message, n uint32) Status {
	q := s.get()
	p := &ports[m.port%(2*tablePorts)]
	switch {
	case q.kind < raw:
		return m.failed(q, q.notRaw())
	case p.up == down:
		return m.failed(q, Down)
	}
	n, status := p.dress(m, q.pcp, n)
	if status != OK {
		return m.failed(q, status)
	}
	size := n
	if size < wire.MinLen {
		addr := memory.Frame(m.slot)
		wire.Zero(addr+uintptr(size), addr+wire.MinLen)
		size = wire.MinLen
	}
	if p.up != wired {
		if p.up == looped {
			p.loopFrame(q, m, size)
			return OK
		}
		q.ask(p)
	}
	empty, ok := core.Submit(p.name.Dev(), m.slot, size)
	if !ok {
		return m.failed(q, Busy)
	}
	p.pool.Put(empty)
	q.count[Sent]++
	p.tally.sent++
	p.tally.txBytes += n
	return OK
}

// notRaw says why a socket that is no raw one sends no frame.
//
//oob:stage oob
//go:noinline
func (q *sock) notRaw() Status {
	if q.kind == closed {
		return Closed
	}
	return NotRaw
}

// dress makes the n bytes of m a frame as it goes out by p, where frames begin in their slot, and returns how many bytes it has then.
//
//oob:stage oob
//go:noinline
func (p *port) dress(m *Message, pcp, n uint32) (size uint32, status Status) {
	e := wire.EthernetAt(memory.Frame(m.slot))
	if m.packet != wire.TagLen {
		return n, p.judge(e, n)
	}
	// Composed: e is the header with the tag, of which only what follows the tag is in its place.
	src0, rest := e.SrcType, e.Tag[0]
	switch {
	case n < wire.EthernetLen || src0&wire.SourceGroup != 0:
		return n, Invalid
	case isTag(rest>>16) || p.tci == 0:
		return n, WrongTag
	case n > wire.EthernetLen+MaxPacket:
		return n, TooLong
	}
	e.Dst0, e.Dst2, e.Src0 = e.Dst2, e.Src0, src0
	e.SrcType = rest&0xffff | wire.TypeCTag<<16
	e.Tag[0] = wire.Swap16(p.tci|pcp<<13) | rest>>16<<16
	return n + wire.TagLen, OK
}

// judge says whether a frame of n bytes with its tags may go out by p: as it may come in there, the inner one of two tags having the VLAN.
//
//oob:stage oob
func (p *port) judge(e *wire.Ethernet, n uint32) Status {
	length, vid := uint32(wire.EthernetLen), uint32(0)
	if typ := e.SrcType >> 16; isTag(typ) {
		tci := e.Tag[0]
		length += wire.TagLen
		if isTag(tci >> 16) {
			tci = e.Tag[1]
			length += wire.TagLen
		}
		vid = wire.Swap16(tci) & 0xfff
	}
	switch {
	case n < length || e.Src0&wire.SourceGroup != 0:
		return Invalid
	case vid != p.tci:
		return WrongTag
	case n-length > MaxPacket:
		return TooLong
	}
	return OK
}

// isTag reports whether an EtherType in wire order is a VLAN tag's.
//
//oob:stage any
func isTag(typ uint32) bool { return typ == wire.TypeCTag || typ == wire.TypeSTag }
