// Package packet builds and reads the frames of a host that speaks with the gateway: Ethernet with one tag at most, ARP, IPv4
// without options, UDP and TCP. It shares no code with the firmware: a mistake of the one is seen by the other.
//
// Stage: none (host). Follows: RFC 768, 791, 826, 1071, 9293; IEEE 802.1Q-2022. Does not support: IP options, fragments,
// IPv6, two tags.
package packet

import (
	"encoding/binary"
	"net/netip"
)

// MAC is an Ethernet address.
type MAC [6]byte

// Addresses.
var (
	Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	Nobody    = MAC{0x02, 0, 0, 0, 0xff, 0xff} // locally administered; no port of a guest has it
)

// EtherTypes.
const (
	TypeIPv4  = 0x0800
	TypeARP   = 0x0806
	TypeVLAN  = 0x8100
	TypeLocal = 0x88b5 // IEEE 802 local experimental EtherType 1: nobody's protocol
)

// Sizes in bytes, without FCS.
const (
	EthernetSize = 14
	ARPSize      = 28
	IPv4Size     = 20
	UDPSize      = 8
	TCPSize      = 20
	MinFrame     = 60
)

const (
	protocolTCP = 6
	protocolUDP = 17
	versionIHL  = 0x45 // version 4, a header of five words
	timeToLive  = 64
)

// ARP operations.
const (
	ARPRequest = 1
	ARPReply   = 2
)

// Flags of a TCP segment.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Link is a host on an Ethernet and the other one that it speaks with. What its methods return is a whole frame, without FCS.
type Link struct {
	MAC  MAC        // ours
	Addr netip.Addr // ours
	Peer netip.Addr // theirs
	VID  uint16     // 0: untagged
}

// Ethernet puts a header in front of payload, and padding behind it.
func (l *Link) Ethernet(to MAC, etherType uint16, payload []byte) []byte {
	b := make([]byte, 0, max(MinFrame, EthernetSize+4+len(payload)))
	b = append(append(b, to[:]...), l.MAC[:]...)
	if l.VID != 0 {
		b = binary.BigEndian.AppendUint16(b, TypeVLAN)
		b = binary.BigEndian.AppendUint16(b, l.VID)
	}
	b = append(binary.BigEndian.AppendUint16(b, etherType), payload...)
	for len(b) < MinFrame {
		b = append(b, 0)
	}
	return b
}

// Filler returns a frame that no guest takes: where frames enter at fixed times, it makes time pass.
func (l *Link) Filler() []byte {
	untagged := Link{MAC: l.MAC}
	return untagged.Ethernet(Nobody, TypeLocal, nil)
}

// ARP returns a request for the peer's address, or a reply that tells it ours.
func (l *Link) ARP(operation uint16, to MAC) []byte {
	b := make([]byte, ARPSize)
	copy(b, []byte{0, 1, 8, 0, 6, 4})
	binary.BigEndian.PutUint16(b[6:], operation)
	copy(b[8:], l.MAC[:])
	copy(b[14:], l.Addr.AsSlice())
	if operation == ARPReply {
		copy(b[18:], to[:])
	}
	copy(b[24:], l.Peer.AsSlice())
	return l.Ethernet(to, TypeARP, b)
}

// UDP returns a datagram from one of our ports to one of the peer's.
func (l *Link) UDP(to MAC, from, port uint16, payload []byte) []byte {
	b := make([]byte, UDPSize, UDPSize+len(payload))
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint16(b[4:], uint16(UDPSize+len(payload)))
	return l.ipv4(to, protocolUDP, append(b, payload...), 6)
}

// Segment is a TCP segment.
type Segment struct {
	From, To uint16
	Seq, Ack uint32
	Flags    byte
	Window   uint16
	MSS      uint16 // to send, as an option: the largest segment that we take; 0: none
	Payload  []byte
}

// TCP returns a segment.
func (l *Link) TCP(to MAC, s *Segment) []byte {
	b := make([]byte, TCPSize, TCPSize+4+len(s.Payload))
	binary.BigEndian.PutUint16(b[0:], s.From)
	binary.BigEndian.PutUint16(b[2:], s.To)
	binary.BigEndian.PutUint32(b[4:], s.Seq)
	binary.BigEndian.PutUint32(b[8:], s.Ack)
	b[13] = s.Flags
	binary.BigEndian.PutUint16(b[14:], s.Window)
	if s.MSS != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 2, 4), s.MSS) // RFC 9293, 3.2
	}
	b[12] = byte(len(b)/4) << 4
	return l.ipv4(to, protocolTCP, append(b, s.Payload...), 16)
}

// ipv4 puts a header in front of segment, whose checksum at offset it fills in.
func (l *Link) ipv4(to MAC, protocol byte, segment []byte, offset int) []byte {
	b := make([]byte, IPv4Size, IPv4Size+len(segment))
	b[0], b[8], b[9] = versionIHL, timeToLive, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(IPv4Size+len(segment)))
	copy(b[12:], l.Addr.AsSlice())
	copy(b[16:], l.Peer.AsSlice())
	binary.BigEndian.PutUint16(b[10:], ^sum(0, b))
	checksum := ^sum(uint32(protocol)+uint32(len(segment)), b[12:], segment)
	if checksum == 0 && protocol == protocolUDP {
		checksum = 0xffff // RFC 768: zero says that there is none
	}
	binary.BigEndian.PutUint16(segment[offset:], checksum)
	return l.Ethernet(to, TypeIPv4, append(b, segment...))
}

// sum is the one's complement sum of RFC 1071 over parts, each of even length but the last.
func sum(initial uint32, parts ...[]byte) uint16 {
	total := initial
	for _, b := range parts {
		for ; len(b) >= 2; b = b[2:] {
			total += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			total += uint32(b[0]) << 8
		}
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}
