package demo

import (
	"encoding/binary"
	"net/netip"

	"mortise/tools/packet"
)

// Phase is what in-band has to do while a probe is under way.
type Phase uint8

const (
	Idle Phase = iota
	Loaded
	NumPhases
)

func (p Phase) String() string { return [...]string{"idle", "loaded"}[p] }

// probe is the content of an echo request, or of a frame to be forwarded: which flow, in which phase it was sent, which of them. The reply carries it
// back, so that the capture alone tells all there is to know.
type probe struct {
	flow  uint8
	phase Phase
	seq   uint32
}

const (
	probeMagic = "mortise:"
	probeBytes = 64 // UDP payload: as in the published figures
	// cyclicBytes are what makes an untagged frame the smallest there is, of 64 bytes with its checksum.
	cyclicBytes = packet.MinFrame - packet.EthernetSize
)

// payload returns the UDP payload of the probe, cyclic what it is in a frame of its own.
func (p probe) payload() []byte { return p.bytes(probeBytes) }
func (p probe) cyclic() []byte  { return p.bytes(cyclicBytes) }

func (p probe) bytes(size int) []byte {
	b := make([]byte, size)
	n := copy(b, probeMagic)
	b[n], b[n+1] = p.flow, byte(p.phase)
	binary.BigEndian.PutUint32(b[n+2:], p.seq)
	return b
}

// parseProbe reads a UDP payload.
func parseProbe(b []byte) (p probe, ok bool) {
	if len(b) != probeBytes {
		return p, false
	}
	return parseHead(b)
}

// parseHead reads what a payload begins with.
func parseHead(b []byte) (p probe, ok bool) {
	if string(b[:len(probeMagic)]) != probeMagic {
		return p, false
	}
	b = b[len(probeMagic):]
	p = probe{flow: b[0], phase: Phase(b[1]), seq: binary.BigEndian.Uint32(b[2:])}
	return p, p.phase < NumPhases
}

// station is one end of an Ethernet, as an IPv4 host on it is known.
type station struct {
	mac  packet.MAC
	addr netip.Addr
	port uint16 // UDP
}

// udpFrame returns an Ethernet frame with a UDP datagram from one station to another; vid 0 means untagged.
func udpFrame(from, to station, vid uint16, payload []byte) []byte {
	link := packet.Link{MAC: from.mac, Addr: from.addr, Peer: to.addr, VID: vid}
	return link.UDP(to.mac, from.port, to.port, payload)
}

// arpRequest returns the frame that asks for the MAC of addr.
func arpRequest(from station, vid uint16, addr netip.Addr) []byte {
	link := packet.Link{MAC: from.mac, Addr: from.addr, Peer: addr, VID: vid}
	return link.ARP(packet.ARPRequest, packet.Broadcast)
}

// parseARPReply returns who answers in the frame.
func parseARPReply(frame []byte) (vid uint16, from station, ok bool) {
	p, _ := packet.Parse(frame)
	m, ok := p.ARP()
	if !ok || m.Operation != packet.ARPReply {
		return 0, from, false
	}
	return p.VID, station{mac: m.Sender, addr: m.Source}, true
}

// parseEcho returns the probe in a frame and the UDP ports it goes between. A frame with a wrong checksum has none.
func parseEcho(frame []byte) (p probe, src, dst uint16, ok bool) {
	f, _ := packet.Parse(frame)
	d, ok := f.UDP()
	if !ok {
		return p, 0, 0, false
	}
	p, ok = parseProbe(d.Payload)
	return p, d.From, d.To, ok
}
