package oob

import (
	_ "unsafe" // for linkname

	"mortise/stack/core"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// Decided is core.Decided: the tasks that the frames have made ready run.
//
//oob:stage oob
//go:nosplit
//go:linkname Decided mortise/stack/core.Decided
func Decided() {
	if task.Pending() {
		task.Run()
	}
}

// PortIndex returns the index that package socket knows a port by: c.Device[dev].Ports[port] of the configuration.
//
//oob:stage inband
func PortIndex(dev, port uint32) uint32 { return dev*MaxPorts + port }

// datagram decides on a UDP datagram for port p, accepted, that is not for the echo service: length bytes follow the IPv4 header at
// packet, service is the UDP port's word.
//
//oob:stage oob
//go:nosplit
func (d *device) datagram(p *port, addr, packet uintptr, length, service uint32) uint32 {
	list := service & listMask >> listShift
	if list == 0 {
		return d.lose(p, Unclaimed)
	}
	e, ip := wire.EthernetAt(addr), wire.DatagramAt(packet)
	if wire.Swap16(ip.Checksum) != length {
		return d.lose(p, UDPLength)
	}
	if !d.mayAnswerMAC(e.Src0, e.SrcType) {
		return d.lose(p, SourceMAC)
	}
	src := ip.Src
	if !d.mayAnswer(p, src, p.addr) {
		return d.lose(p, SourceIP)
	}
	s, ok := socket.Sole(list-1, p.index)
	if !ok || ip.Dst != p.addr {
		if s, ok = socket.Find(list-1, p.index, src, ip.Dst, wire.Swap32(ip.Ports)); !ok {
			return d.lose(p, Unclaimed)
		}
	}
	if sums := wire.SumUDP(packet, length); sums != 0 {
		if sums>>16 != 0 {
			return d.lose(p, IPv4Checksum)
		}
		if ip.Checksum>>16 != 0 { // 0 is no checksum
			return d.lose(p, UDPChecksum)
		}
	}
	return d.queued(p, socket.Put(s, p.index, addr, packet, length-wire.UDPLen))
}

// elsewhere decides on an IPv4 packet of n bytes for port p that is not to the port's address: a group or broadcast that a socket
// takes, or not ours.
//
//oob:stage oob
func (d *device) elsewhere(p *port, addr, packet uintptr, n, dst uint32) uint32 {
	if !p.isMany(dst) {
		return d.refuse(p, InbandAddress, IPv4Destination)
	}
	ip := wire.DatagramAt(packet)
	head := ip.Head
	length := wire.Swap32(head)&0xffff - wire.IPv4Len
	well := head&0xff == versionIHL && length <= n-wire.IPv4Len
	if well && ip.Frag&fragmentation != 0 {
		return d.fragment(p, addr, packet, length)
	}
	if !well || ip.Proto&protocol != wire.ProtoUDP<<8 || length < wire.UDPLen {
		if ip.Proto&protocol == wire.ProtoIGMP<<8 { // with options, as a rule
			return d.skip(InbandAddress) // in-band answers who asks for the groups that sockets have joined
		}
		return d.refuse(p, InbandAddress, IPv4Destination)
	}
	service := d.services[uint16(wire.Swap32(ip.Ports))]
	if service&p.accept == 0 || service&listMask == 0 {
		return d.refuse(p, InbandAddress, IPv4Destination)
	}
	return d.datagram(p, addr, packet, length, service)
}

// isMany reports whether dst is a multicast group's address or a broadcast on the port's network.
//
//oob:stage oob
func (p *port) isMany(dst uint32) bool {
	return dst&0xf0 == 0xe0 || dst == ^uint32(0) || p.addr != 0 && dst == p.addr|^p.mask
}

// frame decides on a frame of n bytes for port p whose EtherType, in wire order, is neither IPv4's nor ARP's: a raw socket's, or
// in-band's.
//
//oob:stage oob
func (d *device) frame(p *port, addr uintptr, n, typ uint32) uint32 {
	if s, ok := socket.FindRaw(p.index, typ); ok {
		return d.queued(p, socket.PutFrame(s, p.index, addr, n))
	}
	return d.skip(InbandEtherType)
}

// queued counts a frame for port p that a socket had no room for. What it has taken it has counted: SocketQueued is the sum of
// the ports'.
//
//oob:stage oob
func (d *device) queued(p *port, action uint32) uint32 {
	if action == core.Drop {
		return d.lose(p, SocketFull)
	}
	return action
}

// Left is core.Left: only sockets ask.
//
//oob:stage oob
//go:linkname Left mortise/stack/core.Left
func Left(tag, queued, at, source uint32) { socket.Left(tag, queued, at, source) }
