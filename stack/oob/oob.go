// Package oob is the companion core: it decides which frames of a diverted device the oob stage takes, and answers them in
// the buffer they came in.
//
// Deliver gets each frame received and says what becomes of it: answered in place, left to in-band untouched, or consumed.
// A frame is taken when a port claims it. A port is a real device (VLAN ID 0) or one of its VLANs; a port with rules
// claims ARP and ICMP echo requests for its address and the UDP ports its rules accept, a port without rules all IPv4. The
// rules, frame by frame, are in README.md beside this file; each outcome has one counter (counters.go).
//
// Everything here is static, pointer-free and of fixed size; Configure builds the next setting beside the one in use, and changes over in one word. What the
// stage learns on the way goes to in-band through a ring of events.
//
// Stage: oob; config.go, names.go and the consumer's half of event.go are in-band. Follows: RFC 862 (echo, 1983), RFC 792
// (ICMP, 1981), RFC 826 (ARP, 1982), RFC 1122 (hosts, 1989), RFC 5227 (ARP probes, 2008), and package wire's. Does not
// support: IP options, IPv6.
package oob

import (
	"unsafe"

	"mortise/stack/core"
	"mortise/stack/frame"
	"mortise/stack/socket"
	"mortise/stack/wire"
)

// What Deliver returns, and the device it is called for: the contract of a companion core.
const (
	Inband = core.Inband
	Drop   = core.Drop
	Reply  = core.Reply
)

// Device is a device of this core.
type Device = core.Device

// DeviceAt returns the device of number dev, as it is configured now.
//
//oob:stage any
func DeviceAt(dev uint32) Device {
	return Device(unsafe.Pointer(&banks[serving[dev%Devices]%uint32(len(banks))][dev%Devices]))
}

// Deliver is core.Deliver: it decides on the frame of n bytes (FCS excluded) that dev, from DeviceAt, received at addr, as
// frame.Memory.Frame returns it, and returns the action. The slot is the caller's, before and after; it has room for MinLen bytes and two.
//
// One function from the frame's first byte to the UDP echo's last: on arm, where arguments go through the stack, each call
// would cost ten to twenty-five instructions of the few hundred that an answer takes. It fits in the room that each stack
// has below its guard, so the caller's look at the guard is enough.
//
//oob:stage oob
//go:nosplit
//go:linkname Deliver mortise/stack/core.Deliver
func Deliver(dev Device, addr uintptr, n uint32) uint32 {
	d := (*device)(unsafe.Add(nil, dev))
	d.count[Received]++
	rest := n - wire.EthernetLen
	if rest > frame.MaxLen-wire.EthernetLen {
		return d.oddLength(n)
	}
	e := wire.EthernetAt(addr)
	dst0 := e.Dst0
	if e.Dst2 != d.mac2 || dst0>>16 != d.plain { // plain is no address's while rules come first: they cost nothing else
		// What is needed behind the call is got anew: who does not come here has nothing to save.
		var action uint32
		if action, rest = d.admit(addr, n); action < accepted {
			if action == sentOn {
				return d.sendOn(addr, n, rest)
			}
			if action == consumed {
				return d.consume(addr, n, rest)
			}
			return action
		}
		dst0 = e.Dst0
		if action == accepted {
			d.answered = 0
			d = (*device)(unsafe.Add(nil, d.twin))
		}
	}

	// The VLAN: the inner of up to two tags decides. VID 0 carries a priority only: the frame is the device's own.
	srcType := e.SrcType
	typ, packet := srcType>>16, addr+wire.EthernetLen
	tci := uint32(0) // in the high half, as a number
	n = rest
	if typ != wire.TypeIPv4 && wire.IsTag(typ) {
		if n < wire.TagLen {
			return d.drop(TagShort)
		}
		tag := e.Tag[0]
		typ, tci, packet = tag>>16, wire.Swap32(tag), packet+wire.TagLen
		n -= wire.TagLen
		if typ != wire.TypeIPv4 && wire.IsTag(typ) {
			if n < wire.TagLen {
				return d.drop(TagShort)
			}
			tag = e.Tag[1]
			typ, tci, packet = tag>>16, wire.Swap32(tag), packet+wire.TagLen
			n -= wire.TagLen
			if tci<<4>>20 == 0 || wire.IsTag(typ) {
				return d.skip(InbandTags)
			}
		}
	}
	index := d.vlan.PortTCI(tci)
	if index == 0 {
		return d.skip(InbandVLAN)
	}
	p := &d.port[index%uint32(len(d.port))]
	if typ != wire.TypeIPv4 {
		return d.notIPv4(p, addr, packet, n, typ)
	}

	// IPv4. What is not for the port's address is not judged. The header's checksum is looked at with what the oob stage
	// takes: the frames that are in-band's cost as little as they can, and in-band judges them.
	if n < wire.IPv4Len {
		return d.lose(p, IPv4Short)
	}
	ip := wire.DatagramAt(packet)
	dst := ip.Dst
	if dst != p.addr {
		return d.elsewhere(p, addr, packet, n, dst)
	}
	if dst0&wire.Group != 0 {
		return d.lose(p, LinkBroadcast)
	}
	head := ip.Head
	if head&0xff != versionIHL {
		return d.oddHeader(p, head)
	}
	length := wire.Swap32(head)&0xffff - wire.IPv4Len // of what the packet carries
	if length > n-wire.IPv4Len {
		return d.lose(p, IPv4Length)
	}
	if ip.Frag&fragmentation != 0 {
		return d.fragment(p, addr, packet, length)
	}
	if ip.Proto&protocol != wire.ProtoUDP<<8 {
		return d.other(p, addr, packet, length)
	}

	// UDP. A datagram that the port does not accept is not judged either.
	if length < wire.UDPLen {
		return d.lose(p, UDPShort)
	}
	pair, ports := ip.Ports, wire.Swap32(ip.Ports)
	service := d.services[uint16(ports)]
	if service&p.accept == 0 {
		if p.rules == 0 {
			return d.lose(p, Unclaimed)
		}
		d.count[InbandUDPPort]++
		return Inband
	}
	if service&serviceID != serviceEcho {
		return d.datagram(p, addr, packet, length, service)
	}
	if wire.Swap16(ip.Checksum) != length {
		return d.lose(p, UDPLength)
	}

	// The echo. Nobody gets it whose answer could come back to us or go to many.
	if d.services[ports>>16]&serviceID != serviceNone {
		return d.lose(p, UDPSourcePort)
	}
	src0 := e.Src0
	if !d.mayAnswerMAC(src0, srcType) {
		return d.lose(p, SourceMAC)
	}
	var src uint32
	if src = ip.Src; !d.mayAnswer(p, src, dst) {
		return d.lose(p, SourceIP)
	}
	ip.Ports = pair<<16 | pair>>16
	ip.Src, ip.Dst = dst, src
	ip.Proto = wire.UpdateTTL(ip.Proto, freshTTL)
	e.Dst0, e.Dst2 = src0<<16, src0>>16|srcType<<16
	e.Src0, e.SrcType = d.mac0123, srcType>>16<<16|d.mac45>>16
	answer := uint32(packet-addr) + wire.IPv4Len + length
	if answer < wire.MinLen {
		answer = pad(addr, answer)
	}

	// The checksums come last, where little has to be kept across the call, and both at once. UDP's covers ports and
	// addresses, which only changed places, and the header's what UpdateTTL has kept right or wrong: addition commutes, so
	// they are right for the echo if they were for the request. If not, the frame is lost anyway.
	d.answered = uintptr(unsafe.Pointer(p)) // here p is at hand
	if sums := wire.SumUDP(packet, length); sums != 0 {
		if sums>>16 != 0 {
			return d.lose(d.lastPort(), IPv4Checksum)
		}
		if ip.Checksum>>16 != 0 { // 0 is no checksum
			return d.lose(d.lastPort(), UDPChecksum)
		}
	}
	return Reply | answer
}

// notIPv4 decides on a packet for port p of another EtherType: ARP may be ours.
//
//oob:stage oob
func (d *device) notIPv4(p *port, addr, packet uintptr, n, typ uint32) uint32 {
	if typ != wire.TypeARP {
		return d.frame(p, addr, uint32(packet-addr)+n, typ)
	}
	return d.arp(p, addr, packet, n)
}

// oddLength drops a frame that is shorter than an Ethernet header or longer than a frame can be.
//
//oob:stage oob
func (d *device) oddLength(n uint32) uint32 {
	if n < wire.EthernetLen {
		return d.drop(FrameShort)
	}
	return d.drop(FrameLong)
}

// drop counts a frame that is consumed without an answer.
//
//oob:stage oob
func (d *device) drop(reason uint32) uint32 {
	d.count[reason%NumCounters]++
	return Drop
}

// lose counts a frame of port p that is consumed without an answer.
//
//oob:stage oob
func (d *device) lose(p *port, reason uint32) uint32 {
	socket.Lost(p.index)
	return d.drop(reason)
}

// The kinds of answer, by their counters.
const (
	answeredICMP = ICMPEcho - UDPEcho
	answeredARP  = ARPAnswer - UDPEcho
	answerKind   = 3
)

// lastPort returns the port of the answer that is being made.
//
//oob:stage oob
func (d *device) lastPort() *port { return (*port)(unsafe.Add(nil, d.answered&^answerKind)) }

// Answered is core.Answered.
//
//oob:stage oob
//go:linkname Answered mortise/stack/core.Answered
func Answered(dev Device, n, sent uint32) {
	d := (*device)(unsafe.Add(nil, dev))
	if d.answered == 0 {
		d = (*device)(unsafe.Add(nil, d.twin))
	}
	d.count[UDPEcho+uint32(d.answered&answerKind)]++
	socket.Answered(d.lastPort().index, n, sent)
}

// skip counts a frame that is left to in-band.
//
//oob:stage oob
func (d *device) skip(reason uint32) uint32 {
	d.count[reason%NumCounters]++
	return Inband
}

// refuse counts a frame that a port with rules leaves to in-band and a port without rules drops.
//
//oob:stage oob
func (d *device) refuse(p *port, skipped, dropped uint32) uint32 {
	if p.rules != 0 {
		return d.skip(skipped)
	}
	return d.lose(p, dropped)
}

// pad clears the bytes behind an answer of length bytes that is shorter than the smallest frame, and returns its length
// then: the slot may hold what an earlier frame left there.
//
//oob:stage oob
func pad(addr uintptr, length uint32) uint32 {
	wire.Zero(addr+uintptr(length), addr+wire.MinLen)
	return wire.MinLen
}
