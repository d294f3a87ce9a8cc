package oob

import (
	"unsafe"

	"mortise/stack/wire"
)

// Parts of the IPv4 header, in wire order.
const (
	versionIHL    = 0x45         // of Head: version 4, five words
	fragmentation = 0xffbf << 16 // of Frag, all but Don't Fragment: More Fragments, the offset, the reserved flag
	protocol      = 0xff00       // of Proto
	freshTTL      = 64           // time to live of an answer (RFC 1700, p64)
)

// oddHeader decides on a packet for port p that does not begin as one without options does.
//
//oob:stage oob
func (d *device) oddHeader(p *port, head uint32) uint32 {
	if head>>4&0xf != 4 {
		return d.lose(p, IPv4Version)
	}
	if head&0xf < 5 {
		return d.lose(p, IPv4HeaderLength)
	}
	return d.refuse(p, InbandOptions, IPv4Options)
}

// other decides on a packet for port p, length bytes behind its header, that is not UDP: an ICMP echo request is answered.
//
//oob:stage oob
func (d *device) other(p *port, addr, packet uintptr, length uint32) uint32 {
	e, ip, m := wire.EthernetAt(addr), wire.IPv4At(packet), wire.ICMPAt(packet+wire.IPv4Len)
	proto, src := ip.Proto, ip.Src
	if proto&protocol != wire.ProtoICMP<<8 {
		return d.refuse(p, InbandProtocol, Unclaimed)
	}
	if length < wire.ICMPLen {
		return d.lose(p, ICMPShort)
	}
	check := m.Checksum
	if check&0xffff != wire.ICMPEchoRequest || p.addr == 0 {
		return d.refuse(p, InbandICMP, Unclaimed)
	}
	if !wire.HeaderValid(ip.Head, ip.Frag, proto, src, ip.Dst) {
		return d.lose(p, IPv4Checksum)
	}
	if wire.Sum(packet+wire.IPv4Len, length, 0) != 0 {
		return d.lose(p, ICMPChecksum)
	}
	if !d.mayAnswerMAC(e.Src0, e.SrcType) {
		return d.lose(p, SourceMAC)
	}
	if !d.mayAnswer(p, src, p.addr) {
		return d.lose(p, SourceIP)
	}
	d.answered = uintptr(unsafe.Pointer(p)) | answeredICMP
	// The type becomes 0, so the checksum grows by what it was: never to 0, which is no checksum of a message of zeros.
	m.Checksum = wire.Fold(check>>16+wire.ICMPEchoRequest)<<16 | wire.ICMPEchoReply
	ip.Src, ip.Dst = p.addr, src
	ip.Proto = wire.UpdateTTL(proto, freshTTL)
	d.address(e, e.Src0, e.SrcType)
	n := uint32(packet-addr) + wire.IPv4Len + length
	if n < wire.MinLen {
		n = pad(addr, n)
	}
	return Reply | n
}

// address makes a frame of e from d to the station whose address has mac0 for its bytes 0 to 3, the low half of
// mac4 for 4 and 5.
//
//oob:stage oob
func (d *device) address(e *wire.Ethernet, mac0, mac4 uint32) {
	e.Dst0, e.Dst2 = mac0<<16, mac0>>16|mac4<<16
	e.Src0, e.SrcType = d.mac0123, e.SrcType&0xffff_0000|d.mac45>>16
}

// mayAnswerMAC reports whether a source is a station that may get an answer: no group, not zero, not d itself. mac0 has its
// bytes 0 to 3, mac4 bytes 4 and 5 in the low half.
//
//oob:stage oob
func (d *device) mayAnswerMAC(mac0, mac4 uint32) bool {
	return mac0&wire.SourceGroup == 0 && (mac4<<16 != d.mac45 || mac0 != d.mac0123) && (mac0 != 0 || mac4<<16 != 0)
}

// mayTake is mayAnswer where a call costs less than a loop.
//
//oob:stage oob
func (d *device) mayTake(p *port, src uint32) bool {
	if (src^p.addr)&p.mask != 0 && !isHost(src) {
		return false
	}
	return d.suspects[src>>24] == 0 || !d.lists(src)
}

// mayAnswer reports whether an IPv4 source address is a host that may get an answer from port p, whose
// address is own: no group or broadcast, not
// in 0.0.0.0/8 or 127.0.0.0/8 (3.2.1.3, RFC 1122), no address of ours.
//
//oob:stage oob
func (d *device) mayAnswer(p *port, src, own uint32) bool {
	if (src^own)&p.mask != 0 && !isHost(src) {
		return false
	}
	return d.suspects[src>>24] == 0 || !d.isRefused(src)
}
