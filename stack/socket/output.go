package socket

import (
	"mortise/stack/core"
	"mortise/stack/neigh"
	"mortise/stack/wire"
)

// Compose prepares a message to a peer (IPv4 in wire order, UDP port; 0: the one that the socket is connected to) in a buffer of
// the port's that leads there. The caller writes up to m.Len bytes of payload, then calls Send, or Release.
//
//oob:stage oob
func (s Socket) Compose(m *Message, peer, peerPort uint32) Status {
	q := s.get()
	status := q.compose(m, peer, peerPort)
	if status != OK {
		q.count[FailedSend]++
	}
	return status
}

//oob:stage oob
func (q *sock) compose(m *Message, peer, peerPort uint32) Status {
	if q.kind != udp {
		return q.notUDP()
	}
	if peer == 0 {
		peer, peerPort = q.peer, q.peerPort
	}
	if peer == 0 || peerPort == 0 {
		return NoPeer
	}
	i, mac0, mac4, status := q.path(peer)
	if status != OK {
		return status
	}
	p := &ports[i%tablePorts]
	if p.up == 0 {
		return Down
	}
	slot, ok := p.pool.Get()
	if !ok {
		p.pool.NoneToSend()
		return NoBuffer
	}
	addr := memory.Frame(slot)
	packet := p.ethernet(addr, mac0, mac4, q.pcp)
	ip := wire.DatagramAt(packet)
	ip.Src, ip.Dst = p.addr, peer
	ip.Ports = wire.Swap32(q.port<<16 | peerPort)
	ip.Proto = q.life(peer) | wire.ProtoUDP<<8
	m.Data, m.Len = packet+wire.IPv4Len+wire.UDPLen, MaxPayload
	m.Peer, m.PeerPort, m.Local = peer, peerPort, p.addr
	m.Queued, m.Delivered = 0, 0
	m.slot, m.packet, m.port = slot, uint32(packet-addr), i
	return OK
}

// versionIHL is the first byte of an IPv4 header without options.
const versionIHL = 0x45

// life returns the time to live of a packet: groups have their own (4, RFC 1112).
//
//oob:stage oob
func (q *sock) life(dst uint32) uint32 {
	if isGroup(dst) {
		return q.multicastTTL
	}
	return q.ttl
}

// isGroup reports whether an IPv4 address in wire order is a multicast group's.
//
//oob:stage any
func isGroup(addr uint32) bool { return addr&0xf0 == 0xe0 }

// path returns the index of the port that leads to dst, and the MAC address to send to. Groups and broadcasts are sent on the
// port that the socket is bound to.
//
//oob:stage oob
func (q *sock) path(dst uint32) (i, mac0, mac4 uint32, status Status) {
	if i = q.device - 1; i < MaxPorts {
		p := &ports[i]
		if dst == ^uint32(0) || dst == p.addr|^p.mask {
			return i, ^uint32(0), 0xffff, OK
		}
		if isGroup(dst) {
			mac0, mac4 = neigh.Multicast(dst)
			return i, mac0, mac4, OK
		}
	}
	r, ok := neigh.Lookup(dst)
	if !ok {
		return q.local(dst, NoRoute)
	}
	if i, ok = index(r.Port); !ok || q.device != 0 && q.device != i+1 {
		return 0, 0, 0, NoRoute
	}
	if mac0, mac4, ok = neigh.Resolve(r.Port, r.NextHop); !ok {
		return q.local(dst, Unsolicited)
	}
	return i, mac0, mac4, OK
}

// index returns the index of the oob port of a name.
//
//oob:stage oob
func index(name neigh.Port) (i uint32, ok bool) {
	for i := range uint32(MaxPorts) {
		if ports[i].name == name && ports[i].addr != 0 {
			return i, true
		}
	}
	return 0, false
}

// ethernet writes the frame's header at addr, to the station with the MAC address, and returns where the packet begins.
//
//oob:stage oob
func (p *port) ethernet(addr uintptr, mac0, mac4, pcp uint32) uintptr {
	e := wire.EthernetAt(addr)
	e.Dst0, e.Dst2 = mac0<<16, mac0>>16|mac4<<16
	e.Src0 = p.src0
	if p.tci == 0 {
		e.SrcType = p.src4 | wire.TypeIPv4<<16
		return addr + wire.EthernetLen
	}
	e.SrcType = p.src4 | wire.TypeCTag<<16
	e.Tag[0] = wire.Swap16(p.tci|pcp<<13) | wire.TypeIPv4<<16
	return addr + wire.EthernetLen + wire.TagLen
}

// Send hands the message, which Compose has prepared, with n bytes of payload to the device. The caller no longer owns it: also
// when it returns an error, which is counted.
//
//oob:stage oob
func (s Socket) Send(m *Message, n uint32) Status {
	q := s.get()
	if q.kind != udp {
		return m.alien(q)
	}
	return m.send(q, n)
}

// send finishes the headers of a datagram of q's with n bytes of payload, hands it over, and counts.
//
//oob:stage oob
//go:nosplit
func (m *Message) send(q *sock, n uint32) Status {
	if n > MaxPayload {
		return m.failed(q, TooLong)
	}
	p := &ports[m.port%(2*tablePorts)]
	if p.up != wired {
		if status := m.aside(q, n); status != proceed {
			return status
		}
	}
	addr := memory.Frame(m.slot)
	packet := addr + uintptr(m.packet)
	ip := wire.DatagramAt(packet)
	length := n + wire.UDPLen
	ip.Head = versionIHL | q.tos<<8 | wire.Swap16(length+wire.IPv4Len)<<16
	id := ident + 1
	ident = id
	ip.Frag = wire.Swap16(id) | dontFragment
	life := ip.Proto & 0xffff
	ip.Proto = life
	ip.Checksum = wire.Swap16(length)
	sums := wire.SumUDP(packet, length)
	ip.Proto = life | sums&0xffff_0000
	sum := sums << 16
	if sum == 0 {
		sum = 0xffff_0000 // RFC 768: 0 is no checksum
	}
	ip.Checksum = wire.Swap16(length) | sum
	size := m.packet + wire.IPv4Len + length
	if size < wire.MinLen {
		wire.Zero(addr+uintptr(size), addr+wire.MinLen)
		size = wire.MinLen
	}
	empty, ok := core.Submit(p.name.Dev(), m.slot, size)
	if !ok {
		return m.failed(q, Busy)
	}
	p.pool.Put(empty)
	q.count[Sent]++
	p.tally.sent++
	p.tally.txBytes += m.packet + wire.IPv4Len + wire.UDPLen + n
	return OK
}

// dontFragment is the flag in IPv4.Frag: what is sent here fits everywhere on the port's network.
const dontFragment = 0x40 << 16

// notUDP says why a socket that is none for UDP does nothing.
//
//oob:stage any
//go:noinline
func (q *sock) notUDP() Status {
	if q.kind == closed {
		return Closed
	}
	return NotUDP
}

// alien gives a message back that a socket which is none for UDP was to send as a datagram.
//
//oob:stage oob
//go:noinline
func (m *Message) alien(q *sock) Status { return m.failed(q, q.notUDP()) }

// failed gives a message back that was not sent, and counts it.
//
//oob:stage oob
//go:noinline
func (m *Message) failed(q *sock, why Status) Status {
	m.Release()
	q.count[FailedSend]++
	return why
}

// Reply sends the message that was received, its payload rewritten and n bytes long, back to who it is from, in its own slot. The
// neighbour is who sent the frame: no cache is asked. The caller no longer owns it: also when it returns an error.
//
//oob:stage oob
//go:nosplit
func (s Socket) Reply(m *Message, n uint32) Status {
	q := s.get()
	if q.kind != udp || m.packet < wire.EthernetLen {
		if q.kind != udp {
			return m.alien(q)
		}
		if !m.reduce() {
			return m.failed(q, Invalid)
		}
	}
	addr := memory.Frame(m.slot)
	ports[m.port%tablePorts].turn(wire.EthernetAt(addr), wire.DatagramAt(addr+uintptr(m.packet)), q.ttl)
	return m.send(q, n)
}

// turn makes the headers of a datagram that came in on p those of an answer to its sender.
//
//oob:stage oob
func (p *port) turn(e *wire.Ethernet, ip *wire.Datagram, ttl uint32) {
	src0, src4 := e.Src0, e.SrcType
	e.Dst0, e.Dst2 = src0<<16, src0>>16|src4<<16
	e.Src0, e.SrcType = p.src0, src4>>16<<16|p.src4
	pair := ip.Ports
	ip.Ports = pair<<16 | pair>>16
	ip.Dst, ip.Src = ip.Src, p.addr
	ip.Proto = ttl | wire.ProtoUDP<<8
}
