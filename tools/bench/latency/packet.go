package latency

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// MAC is an Ethernet address.
type MAC [6]byte

const (
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	typeVLAN  = 0x8100
	typeLocal = 0x88b5 // IEEE 802 local experimental EtherType 1: nobody's protocol

	protocolUDP = 17
	minFrame    = 60 // without FCS

	ipv4Size = 20
	udpSize  = 8
	arpSize  = 28

	arpRequest = 1
	arpReply   = 2
)

// peer is the host as the guest sees it.
type peer struct {
	mac   MAC
	addr  netip.Addr // ours
	guest netip.Addr // theirs
	vid   uint16     // 0: untagged
	port  uint16     // the service's

	source uint16 // UDP port of datagrams to it
}

const sourcePort = 40000 // of every request: no service's, and the oob stage answers all but those

var (
	peerMAC   = MAC{0x02, 0, 0, 0, 0xb0, 0x02}
	nobody    = MAC{0x02, 0, 0, 0, 0xff, 0xff} // no port of the guest has it
	broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// stream tells what a payload was sent for.
type stream byte

const (
	warmUp   stream = 'w'
	measured stream = 'm'
	flood    stream = 'f'
)

var magic = []byte("mortise ")

const payloadHeader = 16 // magic, stream, 3 bytes of zero, sequence number

// payload returns size bytes that say which request of which stream they are.
func payload(s stream, sequence uint32, size int) []byte {
	b := make([]byte, size)
	copy(b, magic)
	b[8] = byte(s)
	binary.BigEndian.PutUint32(b[12:], sequence)
	for i := payloadHeader; i < size; i++ {
		b[i] = byte(i)
	}
	return b
}

// parsePayload is payload's inverse.
func parsePayload(b []byte) (s stream, sequence uint32, ok bool) {
	if len(b) < payloadHeader || !bytes.HasPrefix(b, magic) {
		return 0, 0, false
	}
	return stream(b[8]), binary.BigEndian.Uint32(b[12:]), true
}

// ethernet puts a header in front of payload, and padding behind it.
func (p *peer) ethernet(destination MAC, etherType uint16, payload []byte) []byte {
	b := append(destination[:], p.mac[:]...)
	if p.vid != 0 {
		b = binary.BigEndian.AppendUint16(b, typeVLAN)
		b = binary.BigEndian.AppendUint16(b, p.vid)
	}
	b = append(binary.BigEndian.AppendUint16(b, etherType), payload...)
	for len(b) < minFrame {
		b = append(b, 0)
	}
	return b
}

// filler is a frame that no guest takes: it makes virtual time pass, a release at a time.
func (p *peer) filler() []byte {
	untagged := peer{mac: p.mac}
	return untagged.ethernet(nobody, typeLocal, nil)
}

// arp returns a request for the guest's address, or a reply that tells it ours.
func (p *peer) arp(operation uint16, destination MAC) []byte {
	b := make([]byte, arpSize)
	copy(b, []byte{0, 1, 8, 0, 6, 4})
	binary.BigEndian.PutUint16(b[6:], operation)
	copy(b[8:], p.mac[:])
	copy(b[14:], p.addr.AsSlice())
	if operation == arpReply {
		copy(b[18:], destination[:])
	}
	copy(b[24:], p.guest.AsSlice())
	return p.ethernet(destination, typeARP, b)
}

// udp returns a datagram to port of the guest.
func (p *peer) udp(destination MAC, port uint16, payload []byte) []byte {
	b := p.ipv4(protocolUDP, udpSize+len(payload))
	b = append(append(b, make([]byte, udpSize)...), payload...)
	segment := b[ipv4Size:]
	binary.BigEndian.PutUint16(segment[0:], p.source)
	binary.BigEndian.PutUint16(segment[2:], port)
	binary.BigEndian.PutUint16(segment[4:], uint16(len(segment)))
	checksum := ^sum(uint32(protocolUDP)+uint32(len(segment)), b[12:ipv4Size], segment)
	if checksum == 0 {
		checksum = 0xffff // RFC 768: zero says that there is none
	}
	binary.BigEndian.PutUint16(segment[6:], checksum)
	return p.ethernet(destination, typeIPv4, b)
}

// ipv4 returns the header of a packet to the guest with size bytes behind it.
func (p *peer) ipv4(protocol byte, size int) []byte {
	b := make([]byte, ipv4Size, ipv4Size+size)
	source, target := p.addr.As4(), p.guest.As4()
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Size+size))
	b[8], b[9] = 64, protocol
	copy(b[12:], source[:])
	copy(b[16:], target[:])
	binary.BigEndian.PutUint16(b[10:], ^sum(0, b))
	return b
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

// packet is what a session wants to know of a frame.
type packet struct {
	source, destination MAC
	vid                 uint16
	etherType           uint16
	body                []byte // behind the EtherType
}

func parsePacket(frame []byte) (p packet, ok bool) {
	if len(frame) < 14 {
		return p, false
	}
	copy(p.destination[:], frame)
	copy(p.source[:], frame[6:])
	p.etherType, p.body = binary.BigEndian.Uint16(frame[12:]), frame[14:]
	if p.etherType == typeVLAN {
		if len(p.body) < 4 {
			return p, false
		}
		p.vid = binary.BigEndian.Uint16(p.body) & 0xfff
		p.etherType, p.body = binary.BigEndian.Uint16(p.body[2:]), p.body[4:]
	}
	return p, true
}

// message is an ARP message's part of interest.
type message struct {
	operation      uint16
	sender         MAC
	source, target netip.Addr
}

func (p *packet) arp() (m message, ok bool) {
	if p.etherType != typeARP || len(p.body) < arpSize {
		return m, false
	}
	m.operation = binary.BigEndian.Uint16(p.body[6:])
	copy(m.sender[:], p.body[8:])
	m.source = netip.AddrFrom4([4]byte(p.body[14:18]))
	m.target = netip.AddrFrom4([4]byte(p.body[24:28]))
	return m, true
}

// udp returns a datagram's payload if its header and lengths are right and both checksums are.
func (p *packet) udp() (payload []byte, ok bool) {
	b := p.body
	if p.etherType != typeIPv4 || len(b) < ipv4Size+udpSize || b[0] != 0x45 || b[9] != protocolUDP {
		return nil, false
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total < ipv4Size+udpSize || total > len(b) || sum(0, b[:ipv4Size]) != 0xffff {
		return nil, false
	}
	segment := b[ipv4Size:total]
	if int(binary.BigEndian.Uint16(segment[4:])) != len(segment) {
		return nil, false
	}
	if binary.BigEndian.Uint16(segment[6:]) != 0 &&
		sum(uint32(protocolUDP)+uint32(len(segment)), b[12:ipv4Size], segment) != 0xffff {
		return nil, false
	}
	return segment[udpSize:], true
}
