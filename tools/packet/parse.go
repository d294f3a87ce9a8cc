package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Packet is a frame's header and what is behind it.
type Packet struct {
	Source, Destination MAC
	VID                 uint16
	EtherType           uint16
	Body                []byte // behind the EtherType, padding included; the frame's
}

// Parse reads a frame's header; ok is false for one that is cut off.
func Parse(frame []byte) (p Packet, ok bool) {
	if len(frame) < EthernetSize {
		return p, false
	}
	copy(p.Destination[:], frame)
	copy(p.Source[:], frame[6:])
	p.EtherType, p.Body = binary.BigEndian.Uint16(frame[12:]), frame[EthernetSize:]
	if p.EtherType == TypeVLAN {
		if len(p.Body) < 4 {
			return p, false
		}
		p.VID = binary.BigEndian.Uint16(p.Body) & 0xfff
		p.EtherType, p.Body = binary.BigEndian.Uint16(p.Body[2:]), p.Body[4:]
	}
	return p, true
}

// ARPMessage is an ARP message's part of interest.
type ARPMessage struct {
	Operation      uint16
	Sender         MAC
	Source, Target netip.Addr
}

// ARP returns the ARP message.
func (p *Packet) ARP() (m ARPMessage, ok bool) {
	if p.EtherType != TypeARP || len(p.Body) < ARPSize {
		return m, false
	}
	m.Operation = binary.BigEndian.Uint16(p.Body[6:])
	copy(m.Sender[:], p.Body[8:])
	m.Source = netip.AddrFrom4([4]byte(p.Body[14:18]))
	m.Target = netip.AddrFrom4([4]byte(p.Body[24:28]))
	return m, true
}

// Datagram is a UDP datagram.
type Datagram struct {
	From, To uint16
	Payload  []byte // the frame's
}

// UDP returns the datagram, if its headers and lengths are right and both checksums are.
func (p *Packet) UDP() (d Datagram, ok bool) {
	header, b, ok := p.transport(protocolUDP, UDPSize)
	if !ok || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return d, false
	}
	if binary.BigEndian.Uint16(b[6:]) != 0 && !summed(protocolUDP, header, b) {
		return d, false
	}
	return Datagram{From: binary.BigEndian.Uint16(b[0:]), To: binary.BigEndian.Uint16(b[2:]), Payload: b[UDPSize:]}, true
}

// TCP returns the segment, if its lengths are right and both checksums are. Options are not read.
func (p *Packet) TCP() (s Segment, ok bool) {
	header, b, ok := p.transport(protocolTCP, TCPSize)
	if !ok || !summed(protocolTCP, header, b) {
		return s, false
	}
	size := int(b[12]>>4) * 4
	if size < TCPSize || size > len(b) {
		return s, false
	}
	return Segment{
		From: binary.BigEndian.Uint16(b[0:]), To: binary.BigEndian.Uint16(b[2:]),
		Seq: binary.BigEndian.Uint32(b[4:]), Ack: binary.BigEndian.Uint32(b[8:]),
		Flags: b[13], Window: binary.BigEndian.Uint16(b[14:]), Payload: slices.Clone(b[size:]),
	}, true
}

// transport returns the IPv4 header and what the packet carries, if that is protocol, of least bytes or more, and the header
// is right.
func (p *Packet) transport(protocol byte, least int) (header, b []byte, ok bool) {
	b = p.Body
	if p.EtherType != TypeIPv4 || len(b) < IPv4Size+least || b[0] != versionIHL || b[9] != protocol {
		return nil, nil, false
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total < IPv4Size+least || total > len(b) || sum(0, b[:IPv4Size]) != 0xffff {
		return nil, nil, false
	}
	return b[:IPv4Size], b[IPv4Size:total], true
}

// summed tells whether the checksum in b is right.
func summed(protocol byte, header, b []byte) bool {
	return sum(uint32(protocol)+uint32(len(b)), header[12:], b) == 0xffff
}

// Addresses returns the source and the destination of an IPv4 packet without options.
func (p *Packet) Addresses() (source, destination netip.Addr, ok bool) {
	if p.EtherType != TypeIPv4 || len(p.Body) < IPv4Size || p.Body[0] != versionIHL {
		return source, destination, false
	}
	return netip.AddrFrom4([4]byte(p.Body[12:16])), netip.AddrFrom4([4]byte(p.Body[16:20])), true
}
