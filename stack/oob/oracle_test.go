package oob

import (
	"encoding/binary"
	"slices"

	"mortise/stack/frame"
)

// fate is what the rules of README.md say about a frame.
type fate struct {
	action  uint32
	counter int
	reply   []byte
}

// oracle applies the rules of README.md to f, step by step on bytes: it shares nothing with the package but the names of
// the counters and the configuration's type.
func oracle(c *Config, dev int, f []byte) fate {
	d := &c.Device[dev]
	drop := func(counter int) fate { return fate{Drop, counter, nil} }
	skip := func(counter int) fate { return fate{Inband, counter, nil} }
	if len(f) < 14 {
		return drop(FrameShort)
	}
	if len(f) > frame.MaxLen {
		return drop(FrameLong)
	}
	group := f[0]&1 == 1
	if !group && !slices.Equal(f[:6], d.MAC[:]) {
		return drop(ForeignMAC)
	}

	at, tags, vid := 14, 0, 0
	typ := binary.BigEndian.Uint16(f[12:])
	for (typ == 0x8100 || typ == 0x88a8) && tags < 2 {
		if len(f) < at+4 {
			return drop(TagShort)
		}
		vid = int(binary.BigEndian.Uint16(f[at:])) & 0xfff
		typ = binary.BigEndian.Uint16(f[at+2:])
		at += 4
		tags++
	}
	if tags == 2 && (vid == 0 || typ == 0x8100 || typ == 0x88a8) {
		return skip(InbandTags)
	}
	var p *PortConfig
	for i := range d.Ports {
		if int(d.Ports[i].VID) == vid && d.Ports[i].Addr != ([4]byte{}) {
			p = &d.Ports[i]
		}
	}
	if p == nil {
		return skip(InbandVLAN)
	}
	pkt := f[at:]
	switch typ {
	case 0x0800:
		return oracleIPv4(c, d, p, f, at, pkt, group)
	case 0x0806:
		return oracleARP(c, d, p, f, at, pkt)
	}
	return skip(InbandEtherType)
}

func oracleIPv4(c *Config, d *DeviceConfig, p *PortConfig, f []byte, at int, pkt []byte, group bool) fate {
	refuse := func(skipped, dropped int) fate {
		if p.Rules {
			return fate{Inband, skipped, nil}
		}
		return fate{Drop, dropped, nil}
	}
	drop := func(counter int) fate { return fate{Drop, counter, nil} }
	if len(pkt) < 20 {
		return drop(IPv4Short)
	}
	if dst := [4]byte(pkt[16:20]); dst != p.Addr {
		all, own := binary.BigEndian.Uint32(dst[:]), binary.BigEndian.Uint32(p.Addr[:])
		many := dst[0]>>4 == 14 || all == 1<<32-1 || own != 0 && all == own|(1<<(32-p.Prefix)-1)
		total := int(binary.BigEndian.Uint16(pkt[2:]))
		fragment := pkt[0] == 0x45 && total >= 20 && total <= len(pkt) && binary.BigEndian.Uint16(pkt[6:])&^0x4000 != 0
		if many && pkt[9] == 2 && !fragment {
			return fate{Inband, InbandAddress, nil}
		}
		return refuse(InbandAddress, IPv4Destination)
	}
	if group {
		return drop(LinkBroadcast)
	}
	version, header, total := pkt[0]>>4, int(pkt[0]&15)*4, int(binary.BigEndian.Uint16(pkt[2:]))
	switch {
	case version != 4:
		return drop(IPv4Version)
	case header < 20:
		return drop(IPv4HeaderLength)
	case header > 20:
		return refuse(InbandOptions, IPv4Options)
	case total < 20 || total > len(pkt):
		return drop(IPv4Length)
	case binary.BigEndian.Uint16(pkt[6:])&^0x4000 != 0:
		return refuse(InbandFragment, IPv4Fragment)
	}
	data := pkt[20:total]
	counter := UDPEcho
	switch pkt[9] {
	case 17:
		if len(data) < 8 {
			return drop(UDPShort)
		}
		src, dst := binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:])
		if p.Rules && !p.UDP.Has(dst) {
			return refuse(InbandUDPPort, Unclaimed)
		}
		if dst != 7 {
			return drop(Unclaimed)
		}
		if int(binary.BigEndian.Uint16(data[4:])) != len(data) {
			return drop(UDPLength)
		}
		if src == 7 || slices.Contains(talkative[:], src) {
			return drop(UDPSourcePort)
		}
		if fate, bad := oracleSource(c, d, p, f, pkt); bad {
			return fate
		}
		if onesSum(pkt[:20]) != 0xffff {
			return drop(IPv4Checksum)
		}
		pseudo := slices.Concat(pkt[12:20], []byte{0, 17}, data[4:6], data)
		if binary.BigEndian.Uint16(data[6:]) != 0 && onesSum(pseudo) != 0xffff {
			return drop(UDPChecksum)
		}
	case 1:
		if len(data) < 8 {
			return drop(ICMPShort)
		}
		if data[0] != 8 || data[1] != 0 {
			return refuse(InbandICMP, Unclaimed)
		}
		if onesSum(pkt[:20]) != 0xffff {
			return drop(IPv4Checksum)
		}
		if onesSum(data) != 0xffff {
			return drop(ICMPChecksum)
		}
		if fate, bad := oracleSource(c, d, p, f, pkt); bad {
			return fate
		}
		counter = ICMPEcho
	default:
		return refuse(InbandProtocol, Unclaimed)
	}

	r := slices.Clone(f[:at+total])
	copy(r, f[6:12])
	copy(r[6:], d.MAC[:])
	ip, l4 := r[at:], r[at+20:]
	copy(ip[12:], pkt[16:20])
	copy(ip[16:], pkt[12:16])
	ip[8] = 64
	fill(ip[:20], 10)
	if counter == UDPEcho {
		copy(l4, data[2:4])
		copy(l4[2:], data[:2])
	} else {
		l4[0] = 0
		fill(l4, 2)
		if l4[2] == 0 && l4[3] == 0 { // 0xffff is as good (RFC 1071), and the stage cannot tell this from a message of zeros
			l4[2], l4[3] = 0xff, 0xff
		}
	}
	for len(r) < 60 {
		r = append(r, 0)
	}
	return fate{Reply | uint32(len(r)), counter, r}
}

func oracleSource(c *Config, d *DeviceConfig, p *PortConfig, f, pkt []byte) (fate, bool) {
	if mac := [6]byte(f[6:12]); mac[0]&1 == 1 || mac == [6]byte{} || mac == d.MAC {
		return fate{Drop, SourceMAC, nil}, true
	}
	if !oracleHost(c, [4]byte(pkt[12:16])) {
		return fate{Drop, SourceIP, nil}, true
	}
	return fate{}, false
}

// oracleHost reports whether src is a host that may be answered.
func oracleHost(c *Config, src [4]byte) bool {
	if src[0] == 0 || src[0] == 127 || src[0] >= 224 {
		return false
	}
	for i := range c.Device {
		for j := range c.Device[i].Ports {
			p := &c.Device[i].Ports[j]
			if p.Addr == ([4]byte{}) {
				continue
			}
			if src == p.Addr || inNetwork(p, src) && p.Prefix < 31 && (hostPart(p, src) == 0 || hostPart(p, src) == 1<<(32-p.Prefix)-1) {
				return false
			}
		}
	}
	return !slices.Contains(c.Own[:], src)
}

func hostPart(p *PortConfig, a [4]byte) uint32 {
	return binary.BigEndian.Uint32(a[:]) & (1<<(32-p.Prefix) - 1)
}

func inNetwork(p *PortConfig, a [4]byte) bool {
	return binary.BigEndian.Uint32(a[:])>>(32-p.Prefix) == binary.BigEndian.Uint32(p.Addr[:])>>(32-p.Prefix)
}

func oracleARP(c *Config, d *DeviceConfig, p *PortConfig, f []byte, at int, pkt []byte) fate {
	drop := func(counter int) fate { return fate{Drop, counter, nil} }
	if len(pkt) < 28 {
		return drop(ARPShort)
	}
	if !slices.Equal(pkt[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return drop(ARPFormat)
	}
	op := binary.BigEndian.Uint16(pkt[6:])
	if [4]byte(pkt[24:28]) != p.Addr || op != 1 && op != 2 {
		return fate{Inband, InbandARP, nil}
	}
	for _, mac := range [][6]byte{[6]byte(f[6:12]), [6]byte(pkt[8:14])} {
		if mac[0]&1 == 1 || mac == [6]byte{} || mac == d.MAC {
			return drop(SourceMAC)
		}
	}
	sender := [4]byte(pkt[14:18])
	if sender == p.Addr {
		return drop(ARPConflict)
	}
	if probe := sender == [4]byte{} && op == 1; !probe && (!inNetwork(p, sender) || !oracleHost(c, sender)) {
		return drop(ARPSender)
	}
	if op == 2 {
		if p.Rules {
			return fate{Inband, InbandARP, nil}
		}
		return fate{Drop, ARPLearned, nil}
	}
	r := slices.Concat(pkt[8:14], d.MAC[:], f[12:at], pkt[:6], []byte{0, 2}, d.MAC[:], p.Addr[:], pkt[8:14], sender[:])
	for len(r) < 60 {
		r = append(r, 0)
	}
	return fate{Reply | uint32(len(r)), ARPAnswer, r}
}

// onesSum returns the ones' complement sum of b by 16-bit words.
func onesSum(b []byte) uint32 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		if sum += w; sum > 0xffff {
			sum -= 0xffff
		}
	}
	return sum
}

// fill computes the checksum of b anew, at offset at.
func fill(b []byte, at int) {
	b[at], b[at+1] = 0, 0
	binary.BigEndian.PutUint16(b[at:], ^uint16(onesSum(b)))
}
