package wiretest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"mortise/stack/wire"
)

// Offsets in a packet without options.
const (
	udpAt  = wire.IPv4Len
	icmpAt = wire.IPv4Len
)

// echoes has what is answered.
func (c *corpus) echoes() {
	s := &c.site
	for _, n := range []int{0, 1, 2, 3, 17, 18, 63, 64, 65, 1000, 1472} {
		request, reply := Echo(s.From(), 4000, Payload(n, 1))
		c.answered(fmt.Sprintf("UDP echo of %d bytes", n), "udp_echo", request, reply)
		request, reply = Echo(s.VFrom(), 4000, Payload(n, 2))
		c.answered(fmt.Sprintf("UDP echo of %d bytes, tagged", n), "udp_echo", request, reply)
		request, reply = Ping(s.From(), uint16(n), Payload(n, 3))
		c.answered(fmt.Sprintf("ping of %d bytes", n), "icmp_echo", request, reply)
		request, reply = Ping(s.VFrom(), uint16(n), Payload(n, 4))
		c.answered(fmt.Sprintf("ping of %d bytes, tagged", n), "icmp_echo", request, reply)
	}
	for name, tags := range map[string][]wire.VLAN{
		"priority tag":               {{PCP: 5}},
		"802.1ad priority tag":       {{TPID: 0x88a8, PCP: 5}},
		"802.1ad tag":                {{TPID: 0x88a8, VID: s.VID, PCP: 3}},
		"802.1Q in 802.1ad":          {{TPID: 0x88a8, VID: 100}, {VID: s.VID, PCP: 7}},
		"802.1Q in 802.1Q":           {{VID: 100}, {VID: s.VID}},
		"802.1Q in priority 802.1ad": {{TPID: 0x88a8}, {VID: s.VID}},
	} {
		h := s.VFrom()
		if tags[0].VID == 0 && len(tags) == 1 {
			h = s.From()
		}
		h.Tags = tags
		request, reply := Echo(h, 4000, Payload(64, 5))
		c.answered("UDP echo, "+name, "udp_echo", request, reply)
		request, reply = Ping(h, 1, Payload(64, 5))
		c.answered("ping, "+name, "icmp_echo", request, reply)
		request, reply = Who(h, Broadcast, s.MAC)
		c.answered("ARP request, "+name, "arp_answer", request, reply)
	}

	h := s.From()
	request, reply := Echo(h, 4000, Payload(64, 6))
	c.answered("UDP echo without a checksum", "udp_echo", Set(request, udpAt+6, 0, 0), Set(reply, udpAt+6, 0, 0))
	c.answered("UDP echo, trailing bytes behind the packet", "udp_echo", append(slices.Clone(request), Payload(9, 1)...), reply)
	request, reply = Echo(h, 4000, nil)
	padded := slices.Clone(request)
	copy(padded[42:], Payload(18, 9))
	answer := slices.Clone(padded)
	copy(answer, reply[:42])
	for i := 42; i < len(answer); i++ {
		answer[i] = 0
	}
	c.answered("UDP echo, padding that is not zero", "udp_echo", padded, answer)
	c.answered("UDP echo, no padding", "udp_echo", request[:42], reply)
	request, reply = Ping(h, 3, nil)
	c.answered("ping, no padding", "icmp_echo", request[:42], reply)
	for _, ttl := range []uint8{1, 64, 255} {
		h.TTL = ttl
		request, reply = Echo(h, 4000, Payload(64, ttl))
		c.answered(fmt.Sprintf("UDP echo, TTL %d", ttl), "udp_echo", request, reply)
	}
	h = s.From()
	request, reply = Echo(h, 4000, Payload(64, 0))
	zeroTTL := func(ip []byte) { ip[8] = 0 }
	c.answered("UDP echo, TTL 0", "udp_echo", IP(request, zeroTTL), reply)
	service := func(ip []byte) { ip[1] = 0xb8 }
	c.answered("UDP echo, type of service", "udp_echo", IP(request, service), IP(reply, service))
	unfragmented := func(ip []byte) { ip[6] = 0x40 }
	c.answered("UDP echo, Don't Fragment", "udp_echo", IP(request, unfragmented), IP(reply, unfragmented))
	h.SrcIP = [4]byte{192, 0, 2, 7}
	request, reply = Echo(h, 4000, Payload(64, 0))
	c.answered("UDP echo from another network", "udp_echo", request, reply)
}

// ethernet has what the first headers decide.
func (c *corpus) ethernet() {
	s := &c.site
	echo, _ := Echo(s.From(), 4000, Payload(64, 0))
	tagged, _ := Echo(s.VFrom(), 4000, Payload(64, 0))
	for _, n := range []int{1, 6, 12, 13} {
		c.add(fmt.Sprintf("frame of %d bytes", n), echo[:n], Dropped, "frame_short")
	}
	c.add("tagged frame of 14 bytes", tagged[:14], Dropped, "tag_short")
	c.add("tagged frame of 17 bytes", tagged[:17], Dropped, "tag_short")
	h := s.VFrom()
	h.Tags = []wire.VLAN{{VID: 100}, {VID: s.VID}}
	twice, _ := Echo(h, 4000, Payload(64, 0))
	c.add("twice tagged frame of 18 bytes", twice[:18], Dropped, "tag_short")
	c.add("twice tagged frame of 21 bytes", twice[:21], Dropped, "tag_short")
	h.Tags = []wire.VLAN{{VID: 100}, {VID: 101}, {VID: s.VID}}
	thrice, _ := Echo(h, 4000, Payload(64, 0))
	c.add("three tags", thrice, Inband, "inband_tags")
	h.Tags = []wire.VLAN{{TPID: 0x88a8, VID: 100}, {}}
	inner, _ := Echo(h, 4000, Payload(64, 0))
	c.add("priority tag inside a VLAN", inner, Inband, "inband_tags")

	for _, vid := range []uint16{1, 43, 100, 4095} {
		h.Tags = []wire.VLAN{{VID: vid}}
		unknown, _ := Echo(h, 4000, Payload(64, 0))
		c.add(fmt.Sprintf("unknown VLAN %d", vid), unknown, Inband, "inband_vlan")
	}
	h.Tags = []wire.VLAN{{VID: s.VID}, {VID: 100}}
	nested, _ := Echo(h, 4000, Payload(64, 0))
	c.add("unknown VLAN inside a known one", nested, Inband, "inband_vlan")

	foreign := s.MAC
	foreign[5] ^= 0x80
	h = s.From()
	h.Dst = foreign
	alien, _ := Echo(h, 4000, Payload(64, 0))
	c.add("foreign MAC, last byte", alien, Dropped, "foreign_mac")
	h.Dst = s.MAC
	h.Dst[0] ^= 0x04
	alien, _ = Echo(h, 4000, Payload(64, 0))
	c.add("foreign MAC, first byte", alien, Dropped, "foreign_mac")
	h = s.VFrom()
	h.Dst = foreign
	alien, _ = Echo(h, 4000, Payload(64, 0))
	c.add("foreign MAC, tagged", alien, Dropped, "foreign_mac")

	for name, dst := range map[string][6]byte{"broadcast": Broadcast, "multicast": {1, 0, 0x5e, 0, 0, 1}} {
		c.dropped(name+" frame with our IPv4 address", "link_broadcast", func(h *wire.Header) []byte {
			h.Dst = dst
			frame, _ := Echo(h, 4000, Payload(64, 0))
			return frame
		})
	}
	c.both("IPv4 broadcast", "inband_address", "ipv4_destination", func(h *wire.Header) []byte {
		h.Dst, h.DstIP = Broadcast, [4]byte{255, 255, 255, 255}
		frame, _ := Echo(h, 4000, Payload(64, 0))
		return frame
	})
	c.both("IPv4 multicast", "inband_address", "ipv4_destination", func(h *wire.Header) []byte {
		h.Dst, h.DstIP = [6]byte{1, 0, 0x5e, 0, 0, 1}, [4]byte{224, 0, 0, 1}
		frame, _ := Ping(h, 1, Payload(64, 0))
		return frame
	})
	for _, typ := range []uint16{0x0026, 0x05dc, 0x86dd, 0x8035, 0x88a4, 0x88f7, 0xffff} {
		frame := append(wire.AppendEthernet(nil, s.From(), typ), Payload(64, 0)...)
		c.add(fmt.Sprintf("EtherType 0x%04x", typ), frame, Inband, "inband_ethertype")
		frame = append(wire.AppendEthernet(nil, s.VFrom(), typ), Payload(64, 0)...)
		c.add(fmt.Sprintf("EtherType 0x%04x, tagged", typ), frame, Inband, "inband_ethertype")
	}
}

// ipv4 has what the IPv4 header decides.
func (c *corpus) ipv4() {
	s := &c.site
	echo := func(h *wire.Header) []byte { frame, _ := Echo(h, 4000, Payload(64, 0)); return frame }
	ping := func(h *wire.Header) []byte { frame, _ := Ping(h, 1, Payload(64, 0)); return frame }
	edit := func(edit func(ip []byte)) func(*wire.Header) []byte {
		return func(h *wire.Header) []byte { return IP(echo(h), edit) }
	}
	length := func(n uint16) func(*wire.Header) []byte {
		return edit(func(ip []byte) { binary.BigEndian.PutUint16(ip[2:], n) })
	}
	for _, n := range []int{0, 1, 19} {
		c.dropped(fmt.Sprintf("IPv4 header cut to %d bytes", n), "ipv4_short", func(h *wire.Header) []byte {
			frame := echo(h)
			return frame[:L3(frame)+n]
		})
	}
	c.dropped("IP version 6 in IPv4", "ipv4_version", edit(func(ip []byte) { ip[0] = 0x65 }))
	c.dropped("IP version 0", "ipv4_version", edit(func(ip []byte) { ip[0] = 0x05 }))
	c.dropped("IPv4 header length 16", "ipv4_header_length", edit(func(ip []byte) { ip[0] = 0x44 }))
	c.dropped("IPv4 header length 0", "ipv4_header_length", edit(func(ip []byte) { ip[0] = 0x40 }))
	c.dropped("IPv4 total length 0", "ipv4_length", length(0))
	c.dropped("IPv4 total length 19", "ipv4_length", length(19))
	c.dropped("IPv4 total length beyond the frame", "ipv4_length", length(93))
	c.dropped("IPv4 total length 65535", "ipv4_length", length(65535))
	c.dropped("frame cut inside the datagram", "ipv4_length", func(h *wire.Header) []byte {
		frame := echo(h)
		return frame[:len(frame)-1]
	})
	c.dropped("bad IPv4 checksum", "ipv4_checksum", func(h *wire.Header) []byte { return Set(echo(h), 10, 0xde, 0xad) })
	c.dropped("IPv4 checksum 0", "ipv4_checksum", func(h *wire.Header) []byte { return Set(echo(h), 10, 0, 0) })
	c.dropped("bad IPv4 checksum, ping", "ipv4_checksum", func(h *wire.Header) []byte { return Set(ping(h), 8, 99) })
	c.both("IPv4 options", "inband_options", "ipv4_options", edit(func(ip []byte) { ip[0] = 0x46; copy(ip[20:], "\x01\x01\x01\x00") }))
	c.both("IPv4 options of 40 bytes", "inband_options", "ipv4_options", edit(func(ip []byte) { ip[0] = 0x4f }))
	c.both("first fragment", "inband_fragment", "ipv4_fragment", edit(func(ip []byte) { ip[6] = 0x20 }))
	c.both("middle fragment", "inband_fragment", "ipv4_fragment", edit(func(ip []byte) { ip[6], ip[7] = 0x20, 3 }))
	c.both("last fragment", "inband_fragment", "ipv4_fragment", edit(func(ip []byte) { ip[6], ip[7] = 0x1f, 0xff }))
	c.both("reserved IPv4 flag", "inband_fragment", "ipv4_fragment", edit(func(ip []byte) { ip[6] = 0x80 }))
	c.both("fragmented ping", "inband_fragment", "ipv4_fragment", func(h *wire.Header) []byte {
		return IP(ping(h), func(ip []byte) { ip[6] = 0x20 })
	})
	for name, dst := range map[string][4]byte{
		"foreign IP": {10, 9, 9, 9}, "neighbour's IP": {s.Addr[0], s.Addr[1], s.Addr[2], 200}, "IP 0.0.0.0": {},
	} {
		c.both(name, "inband_address", "ipv4_destination", func(h *wire.Header) []byte { h.DstIP = dst; return echo(h) })
	}
	c.both("directed broadcast", "inband_address", "ipv4_destination", func(h *wire.Header) []byte { h.DstIP[3] = 255; return echo(h) })
	for _, proto := range []uint8{0, 2, wire.ProtoTCP, 47, 50, 89, 132, 255} {
		c.both(fmt.Sprintf("IPv4 protocol %d", proto), "inband_protocol", "unclaimed", func(h *wire.Header) []byte {
			return append(wire.AppendIPv4(nil, h, proto, 40), Payload(40, proto)...)
		})
	}
	crossed := s.From()
	crossed.DstIP = s.VAddr
	c.add("the VLAN's address on the device itself", echo(crossed), Inband, "inband_address")
	crossed = s.VFrom()
	crossed.DstIP = s.Addr
	c.add("the device's address on the VLAN", echo(crossed), Dropped, "ipv4_destination")
}

// transport has what UDP and ICMP decide.
func (c *corpus) transport() {
	echo := func(h *wire.Header) []byte { frame, _ := Echo(h, 4000, Payload(64, 0)); return frame }
	ping := func(h *wire.Header) []byte { frame, _ := Ping(h, 1, Payload(64, 0)); return frame }
	cut := func(frame []byte, n uint16) []byte {
		return IP(frame, func(ip []byte) { binary.BigEndian.PutUint16(ip[2:], n) })
	}
	for _, n := range []uint16{20, 21, 27} {
		c.dropped(fmt.Sprintf("UDP header cut to %d bytes", n-20), "udp_short", func(h *wire.Header) []byte { return cut(echo(h), n) })
		c.dropped(fmt.Sprintf("ICMP header cut to %d bytes", n-20), "icmp_short", func(h *wire.Header) []byte { return cut(ping(h), n) })
	}
	for _, n := range []uint16{0, 7, 8, 71, 73, 65535} {
		c.dropped(fmt.Sprintf("UDP length %d of 72", n), "udp_length", func(h *wire.Header) []byte {
			return Set(echo(h), udpAt+4, byte(n>>8), byte(n))
		})
	}
	c.dropped("bad UDP checksum", "udp_checksum", func(h *wire.Header) []byte { return Set(echo(h), udpAt+6, 0xde, 0xad) })
	c.dropped("UDP payload damaged", "udp_checksum", func(h *wire.Header) []byte { return Set(echo(h), udpAt+8+63, 0x80) })
	c.dropped("odd UDP payload damaged", "udp_checksum", func(h *wire.Header) []byte {
		frame, _ := Echo(h, 4000, Payload(65, 0))
		return Set(frame, udpAt+8+64, 0xff)
	})
	c.dropped("UDP checksum without the pseudo header", "udp_checksum", func(h *wire.Header) []byte {
		frame := Set(echo(h), udpAt+6, 0, 0)
		sum := wire.Checksum(frame[L3(frame)+udpAt:], 0)
		return Set(frame, udpAt+6, byte(sum>>8), byte(sum))
	})
	for _, port := range []uint16{0, 6, 8, 53, 80, 7777, 0x0700, 65535} {
		c.both(fmt.Sprintf("UDP to port %d", port), "inband_udp_port", "unclaimed", func(h *wire.Header) []byte {
			return wire.AppendUDP(nil, h, 4000, port, Payload(64, 0))
		})
	}
	c.both("UDP to another port, bad checksum", "inband_udp_port", "unclaimed", func(h *wire.Header) []byte {
		return Set(wire.AppendUDP(nil, h, 4000, 80, Payload(64, 0)), udpAt+6, 0xde, 0xad)
	})
	for _, port := range []uint16{0, 7, 9, 13, 17, 19, 37, 53, 69, 123} {
		c.dropped(fmt.Sprintf("UDP echo request from port %d", port), "udp_source_port", func(h *wire.Header) []byte {
			frame, _ := Echo(h, port, Payload(64, 0))
			return frame
		})
	}
	c.dropped("bad ICMP checksum", "icmp_checksum", func(h *wire.Header) []byte { return Set(ping(h), icmpAt+2, 0xde, 0xad) })
	c.dropped("ICMP checksum 0", "icmp_checksum", func(h *wire.Header) []byte { return Set(ping(h), icmpAt+2, 0, 0) })
	for _, typ := range []uint8{0, 3, 5, 11, 13, 15, 17} {
		c.both(fmt.Sprintf("ICMP type %d", typ), "inband_icmp", "unclaimed", func(h *wire.Header) []byte {
			return wire.AppendICMPEcho(nil, h, typ, 1, 1, Payload(64, 0))
		})
	}
	c.both("ICMP echo request with code 1", "inband_icmp", "unclaimed", func(h *wire.Header) []byte { return Set(ping(h), icmpAt+1, 1) })
}

// sources has what must not be answered because of where it comes from.
func (c *corpus) sources() {
	s := &c.site
	request := map[string]func(h *wire.Header) []byte{
		"UDP echo": func(h *wire.Header) []byte { frame, _ := Echo(h, 4000, Payload(64, 0)); return frame },
		"ping":     func(h *wire.Header) []byte { frame, _ := Ping(h, 1, Payload(64, 0)); return frame },
	}
	for name, src := range map[string][4]byte{
		"0.0.0.0": {}, "0.1.2.3": {0, 1, 2, 3}, "loopback": {127, 0, 0, 1}, "multicast": {224, 0, 0, 1}, "239.255.255.255": {239, 255, 255, 255},
		"240.0.0.1": {240, 0, 0, 1}, "broadcast": {255, 255, 255, 255}, "the device's address": s.Addr, "the VLAN's address": s.VAddr,
		"the device's broadcast": {s.Addr[0], s.Addr[1], s.Addr[2], 255}, "the VLAN's broadcast": {s.VAddr[0], s.VAddr[1], s.VAddr[2], 255},
		"the device's network": {s.Addr[0], s.Addr[1], s.Addr[2], 0}, "the VLAN's network": {s.VAddr[0], s.VAddr[1], s.VAddr[2], 0},
	} {
		for kind, frame := range request {
			c.dropped(kind+" from "+name, "source_ip", func(h *wire.Header) []byte { h.SrcIP = src; return frame(h) })
		}
	}
	for name, src := range map[string][6]byte{"zero MAC": {}, "broadcast MAC": Broadcast, "multicast MAC": {1, 0, 0x5e, 0, 0, 1}, "our MAC": s.MAC} {
		for kind, frame := range request {
			c.dropped(kind+" from "+name, "source_mac", func(h *wire.Header) []byte { h.Src = src; return frame(h) })
		}
		c.dropped("ARP request from "+name, "source_mac", func(h *wire.Header) []byte {
			h.Src = src
			q, _ := Who(h, Broadcast, s.MAC)
			return q
		})
	}
}

// arp has ARP, good and bad.
func (c *corpus) arp() {
	s := &c.site
	who := func(h *wire.Header) []byte { q, _ := Who(h, Broadcast, s.MAC); return q }
	for name, h := range map[string]*wire.Header{"": s.From(), ", tagged": s.VFrom()} {
		q, r := Who(h, Broadcast, s.MAC)
		c.answered("ARP request"+name, "arp_answer", q, r)
		c.answered("ARP request, no padding"+name, "arp_answer", q[:L3(q)+wire.ARPLen], r)
		q, r = Who(h, s.MAC, s.MAC)
		c.answered("ARP request to our MAC"+name, "arp_answer", q, r)
		p := *h
		p.SrcIP = [4]byte{}
		q, r = Who(&p, Broadcast, s.MAC)
		c.answered("ARP probe"+name, "arp_answer", q, r)
		r = wire.AppendARP(nil, h, 2, s.MAC)
		if name == "" {
			c.add("ARP reply"+name, r, Inband, "inband_arp")
		} else {
			c.add("ARP reply"+name, r, Consumed, "arp_learned")
		}
		o := *h
		o.DstIP[3] = 77
		q, _ = Who(&o, Broadcast, s.MAC)
		c.add("ARP request for another"+name, q, Inband, "inband_arp")
		o.DstIP = o.SrcIP
		q, _ = Who(&o, Broadcast, s.MAC)
		c.add("gratuitous ARP"+name, q, Inband, "inband_arp")
		c.add("ARP operation 8"+name, Set(who(h), 6, 0, 8), Inband, "inband_arp")
		c.add("ARP operation 0"+name, Set(who(h), 6, 0, 0), Inband, "inband_arp")
		relay := Set(who(h), 8, 2, 0x50, 0x65, 0x65, 0x72, 0x99)
		_, answer := Who(h, Broadcast, s.MAC)
		copy(answer, []byte{2, 0x50, 0x65, 0x65, 0x72, 0x99})
		answer = Set(answer, 18, 2, 0x50, 0x65, 0x65, 0x72, 0x99)
		c.answered("ARP request sent on behalf of another"+name, "arp_answer", relay, answer)
	}
	for _, n := range []int{0, 8, 27} {
		c.dropped(fmt.Sprintf("ARP packet cut to %d bytes", n), "arp_short", func(h *wire.Header) []byte { q := who(h); return q[:L3(q)+n] })
	}
	c.dropped("ARP hardware type 6", "arp_format", func(h *wire.Header) []byte { return Set(who(h), 0, 0, 6) })
	c.dropped("ARP protocol type IPv6", "arp_format", func(h *wire.Header) []byte { return Set(who(h), 2, 0x86, 0xdd) })
	c.dropped("ARP hardware address length 8", "arp_format", func(h *wire.Header) []byte { return Set(who(h), 4, 8) })
	c.dropped("ARP protocol address length 16", "arp_format", func(h *wire.Header) []byte { return Set(who(h), 5, 16) })
	for name, src := range map[string][4]byte{"another network": {192, 0, 2, 1}, "loopback": {127, 0, 0, 1}, "multicast": {224, 0, 0, 1}} {
		c.dropped("ARP request from "+name, "arp_sender", func(h *wire.Header) []byte { h.SrcIP = src; return who(h) })
	}
	c.dropped("ARP request from the network's broadcast", "arp_sender", func(h *wire.Header) []byte { h.SrcIP[3] = 255; return who(h) })
	c.dropped("ARP request from the network itself", "arp_sender", func(h *wire.Header) []byte { h.SrcIP[3] = 0; return who(h) })
	c.dropped("ARP reply from 0.0.0.0", "arp_sender", func(h *wire.Header) []byte { h.SrcIP = [4]byte{}; return wire.AppendARP(nil, h, 2, s.MAC) })
	c.dropped("ARP request from our address", "arp_conflict", func(h *wire.Header) []byte { h.SrcIP = h.DstIP; return who(h) })
	c.dropped("ARP reply from our address", "arp_conflict", func(h *wire.Header) []byte { h.SrcIP = h.DstIP; return wire.AppendARP(nil, h, 2, s.MAC) })
	for name, mac := range map[string][]byte{
		"zero": {0, 0, 0, 0, 0, 0}, "broadcast": {255, 255, 255, 255, 255, 255}, "multicast": {1, 0, 0x5e, 0, 0, 1}, "our own": s.MAC[:],
	} {
		c.dropped("ARP sender's MAC "+name, "source_mac", func(h *wire.Header) []byte { return Set(who(h), 8, mac...) })
	}
}
