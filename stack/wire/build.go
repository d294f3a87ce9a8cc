package wire

import "encoding/binary"

// A Header has what the builders below put ahead of a payload; zero fields get the usual values.
type Header struct {
	Dst, Src     [6]byte
	Tags         []VLAN // outermost first, two at most
	SrcIP, DstIP [4]byte
	TTL          uint8 // 0: 64
	ID           uint16
}

// VLAN is a tag to build: TPID 0 means 0x8100.
type VLAN struct {
	TPID uint16
	PCP  uint8
	VID  uint16
}

// AppendEthernet appends the Ethernet header, with its tags, of a frame that carries etherType.
//
//oob:stage inband
func AppendEthernet(b []byte, h *Header, etherType uint16) []byte {
	b = append(b, h.Dst[:]...)
	b = append(b, h.Src[:]...)
	for _, tag := range h.Tags {
		tpid := tag.TPID
		if tpid == 0 {
			tpid = 0x8100
		}
		b = binary.BigEndian.AppendUint16(b, tpid)
		b = binary.BigEndian.AppendUint16(b, uint16(tag.PCP)<<13|tag.VID&0xfff)
	}
	return binary.BigEndian.AppendUint16(b, etherType)
}

// AppendIPv4 appends the Ethernet and IPv4 headers of a frame whose packet carries length bytes of proto.
//
//oob:stage inband
func AppendIPv4(b []byte, h *Header, proto uint8, length int) []byte {
	b = AppendEthernet(b, h, 0x0800)
	start := len(b)
	ttl := h.TTL
	if ttl == 0 {
		ttl = 64
	}
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(IPv4Len+length))
	b = binary.BigEndian.AppendUint16(b, h.ID)
	b = append(b, 0, 0, ttl, proto, 0, 0)
	b = append(b, h.SrcIP[:]...)
	b = append(b, h.DstIP[:]...)
	binary.BigEndian.PutUint16(b[start+10:], Checksum(b[start:], 0))
	return b
}

// AppendUDP appends a whole frame with a UDP datagram, checksum included, padded to MinLen.
//
//oob:stage inband
func AppendUDP(b []byte, h *Header, srcPort, dstPort uint16, payload []byte) []byte {
	start := len(b)
	b = AppendIPv4(b, h, ProtoUDP, UDPLen+len(payload))
	u := len(b)
	b = binary.BigEndian.AppendUint16(b, srcPort)
	b = binary.BigEndian.AppendUint16(b, dstPort)
	b = binary.BigEndian.AppendUint16(b, uint16(UDPLen+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	sum := Checksum(b[u-8:], ProtoUDP+uint32(UDPLen+len(payload)))
	if sum == 0 {
		sum = 0xffff // 0 stands for no checksum
	}
	binary.BigEndian.PutUint16(b[u+6:], sum)
	return pad(b, start)
}

// AppendICMPEcho appends a whole frame with an ICMP echo request (typ 8) or reply (0), padded to MinLen.
//
//oob:stage inband
func AppendICMPEcho(b []byte, h *Header, typ uint8, id, seq uint16, payload []byte) []byte {
	start := len(b)
	b = AppendIPv4(b, h, ProtoICMP, ICMPLen+len(payload))
	m := len(b)
	b = append(b, typ, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[m+2:], Checksum(b[m:], 0))
	return pad(b, start)
}

// AppendARP appends a whole frame with an ARP packet: op 1 asks who has h.DstIP, 2 tells targetMAC that h.Src has h.SrcIP.
//
//oob:stage inband
func AppendARP(b []byte, h *Header, op uint16, targetMAC [6]byte) []byte {
	start := len(b)
	b = AppendEthernet(b, h, 0x0806)
	b = append(b, 0, 1, 8, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(b, h.Src[:]...)
	b = append(b, h.SrcIP[:]...)
	b = append(b, targetMAC[:]...)
	b = append(b, h.DstIP[:]...)
	return pad(b, start)
}

// Checksum returns the Internet checksum of b, in host order, sum added: 0 for a b whose own checksum is in it and right.
//
//oob:stage inband
func Checksum(b []byte, sum uint32) uint16 {
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// pad appends zeros to the frame that begins at start until it is as long as the smallest on the wire.
func pad(b []byte, start int) []byte {
	for len(b)-start < MinLen {
		b = append(b, 0)
	}
	return b
}
