package oob

import (
	"unsafe"

	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/wire"
)

// arp decides on the ARP packet of the frame at addr, which belongs to port p; n bytes follow the Ethernet header and its
// tags. Requests for the port's address are answered, who sends them becomes known to in-band; so does who answers for a
// request of ours, which in-band's own resolver on a port with rules sees too, and a neighbour that says, to whomever, that it has
// moved.
//
//oob:stage oob
func (d *device) arp(p *port, addr, packet uintptr, n uint32) uint32 {
	if n < wire.ARPLen {
		return d.lose(p, ARPShort)
	}
	e, a := wire.EthernetAt(addr), wire.ARPAt(packet)
	if a.Hardware != wire.ARPEthernet || a.Protocol != wire.TypeIPv4 || a.Lengths != wire.ARPLengths {
		return d.lose(p, ARPFormat)
	}
	op := a.Op
	mac0, mac4 := a.SenderMAC0, uint32(a.SenderMAC4)
	sender := uint32(a.SenderIP0) | uint32(a.SenderIP2)<<16
	if p.addr == 0 || a.TargetIP != p.addr || op != wire.ARPRequest && op != wire.ARPReply {
		if p.addr != 0 && d.mayAnswerMAC(mac0, mac4) {
			if sender == p.addr {
				d.event(EventConflict, p, sender, mac0, mac4) // whomever it asks for (2.4, RFC 5227)
			} else if was0, was4, known := neigh.Resolve(neigh.PortOf(p.dev, p.vid), sender); known && (was0 != mac0 || was4 != mac4) {
				d.event(EventNeighbour, p, sender, mac0, mac4) // another interface, or another host (RFC 826)
			}
		}
		if s, ok := socket.FindRaw(p.index, wire.TypeARP); ok {
			return d.queued(p, socket.PutFrame(s, p.index, addr, uint32(packet-addr)+n))
		}
		return d.skip(InbandARP)
	}
	if !d.mayAnswerMAC(e.Src0, e.SrcType) || !d.mayAnswerMAC(mac0, mac4) {
		return d.lose(p, SourceMAC)
	}
	if sender == p.addr {
		d.event(EventConflict, p, sender, mac0, mac4)
		return d.lose(p, ARPConflict)
	}
	// A probe (2.1.1, RFC 5227) has no sender address: it is answered, and teaches nothing.
	probe := sender == 0 && op == wire.ARPRequest
	if !probe {
		if (sender^p.addr)&p.mask != 0 || !d.mayAnswer(p, sender, p.addr) {
			return d.lose(p, ARPSender)
		}
		d.event(EventNeighbour, p, sender, mac0, mac4)
	}
	if op == wire.ARPReply {
		if p.rules != 0 {
			return d.skip(InbandARP)
		}
		d.count[ARPLearned]++
		socket.Taken(p.index, uint32(packet-addr)+n)
		return Drop
	}

	a.Op = wire.ARPReply
	a.TargetMAC0, a.TargetMAC2 = uint16(mac0), mac0>>16|mac4<<16
	a.TargetIP = sender
	a.SenderMAC0, a.SenderMAC4 = d.mac0123, uint16(d.mac45>>16)
	a.SenderIP0, a.SenderIP2 = uint16(p.addr), uint16(p.addr>>16)
	d.address(e, mac0, mac4) // to the sender, as RFC 826 has it: the frame's source may be another station
	d.answered = uintptr(unsafe.Pointer(p)) | answeredARP
	n = uint32(packet-addr) + wire.ARPLen
	if n < wire.MinLen {
		n = pad(addr, n)
	}
	return Reply | n
}
