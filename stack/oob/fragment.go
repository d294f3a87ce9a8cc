package oob

import (
	"mortise/stack/core"
	"mortise/stack/reassembly"
	"mortise/stack/socket"
	"mortise/stack/wire"
)

// Flags of the high half of IPv4.Frag, as a number.
const (
	reserved      = 1 << 15
	moreFragments = 1 << 13
	offsetMask    = 1<<13 - 1 // in units of eight bytes
)

// fragment decides on an IPv4 packet for port p, length bytes behind its header, that is not whole: a fragment of a datagram that a socket takes is kept until
// none is missing. On a port with rules the first fragment, which has the UDP port, decides and has to come first.
//
//oob:stage oob
//go:noinline
func (d *device) fragment(p *port, addr, packet uintptr, length uint32) uint32 {
	ip := wire.DatagramAt(packet)
	frag := wire.Swap32(ip.Frag)
	src, dst := ip.Src, ip.Dst
	if frag&reserved != 0 || ip.Proto&protocol != wire.ProtoUDP<<8 || !socket.Reassembles() || p.addr == 0 {
		return d.refuseFragment(p, dst)
	}
	f, known := socket.Fragments().Find(src, dst, ip.Frag&0xffff, p.index)
	offset := frag & offsetMask * 8
	if !known {
		if offset != 0 {
			if p.rules != 0 {
				return d.refuseFragment(p, dst)
			}
		} else {
			service := d.services[uint16(wire.Swap32(ip.Ports))]
			if length < wire.UDPLen || service&p.accept == 0 || service&listMask == 0 {
				return d.refuseFragment(p, dst)
			}
		}
	}
	if !wire.HeaderValid(ip.Head, ip.Frag, ip.Proto, src, dst) {
		return d.lose(p, IPv4Checksum)
	}
	more := frag&moreFragments != 0
	var outcome reassembly.Outcome
	var slot uint32
	if known && offset != 0 {
		outcome, slot = socket.LaterFragment(f, p.index, addr, packet, offset, length, more)
	} else {
		if offset == 0 {
			e := wire.EthernetAt(addr)
			if !d.mayAnswerMAC(e.Src0, e.SrcType) {
				return d.lose(p, SourceMAC)
			}
			if !d.mayTake(p, src) {
				return d.lose(p, SourceIP)
			}
		}
		if known {
			outcome, slot = socket.FirstFragment(f, p.index, addr, packet, length, more)
		} else {
			outcome, slot = socket.NewFragment(p.index, addr, packet, offset, length, more)
		}
	}
	counter := uint32(FragmentKept)
	for outcome == reassembly.Complete { //oob:total maxWhole divert.Poll each round makes outcome another
		counter = d.whole(p, src, dst, f)
		outcome = reassembly.Kept
	}
	switch outcome {
	case reassembly.Kept:
		d.count[counter%NumCounters]++
		if counter == FragmentKept || counter == SocketQueued {
			socket.Taken(p.index, uint32(packet-addr)+wire.IPv4Len+length)
		} else {
			socket.Lost(p.index)
		}
		return core.Kept | slot
	case reassembly.Malformed:
		return d.lose(p, FragmentMalformed)
	case reassembly.Duplicate:
		return d.lose(p, FragmentDuplicate)
	case socket.NoRoom:
		return d.lose(p, FragmentNoRoom)
	}
	return d.lose(p, FragmentRefused)
}

// maxWhole is the number of datagrams that become complete in an activation, which takes 32 frames: those that were incomplete before with one
// fragment each, others with two.
const maxWhole = reassembly.MaxPackets + (32-reassembly.MaxPackets)/2

// whole hands a datagram that is complete to its socket, and returns what to count for the last of its fragments.
//
//oob:stage oob
func (d *device) whole(p *port, src, dst uint32, f *reassembly.Packet) (counter uint32) {
	h, bytes := socket.Head(f)
	pair := wire.Swap32(h.Ports)
	service := d.services[uint16(pair)]
	counter = UDPLength
	if wire.Swap16(h.Checksum) == bytes {
		counter = UDPChecksum
		if socket.SumValid(f, src, dst) {
			counter = Unclaimed
			if list := service & listMask >> listShift; list != 0 && service&p.accept != 0 {
				if s, ok := socket.Find(list-1, p.index, src, dst, pair); ok {
					if socket.PutWhole(s, src, dst, f) {
						return SocketQueued
					}
					return SocketFull
				}
			}
		}
	}
	socket.DropWhole(f)
	return counter
}

// refuseFragment counts a fragment for port p that is not kept, as a port without sockets does.
//
//oob:stage oob
func (d *device) refuseFragment(p *port, dst uint32) uint32 {
	if dst != p.addr {
		return d.refuse(p, InbandAddress, IPv4Destination)
	}
	return d.refuse(p, InbandFragment, IPv4Fragment)
}
