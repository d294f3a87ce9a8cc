package inband

import (
	"net/netip"

	"mortise/tools/packet"
)

// cable is the two ends of it: the guest's address is that of lan0.toml and of image/stockpeer.
var cable = packet.Link{
	MAC:  packet.MAC{0x02, 0, 0, 0, 0xb0, 0x02},
	Addr: netip.AddrFrom4([4]byte{10, 0, 2, 2}),
	Peer: netip.AddrFrom4([4]byte{10, 0, 2, 15}),
}

// sourcePort is where datagrams come from.
const sourcePort = 40000

// content is what a frame to us carries: an ARP operation, a segment or a datagram.
type content struct {
	source   packet.MAC
	arp      uint16 // operation; 0: none
	tcp      *packet.Segment
	datagram []byte
}

// parse reads a frame to us; ok is false for any other, and for one with a wrong length or checksum.
func parse(frame []byte) (c content, ok bool) {
	p, ok := packet.Parse(frame)
	if !ok || p.VID != 0 {
		return c, false
	}
	c.source = p.Source
	if m, ok := p.ARP(); ok {
		c.arp = m.Operation
		return c, m.Operation == packet.ARPReply || m.Target == cable.Addr
	}
	if _, to, ok := p.Addresses(); !ok || to != cable.Addr {
		return c, false
	}
	if d, ok := p.UDP(); ok {
		c.datagram = d.Payload
		return c, true
	}
	s, ok := p.TCP()
	c.tcp = &s
	return c, ok
}
