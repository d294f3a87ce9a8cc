// Package wiretest has frames, good and bad, with what must become of each: one list for the tests on the host and for those
// that send to an image in QEMU.
//
// Stage: host. Follows: the rules in stack/oob/README.md. Does not support: ports other than the two of Site.
package wiretest

import (
	"encoding/binary"
	"slices"
	"strings"

	"mortise/stack/wire"
)

// Site is whom the frames are for: a device with two oob ports, one with rules (UDP port 7) on the device itself, one
// without rules on a VLAN; and the peer that sends them. Both networks are /24.
type Site struct {
	MAC, PeerMAC [6]byte
	VID          uint16
	Addr, Peer   [4]byte // on the device itself
	VAddr, VPeer [4]byte // on the VLAN
}

// DefaultSite is the site of the gateway.toml that comes with Mortise; its MAC address is a made-up one.
func DefaultSite() Site {
	return Site{
		MAC: [6]byte{0x02, 0x4d, 0x6f, 0x72, 0x74, 0x01}, PeerMAC: [6]byte{0x02, 0x50, 0x65, 0x65, 0x72, 0x01}, VID: 42,
		Addr: [4]byte{10, 0, 0, 1}, Peer: [4]byte{10, 0, 0, 2}, VAddr: [4]byte{10, 0, 42, 1}, VPeer: [4]byte{10, 0, 42, 2},
	}
}

// Outcome is what becomes of a frame.
type Outcome uint8

// The outcomes.
const (
	Answered Outcome = iota // by the oob stage: Case.Reply
	Consumed                // taken by the oob stage, without an answer
	Inband                  // left to in-band, unchanged
	Dropped
)

// String returns the outcome's name.
func (o Outcome) String() string { return [...]string{"answered", "consumed", "in-band", "dropped"}[o] }

// Case is a frame and what must become of it.
type Case struct {
	Name    string
	Frame   []byte
	Want    Outcome
	Counter string // the one counter that moves beside oob.Received, by its name in oob.CounterNames
	Reply   []byte // the answer, where Want is Answered
}

// Payload returns n bytes to tell frames apart: they depend on seed.
func Payload(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + seed
	}
	return b
}

// From returns the header of a frame from the peer to the site, untagged.
func (s *Site) From() *wire.Header {
	return &wire.Header{Dst: s.MAC, Src: s.PeerMAC, SrcIP: s.Peer, DstIP: s.Addr, TTL: 17, ID: 0x1234}
}

// VFrom returns the header of a frame from the peer to the site's VLAN.
func (s *Site) VFrom() *wire.Header {
	h := s.From()
	h.SrcIP, h.DstIP, h.Tags = s.VPeer, s.VAddr, []wire.VLAN{{VID: s.VID}}
	return h
}

// Back returns the header of the answer to a frame with header h.
func Back(h *wire.Header) *wire.Header {
	b := *h
	b.Dst, b.Src, b.SrcIP, b.DstIP, b.TTL = h.Src, h.Dst, h.DstIP, h.SrcIP, 64
	return &b
}

// Echo returns a UDP echo request with header h, and the answer to it.
func Echo(h *wire.Header, port uint16, payload []byte) (request, reply []byte) {
	return wire.AppendUDP(nil, h, port, 7, payload), wire.AppendUDP(nil, Back(h), 7, port, payload)
}

// Ping returns an ICMP echo request with header h, and the answer to it.
func Ping(h *wire.Header, seq uint16, payload []byte) (request, reply []byte) {
	return wire.AppendICMPEcho(nil, h, 8, 0x4d6f, seq, payload), wire.AppendICMPEcho(nil, Back(h), 0, 0x4d6f, seq, payload)
}

// Who returns an ARP request for h.DstIP, sent to dst, and the answer to it by mac.
func Who(h *wire.Header, dst, mac [6]byte) (request, reply []byte) {
	q := *h
	q.Dst = dst
	r := *h
	r.Dst, r.Src, r.SrcIP, r.DstIP = h.Src, mac, h.DstIP, h.SrcIP
	return wire.AppendARP(nil, &q, 1, [6]byte{}), wire.AppendARP(nil, &r, 2, h.Src)
}

// Corpus returns the cases for a site, by name: the order and the bytes are always the same.
func Corpus(s Site) []Case {
	c := &corpus{site: s}
	c.echoes()
	c.ethernet()
	c.ipv4()
	c.transport()
	c.sources()
	c.arp()
	slices.SortStableFunc(c.cases, func(a, b Case) int { return strings.Compare(a.Name, b.Name) }) // some come from maps
	return c.cases
}

// corpus collects cases.
type corpus struct {
	site  Site
	cases []Case
}

// add appends a case.
func (c *corpus) add(name string, frame []byte, want Outcome, counter string) {
	c.cases = append(c.cases, Case{Name: name, Frame: frame, Want: want, Counter: counter})
}

// answered appends a case with an answer.
func (c *corpus) answered(name, counter string, frame, reply []byte) {
	c.cases = append(c.cases, Case{Name: name, Frame: frame, Want: Answered, Counter: counter, Reply: reply})
}

// both appends a case for each port: with rules the frame goes in-band, without it is dropped.
func (c *corpus) both(name string, inband, dropped string, frame func(h *wire.Header) []byte) {
	c.add(name+", port with rules", frame(c.site.From()), Inband, inband)
	c.add(name+", port without rules", frame(c.site.VFrom()), Dropped, dropped)
}

// dropped appends a case for each port: the frame is dropped on both.
func (c *corpus) dropped(name, counter string, frame func(h *wire.Header) []byte) {
	c.add(name+", port with rules", frame(c.site.From()), Dropped, counter)
	c.add(name+", port without rules", frame(c.site.VFrom()), Dropped, counter)
}

// Broadcast is Ethernet's.
var Broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// L3 returns the offset of the packet in a frame with up to two tags.
func L3(frame []byte) int {
	at := wire.EthernetLen
	for range 2 {
		if tpid := binary.BigEndian.Uint16(frame[at-2:]); tpid == 0x8100 || tpid == 0x88a8 {
			at += wire.TagLen
		}
	}
	return at
}

// IP returns frame with its IPv4 header changed by edit, and that header's checksum right again.
func IP(frame []byte, edit func(ip []byte)) []byte {
	frame = slices.Clone(frame)
	ip := frame[L3(frame):]
	edit(ip)
	n := min(int(ip[0]&0xf)*4, len(ip))
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], wire.Checksum(ip[:max(n, wire.IPv4Len)], 0))
	return frame
}

// Set returns frame with v at offset at from the packet's start, checksums left as they are.
func Set(frame []byte, at int, v ...byte) []byte {
	frame = slices.Clone(frame)
	copy(frame[L3(frame)+at:], v)
	return frame
}
