package admin

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/reassembly"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// What the oob stage does with a frame behind rules and programs, said again: byte by byte, from the companion core's configuration and the open
// sockets, without anything being counted, answered or kept. Each step ends as one of the core's counters says; a test has the core itself decide
// on the same frames.

// fate is what becomes of a frame: the counter that would move, and why.
type fate struct {
	counter int
	why     string
}

// portStage is what decides on a device's frames behind rules and programs.
type portStage struct {
	config   *oob.Config
	dev      uint32
	device   *device
	sockets  []socket.Stats
	accepted bool // a rule or the program has said ACCEPT
}

// arrival is a frame that comes in on a port.
type arrival struct {
	*portStage
	port  *port // nil: a VLAN of the device's rule, without one
	c     oob.PortConfig
	rules bool
	frame []byte
	at    int // where the packet begins
	typ   uint16
}

// byPorts explains what the port stage does with a frame.
func (a *Admin) byPorts(e *Explanation, dev uint32, d *device, frame []byte, accepted bool) {
	s := &portStage{config: a.current, dev: dev, device: d, sockets: socket.List(), accepted: accepted}
	in, tag, f := s.arrive(frame)
	if in == nil {
		e.end("ports", f)
		return
	}
	by := "ports"
	if in.port == nil {
		e.Why = append(e.Why, tag+": the device's VLAN rule has it, and no oob port is on it")
	} else {
		by = "port " + in.port.name
		takes := in.port.accepts
		if !in.rules {
			takes = "all IPv4"
		}
		e.Why = append(e.Why, fmt.Sprintf("%s: oob port %s, which takes %s, ARP and ICMP echo for %v", tag, in.port.name, takes, in.port.address.Addr()))
	}
	if f = in.decide(); accepted && oob.ClassOf(f.counter) == oob.ClassAccepted {
		by = e.By // who has said so
	}
	e.end(by, f)
}

// end notes how the port stage ends.
func (e *Explanation) end(by string, f fate) {
	verdict := map[oob.Class]string{oob.ClassAccepted: "ACCEPT", oob.ClassInband: "SKIP", oob.ClassDropped: "DROP"}[oob.ClassOf(f.counter)]
	e.decide(verdict, by, f.why+": "+map[string]string{"ACCEPT": "the oob stage takes it", "SKIP": "in-band gets it", "DROP": "it is dropped"}[verdict])
	e.Counter = oob.CounterNames[f.counter]
}

// arrive finds the port that a frame comes in on. tag says by what; in is nil if there is none, and f what becomes of the frame then.
func (s *portStage) arrive(frame []byte) (in *arrival, tag string, f fate) {
	vid, typ, at := uint16(0), binary.BigEndian.Uint16(frame[12:]), 14
	for tags := 0; tags < 2 && isTag(typ); tags++ {
		if len(frame) < at+4 {
			return nil, "", fate{oob.TagShort, "it ends inside a tag"}
		}
		vid, typ = binary.BigEndian.Uint16(frame[at:])&0xfff, binary.BigEndian.Uint16(frame[at+2:])
		at += 4
	}
	if at == 22 && (isTag(typ) || vid == 0) {
		return nil, "", fate{oob.InbandTags, "it has more than two tags, or a priority tag inside another"}
	}
	if tag = "it has no tag"; vid != 0 {
		tag = fmt.Sprintf("its VLAN ID is %d", vid)
	} else if at != 14 {
		tag = "its tag has a priority only"
	}
	in = &arrival{portStage: s, frame: frame, at: at, typ: typ}
	for i := range s.config.Device[s.dev].Ports {
		if c := &s.config.Device[s.dev].Ports[i]; c.Addr != ([4]byte{}) && c.VID == vid {
			in.port, in.c = s.device.owner[i], *c
			in.rules = c.Rules && !s.accepted
			return in, tag, f
		}
	}
	if s.config.Device[s.dev].VLANs.Has(vid) {
		return in, tag, f
	}
	return nil, "", fate{oob.InbandVLAN, tag + ", and no oob port is on it"}
}

func isTag(typ uint16) bool { return typ == 0x8100 || typ == 0x88a8 }

// decide says what becomes of the frame.
func (in *arrival) decide() fate {
	packet := in.frame[in.at:]
	switch in.typ {
	case 0x0800:
		if q := in.raw(); q != nil && !in.rules {
			return in.queued(q)
		}
		return in.ipv4(packet)
	case 0x0806:
		return in.arp(packet)
	}
	if q := in.raw(); q != nil {
		return in.queued(q)
	}
	return fate{oob.InbandEtherType, fmt.Sprintf("its EtherType is %#04x, neither IPv4 nor ARP, and no raw socket is open for it", in.typ)}
}

// raw returns the raw socket that is open for frames of this EtherType.
func (in *arrival) raw() *socket.Stats {
	i := slices.IndexFunc(in.sockets, func(q socket.Stats) bool {
		return in.port != nil && q.Raw && q.Bound && q.Port == in.port.index() && q.Local.Port() == in.typ
	})
	if i < 0 {
		return nil
	}
	return &in.sockets[i]
}

// queued says that a socket gets the frame, and how much room it has.
func (in *arrival) queued(q *socket.Stats) fate {
	kind := "socket"
	if q.Raw {
		kind = "raw socket"
	}
	reader := fmt.Sprintf("task %d", q.Task)
	if q.Task == task.NoTask {
		reader = "a goroutine"
	}
	why := fmt.Sprintf("%s %d of %s gets it, which has %d of %d in its queue", kind, q.Socket, reader, q.Queued, q.Limit)
	switch pool := socket.PoolStats(in.port.index()); {
	case q.Queued >= q.Limit:
		why += "; as long as that is full, it or the oldest there is dropped (socket_full)"
	case pool.Free == 0:
		why += "; as long as none of the port's buffers is free, it is dropped (socket_full)"
	}
	return fate{oob.SocketQueued, why}
}

// refuse is the fate of what a port with rules leaves to in-band and a port without drops.
func (in *arrival) refuse(skipped, dropped int, why string) fate {
	if in.rules {
		return fate{skipped, why}
	}
	return fate{dropped, why + ", and all IPv4 here is the oob stage's"}
}

// many reports whether an IPv4 address is a multicast group's or a broadcast on the port's network.
func (in *arrival) many(dst netip.Addr) bool {
	a, host := binary.BigEndian.Uint32(dst.AsSlice()), uint32(1)<<(32-in.c.Prefix)-1
	return dst.IsMulticast() || a == ^uint32(0) || in.port != nil && a == binary.BigEndian.Uint32(in.c.Addr[:])|host
}

// datagram is an IPv4 packet without options.
type datagram struct {
	header, data []byte
	src, dst     netip.Addr
}

// udp returns the UDP ports, of one that has a whole UDP header.
func (g *datagram) udp() (src, dst uint16) {
	return binary.BigEndian.Uint16(g.data), binary.BigEndian.Uint16(g.data[2:])
}

func (g *datagram) isUDP() bool { return g.header[9] == wire.ProtoUDP }

// fragmented reports whether it is a fragment, or has the reserved flag.
func (g *datagram) fragmented() bool { return binary.BigEndian.Uint16(g.header[6:])&^0x4000 != 0 }

// ipv4 decides on an IPv4 packet.
func (in *arrival) ipv4(p []byte) fate {
	if len(p) < wire.IPv4Len {
		return fate{oob.IPv4Short, fmt.Sprintf("it ends inside the IPv4 header, of which it has %d bytes", len(p))}
	}
	g := &datagram{header: p[:wire.IPv4Len], src: netip.AddrFrom4([4]byte(p[12:])), dst: netip.AddrFrom4([4]byte(p[16:]))}
	length, well := int(binary.BigEndian.Uint16(p[2:])), p[0] == 0x45
	if well = well && length >= wire.IPv4Len && length <= len(p); well {
		g.data = p[wire.IPv4Len:length]
	}
	if g.dst != netip.AddrFrom4(in.c.Addr) {
		return in.elsewhere(g, well)
	}
	switch {
	case in.frame[0]&1 != 0:
		return fate{oob.LinkBroadcast, fmt.Sprintf("it is for %v in a frame to %s, a broadcast or group", g.dst, macText([6]byte(in.frame)))}
	case p[0]>>4 != 4:
		return fate{oob.IPv4Version, fmt.Sprintf("its IP version is %d", p[0]>>4)}
	case p[0]&15 < 5:
		return fate{oob.IPv4HeaderLength, fmt.Sprintf("its IPv4 header has %d bytes", p[0]&15*4)}
	case p[0] != 0x45:
		return in.refuse(oob.InbandOptions, oob.IPv4Options, "it has IPv4 options")
	case !well:
		return fate{oob.IPv4Length, fmt.Sprintf("its IPv4 header says %d bytes, the frame has %d", length, len(p))}
	case g.fragmented():
		return in.fragment(g)
	case g.isUDP():
		return in.unicast(g)
	}
	return in.other(g)
}

// elsewhere decides on a packet that is not to the port's address.
func (in *arrival) elsewhere(g *datagram, well bool) fate {
	refuse := func(format string, a ...any) fate {
		return in.refuse(oob.InbandAddress, oob.IPv4Destination, fmt.Sprintf("it is for %v", g.dst)+fmt.Sprintf(format, a...))
	}
	if !in.many(g.dst) {
		if in.port == nil {
			return refuse("")
		}
		return refuse(", the port is %v", netip.AddrFrom4(in.c.Addr))
	}
	if well && g.fragmented() {
		return in.fragment(g)
	}
	if !well || !g.isUDP() || len(g.data) < wire.UDPLen {
		if g.header[9] == wire.ProtoIGMP {
			return fate{oob.InbandAddress, fmt.Sprintf("it is IGMP for %v, which in-band answers on every port", g.dst)}
		}
		return refuse(", a group or broadcast, and no UDP datagram")
	}
	if _, dst := g.udp(); !in.takes(dst) || !in.bound(dst) {
		return refuse(", a group or broadcast, and no socket has UDP port %d there", dst)
	}
	return in.toSocket(g)
}

// takes reports whether the port takes the datagrams to a UDP port.
func (in *arrival) takes(dst uint16) bool { return in.port != nil && (!in.rules || in.c.UDP.Has(dst)) }

// bound reports whether any socket is bound to a UDP port.
func (in *arrival) bound(dst uint16) bool {
	return slices.ContainsFunc(in.sockets, func(q socket.Stats) bool { return !q.Raw && q.Local.Port() == dst })
}

// unicast decides on a UDP packet to the port's address.
func (in *arrival) unicast(g *datagram) fate {
	if len(g.data) < wire.UDPLen {
		return fate{oob.UDPShort, fmt.Sprintf("it ends inside the UDP header, of which it has %d bytes", len(g.data))}
	}
	src, dst := g.udp()
	if !in.takes(dst) {
		return in.refuse(oob.InbandUDPPort, oob.Unclaimed, fmt.Sprintf("UDP port %d is none that it takes", dst))
	}
	if dst != oob.EchoPort {
		return in.toSocket(g)
	}
	if f, bad := in.udpLength(g); bad {
		return f
	}
	if oob.Talks(src) {
		return fate{oob.UDPSourcePort, fmt.Sprintf("it is an echo request from UDP port %d, a service's or nobody's: the answer could start a loop", src)}
	}
	if f, bad := in.sender(g); bad {
		return f
	}
	if f, bad := in.sums(g); bad {
		return f
	}
	return fate{oob.UDPEcho, "it is a UDP echo request, and answered"}
}

// toSocket decides on a UDP datagram that is not for the echo service.
func (in *arrival) toSocket(g *datagram) fate {
	src, dst := g.udp()
	if !in.bound(dst) {
		return fate{oob.Unclaimed, fmt.Sprintf("no socket has UDP port %d, which the port takes", dst)}
	}
	if f, bad := in.udpLength(g); bad {
		return f
	}
	if f, bad := in.sender(g); bad {
		return f
	}
	s, ok := socket.Taker(in.port.index(), netip.AddrPortFrom(g.src, src), netip.AddrPortFrom(g.dst, dst))
	if !ok {
		return fate{oob.Unclaimed, fmt.Sprintf("the sockets that have UDP port %d are bound or connected to others", dst)}
	}
	if f, bad := in.sums(g); bad {
		return f
	}
	i := slices.IndexFunc(in.sockets, func(q socket.Stats) bool { return q.Socket == s })
	if i < 0 {
		return fate{oob.Unclaimed, "its socket is being closed"}
	}
	return in.queued(&in.sockets[i])
}

func (in *arrival) udpLength(g *datagram) (fate, bool) {
	if n := int(binary.BigEndian.Uint16(g.data[4:])); n != len(g.data) {
		return fate{oob.UDPLength, fmt.Sprintf("its UDP header says %d bytes, the packet has %d", n, len(g.data))}, true
	}
	return fate{}, false
}

// sums judges the checksums of a UDP packet.
func (in *arrival) sums(g *datagram) (fate, bool) {
	if f, bad := in.headerSum(g); bad {
		return f, true
	}
	pseudo := wire.Checksum(g.header[12:20], uint32(wire.ProtoUDP+len(g.data)))
	if binary.BigEndian.Uint16(g.data[6:]) != 0 && wire.Checksum(g.data, uint32(^pseudo)) != 0 {
		return fate{oob.UDPChecksum, "its UDP checksum is wrong"}, true
	}
	return fate{}, false
}

func (in *arrival) headerSum(g *datagram) (fate, bool) {
	return fate{oob.IPv4Checksum, "the checksum of its IPv4 header is wrong"}, wire.Checksum(g.header, 0) != 0
}

// sender judges who a packet is from.
func (in *arrival) sender(g *datagram) (fate, bool) {
	if f, bad := in.station([6]byte(in.frame[6:])); bad {
		return f, true
	}
	return fate{oob.SourceIP, fmt.Sprintf("it is from %v: a group, a broadcast, a reserved address or one of ours", g.src)}, !in.mayAsk(g.src)
}

// station judges a source's MAC address.
func (in *arrival) station(mac [6]byte) (fate, bool) {
	bad := mac[0]&1 != 0 || mac == [6]byte{} || mac == in.device.mac
	return fate{oob.SourceMAC, fmt.Sprintf("its source is %s: a group, zero or %s itself", macText(mac), in.device.name)}, bad
}

// mayAsk reports whether src can be a host that gets an answer.
func (in *arrival) mayAsk(src netip.Addr) bool {
	if a := src.As4(); a[0] == 0 || a[0] == 127 || a[0] >= 224 || slices.Contains(in.config.Own[:], a) {
		return false
	}
	for i := range in.config.Device {
		for _, p := range in.config.Device[i].Ports {
			if p.Addr == ([4]byte{}) {
				continue
			}
			network := netip.PrefixFrom(netip.AddrFrom4(p.Addr), int(p.Prefix))
			first := binary.BigEndian.Uint32(network.Masked().Addr().AsSlice())
			a, last := binary.BigEndian.Uint32(src.AsSlice()), first|uint32(1)<<(32-p.Prefix)-1
			if src == network.Addr() || p.Prefix < 31 && (a == first || a == last) {
				return false
			}
		}
	}
	return true
}

// other decides on a packet to the port's address that is not UDP.
func (in *arrival) other(g *datagram) fate {
	switch {
	case g.header[9] != wire.ProtoICMP:
		return in.refuse(oob.InbandProtocol, oob.Unclaimed, fmt.Sprintf("IPv4 protocol %d is nobody's in the oob stage", g.header[9]))
	case len(g.data) < wire.ICMPLen:
		return fate{oob.ICMPShort, fmt.Sprintf("it ends inside the ICMP header, of which it has %d bytes", len(g.data))}
	case g.data[0] != 8 || g.data[1] != 0 || in.port == nil:
		return in.refuse(oob.InbandICMP, oob.Unclaimed, fmt.Sprintf("it is ICMP type %d, code %d, no echo request to the port", g.data[0], g.data[1]))
	}
	if f, bad := in.headerSum(g); bad {
		return f
	}
	if wire.Checksum(g.data, 0) != 0 {
		return fate{oob.ICMPChecksum, "its ICMP checksum is wrong"}
	}
	if f, bad := in.sender(g); bad {
		return f
	}
	return fate{oob.ICMPEcho, "it is an ICMP echo request, and answered"}
}

// fragment decides on a packet that is not whole. What is known of the others of its datagram says whether it is kept; whether it fits to them is seen
// when it comes.
func (in *arrival) fragment(g *datagram) fate {
	refuse := func(why string) fate {
		if g.dst != netip.AddrFrom4(in.c.Addr) {
			return in.refuse(oob.InbandAddress, oob.IPv4Destination, fmt.Sprintf("it is for %v, and %s", g.dst, why))
		}
		return in.refuse(oob.InbandFragment, oob.IPv4Fragment, why)
	}
	word := binary.BigEndian.Uint16(g.header[6:])
	offset, more, known := int(word&0x1fff)*8, word&0x2000 != 0, false
	switch {
	case word&0x8000 != 0:
		return refuse("it has the reserved flag of IPv4")
	case !g.isUDP() || !socket.Reassembles() || in.port == nil:
		return refuse("it is a fragment, and none of a UDP datagram that is put together here")
	}
	id := uint32(g.header[4]) | uint32(g.header[5])<<8
	_, known = socket.Fragments().Find(neigh.Wire(g.src), neigh.Wire(g.dst), id, in.port.index())
	switch {
	case known:
	case offset != 0 && in.rules:
		return refuse("it is a fragment whose first one, which decides, has not come")
	case offset == 0 && len(g.data) < wire.UDPLen:
		return refuse("it is a fragment without a whole UDP header")
	case offset == 0:
		if _, dst := g.udp(); !in.takes(dst) || !in.bound(dst) {
			return refuse(fmt.Sprintf("it is a fragment to UDP port %d, which no socket has here", dst))
		}
	}
	if f, bad := in.headerSum(g); bad {
		return f
	}
	if offset == 0 {
		if f, bad := in.sender(g); bad {
			return f
		}
	}
	return in.keep(len(g.data), offset, more, known)
}

// keep decides on a fragment of n bytes of a datagram that a socket may get.
func (in *arrival) keep(n, offset int, more, known bool) fate {
	valid := reassembly.Valid(uint32(offset), uint32(n), more)
	if !valid && !known {
		return fate{oob.FragmentMalformed, "it is a tiny fragment, of an impossible length or beyond the largest packet"}
	}
	most, pool := in.port.most, socket.PoolStats(in.port.index())
	if most != 0 && offset+n > most || pool.Free <= pool.Size/2 || !known && socket.ReassemblyStats().Incomplete >= reassembly.MaxPackets {
		return fate{oob.FragmentNoRoom, "it is a fragment for which there is no room: too many packets are incomplete, the datagram is too long, or half of the port's buffers are in use"}
	}
	if !valid {
		return fate{oob.FragmentMalformed, "it is a tiny fragment, of an impossible length or beyond the largest packet"}
	}
	if known {
		return fate{oob.FragmentKept, "it is a fragment of a datagram of which others have come; it may be the last one (socket_queued), be there already (fragment_duplicate) or not fit (fragment_refused)"}
	}
	return fate{oob.FragmentKept, "it is a fragment, kept until the others come"}
}

// arp decides on an ARP packet.
func (in *arrival) arp(p []byte) fate {
	if len(p) < wire.ARPLen {
		return fate{oob.ARPShort, fmt.Sprintf("it ends inside the ARP packet, of which it has %d bytes", len(p))}
	}
	if !slices.Equal(p[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return fate{oob.ARPFormat, "it is ARP, but not IPv4 over Ethernet"}
	}
	op, target, sender := binary.BigEndian.Uint16(p[6:]), netip.AddrFrom4([4]byte(p[24:])), netip.AddrFrom4([4]byte(p[14:]))
	if in.port == nil || target != netip.AddrFrom4(in.c.Addr) || op != 1 && op != 2 {
		if q := in.raw(); q != nil {
			return in.queued(q)
		}
		return fate{oob.InbandARP, fmt.Sprintf("it is ARP, operation %d, for %v, which does not concern the port's address", op, target)}
	}
	for _, mac := range [][6]byte{[6]byte(in.frame[6:]), [6]byte(p[8:])} {
		if f, bad := in.station(mac); bad {
			return f
		}
	}
	network := netip.PrefixFrom(netip.AddrFrom4(in.c.Addr), int(in.c.Prefix))
	switch probe := sender == netip.IPv4Unspecified() && op == 1; {
	case sender == target:
		return fate{oob.ARPConflict, fmt.Sprintf("%s has the port's address, %v, too: a conflict", macText([6]byte(p[8:])), sender)}
	case !probe && (!network.Contains(sender) || !in.mayAsk(sender)):
		return fate{oob.ARPSender, fmt.Sprintf("it is ARP from %v, no host of the port's network", sender)}
	case op == 1:
		return fate{oob.ARPAnswer, fmt.Sprintf("it is an ARP request for %v, and answered", target)}
	case in.rules:
		return fate{oob.InbandARP, fmt.Sprintf("it is an ARP reply of %v, which the oob stage learns and in-band may have asked for", sender)}
	}
	return fate{oob.ARPLearned, fmt.Sprintf("it is an ARP reply of %v, which is learnt", sender)}
}
