package forward

import (
	"mortise/stack/core"
	"mortise/stack/frame"
	"mortise/stack/wire"
)

// Apply changes the frame of n bytes at addr for o, and returns the action that sends it: core.Forward, or core.Drop when a tag makes
// it too long.
//
//oob:stage oob
//go:nosplit
func (o *Out) Apply(addr uintptr, n uint32) uint32 {
	ops := o.Ops
	action := core.Forward | o.Dev<<16
	if ops == 0 {
		return action | n
	}
	e := wire.EthernetAt(addr)
	if ops&readdress != 0 {
		o.readdress(addr, n)
	}
	if ops&SetDstMAC != 0 {
		e.Dst0, e.Dst2 = o.DstMAC0<<16, o.DstMAC0>>16|o.DstMAC4<<16
	}
	if ops&SetSrcMAC != 0 {
		e.Src0, e.SrcType = o.SrcMAC0, e.SrcType&0xffff_0000|o.SrcMAC4
	}
	typ := e.SrcType >> 16
	switch {
	case ops&Rewrite != 0:
		if wire.IsTag(typ) && n >= wire.EthernetLen+wire.TagLen {
			e.Tag[0] = e.Tag[0]&^o.Mask | o.TCI&o.Mask
			break
		}
		if ops&Push == 0 {
			break
		}
		fallthrough
	case ops&Push != 0:
		if n > frame.MaxLen-wire.TagLen {
			return core.Drop
		}
		// The addresses move down by a tag's length; behind them come the tag and the old type.
		b := wire.EthernetAt(addr - wire.TagLen)
		d0, d2, s0, s4 := e.Dst0, e.Dst2, e.Src0, e.SrcType&0xffff
		b.Dst0, b.Dst2, b.Src0 = d0, d2, s0
		b.SrcType = s4 | o.TPID<<16
		b.Tag[0] = o.TCI | typ<<16
		return action | core.Back | n + wire.TagLen
	case ops&Pop != 0:
		if !wire.IsTag(typ) || n < wire.EthernetLen+wire.TagLen {
			break
		}
		b := wire.EthernetAt(addr + wire.TagLen)
		d0, d2, s0, s4, inner := e.Dst0, e.Dst2, e.Src0, e.SrcType&0xffff, e.Tag[0]>>16
		b.SrcType = s4 | inner<<16
		b.Src0, b.Dst2, b.Dst0 = s0, d2, d0
		if n -= wire.TagLen; n < wire.MinLen {
			wire.Zero(addr+wire.TagLen+uintptr(n), addr+wire.TagLen+wire.MinLen)
			n = wire.MinLen
		}
		return action | core.Ahead | n
	}
	return action | n
}

// readdress gives an IPv4 packet other addresses, and UDP or TCP in it other ports. What lies behind the packet's end is not of it.
//
//oob:stage oob
func (o *Out) readdress(addr uintptr, n uint32) {
	e := wire.EthernetAt(addr)
	typ, packet, left := e.SrcType>>16, addr+wire.EthernetLen, n-wire.EthernetLen
	if wire.IsTag(typ) && left >= wire.TagLen {
		typ, packet, left = e.Tag[0]>>16, packet+wire.TagLen, left-wire.TagLen
		if wire.IsTag(typ) && left >= wire.TagLen {
			typ, packet, left = e.Tag[1]>>16, packet+wire.TagLen, left-wire.TagLen
		}
	}
	if typ != wire.TypeIPv4 || left < wire.IPv4Len {
		return
	}
	ip := wire.IPv4At(packet)
	head := ip.Head
	options := head&0xff - 0x45 // words; more than 10: not version 4, or too short a header
	if total := wire.Swap16(head >> 16); total < left {
		left = total
	}
	length := wire.IPv4Len + 4*options
	if options > 10 || length > left {
		return
	}
	src, dst := ip.Src, ip.Dst
	newSrc, newDst := src, dst
	if o.Ops&SetSrc != 0 {
		newSrc = o.Src
	}
	if o.Ops&SetDst != 0 {
		newDst = o.Dst
	}
	ip.Src, ip.Dst = newSrc, newDst
	// All the checksums cover both addresses: those of UDP and TCP by a pseudo-header (RFC 768, RFC 9293 3.1).
	change := wire.Add(wire.Add(^src, newSrc), wire.Add(^dst, newDst))
	proto := ip.Proto
	ip.Proto = proto&0xffff | updated(proto>>16, change)<<16
	if ip.Frag&(0xff1f<<16) != 0 {
		return
	}
	left -= length
	switch proto & 0xff00 {
	case wire.ProtoUDP << 8:
		u := wire.UDPAt(packet + uintptr(length))
		if left < wire.UDPLen {
			return
		}
		change = wire.Add(change, o.renumber(&u.Ports))
		if sum := u.Checksum >> 16; sum != 0 {
			sum = updated(sum, change)
			if sum == 0 {
				sum = 0xffff // 0 stands for no checksum
			}
			u.Checksum = u.Checksum&0xffff | sum<<16
		}
	case wire.ProtoTCP << 8:
		t := wire.TCPAt(packet + uintptr(length))
		if left < wire.TCPLen {
			return
		}
		change = wire.Add(change, o.renumber(&t.Ports))
		t.Checksum = t.Checksum&^0xffff | updated(t.Checksum&0xffff, change)
	}
}

// renumber changes ports, and returns by how much their sum has changed, of 32 bits.
//
//oob:stage oob
func (o *Out) renumber(ports *uint32) uint32 {
	was := *ports
	now := was&^o.PortMask | o.Ports&o.PortMask
	*ports = now
	return wire.Add(^was, now)
}

// updated returns a checksum after the data's sum changed by change, of 32 bits: equation 3 of RFC 1624.
//
//oob:stage oob
func updated(checksum, change uint32) uint32 {
	return wire.Fold(wire.Add(^checksum&0xffff, change)) ^ 0xffff
}
