package demo

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Phase is what in-band has to do while a probe is under way.
type Phase uint8

const (
	Idle Phase = iota
	Loaded
	NumPhases
)

func (p Phase) String() string { return [...]string{"idle", "loaded"}[p] }

// probe is the content of an echo request: which flow, in which phase it was sent, which of them. The reply carries it
// back, so that the capture alone tells all there is to know.
type probe struct {
	flow  uint8
	phase Phase
	seq   uint32
}

const (
	probeMagic   = "mortise:"
	probeBytes   = 64 // payload: as in the published figures
	probeHopsTTL = 64
)

// payload returns the UDP payload of the probe.
func (p probe) payload() []byte {
	b := make([]byte, probeBytes)
	n := copy(b, probeMagic)
	b[n], b[n+1] = p.flow, byte(p.phase)
	binary.BigEndian.PutUint32(b[n+2:], p.seq)
	return b
}

// parseProbe reads a UDP payload.
func parseProbe(b []byte) (p probe, ok bool) {
	if len(b) != probeBytes || string(b[:len(probeMagic)]) != probeMagic {
		return p, false
	}
	b = b[len(probeMagic):]
	p = probe{flow: b[0], phase: Phase(b[1]), seq: binary.BigEndian.Uint32(b[2:])}
	return p, p.phase < NumPhases
}

// station is one end of an Ethernet, as an IPv4 host on it is known.
type station struct {
	mac  [6]byte
	addr netip.Addr
	port uint16 // UDP
}

// ethernet returns a frame with a payload; vid 0 means untagged.
func ethernet(dst, src [6]byte, vid, ethertype uint16, payload []byte) []byte {
	b := append(append(make([]byte, 0, 18+len(payload)), dst[:]...), src[:]...)
	if vid != 0 {
		b = binary.BigEndian.AppendUint16(b, etherVLAN)
		b = binary.BigEndian.AppendUint16(b, vid)
	}
	b = binary.BigEndian.AppendUint16(b, ethertype)
	return append(b, payload...)
}

const (
	etherIPv4 = uint16(header.IPv4ProtocolNumber)
	etherARP  = uint16(header.ARPProtocolNumber)
	etherVLAN = 0x8100
)

var broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// udpFrame returns an Ethernet frame with a UDP datagram from one station to another.
func udpFrame(from, to station, vid uint16, payload []byte) []byte {
	b := make([]byte, header.IPv4MinimumSize+header.UDPMinimumSize+len(payload))
	src, dst := tcpip.AddrFrom4(from.addr.As4()), tcpip.AddrFrom4(to.addr.As4())
	ip, udp := header.IPv4(b), header.UDP(b[header.IPv4MinimumSize:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(b)), TTL: probeHopsTTL, Protocol: uint8(header.UDPProtocolNumber), SrcAddr: src, DstAddr: dst,
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	length := uint16(len(udp))
	udp.Encode(&header.UDPFields{SrcPort: from.port, DstPort: to.port, Length: length})
	copy(udp.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, length)
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	return ethernet(to.mac, from.mac, vid, etherIPv4, b)
}

// arpRequest returns the frame that asks for the MAC of addr.
func arpRequest(from station, vid uint16, addr netip.Addr) []byte {
	b := make([]byte, header.ARPSize)
	arp := header.ARP(b)
	arp.SetIPv4OverEthernet()
	arp.SetOp(header.ARPRequest)
	copy(arp.HardwareAddressSender(), from.mac[:])
	copy(arp.ProtocolAddressSender(), from.addr.AsSlice())
	copy(arp.ProtocolAddressTarget(), addr.AsSlice())
	return ethernet(broadcast, from.mac, vid, etherARP, b)
}

// untag returns the VLAN identifier of a frame, 0 without a tag, its ethertype and what follows.
func untag(frame []byte) (vid, ethertype uint16, rest []byte) {
	if len(frame) < header.EthernetMinimumSize {
		return 0, 0, nil
	}
	ethertype, rest = binary.BigEndian.Uint16(frame[12:]), frame[14:]
	if ethertype == etherVLAN && len(rest) >= 4 {
		vid, ethertype, rest = binary.BigEndian.Uint16(rest)&0xfff, binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	return vid, ethertype, rest
}

// parseARPReply returns who answers in the frame.
func parseARPReply(frame []byte) (vid uint16, from station, ok bool) {
	vid, ethertype, rest := untag(frame)
	arp := header.ARP(rest)
	if ethertype != etherARP || !arp.IsValid() || arp.Op() != header.ARPReply {
		return 0, from, false
	}
	copy(from.mac[:], arp.HardwareAddressSender())
	from.addr = netip.AddrFrom4([4]byte(arp.ProtocolAddressSender()))
	return vid, from, true
}

// parseEcho returns the probe in a frame and the UDP ports it goes between.
func parseEcho(frame []byte) (p probe, src, dst uint16, ok bool) {
	_, ethertype, rest := untag(frame)
	ip := header.IPv4(rest)
	if ethertype != etherIPv4 || !ip.IsValid(len(rest)) || ip.TransportProtocol() != header.UDPProtocolNumber {
		return p, 0, 0, false
	}
	udp := header.UDP(ip.Payload())
	if len(udp) < header.UDPMinimumSize || int(udp.Length()) < header.UDPMinimumSize || int(udp.Length()) > len(udp) {
		return p, 0, 0, false
	}
	p, ok = parseProbe(udp.Payload()[:udp.Length()-header.UDPMinimumSize])
	return p, udp.SourcePort(), udp.DestinationPort(), ok
}
