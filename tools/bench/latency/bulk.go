package latency

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mortise/tools/qemu"
)

// bulk keeps in-band busy with TCP on its own port: it sends HTTP requests with large bodies to the status page, one
// behind the other over one connection, as fast as the guest's window lets it, and takes the answers.
//
// It acts only while virtual time stands still, at the releases of the measured requests, so a run repeats. Its clock is
// the number of these releases.
type bulk struct {
	wire  *qemu.Wire
	guest MAC
	peer  peer
	round int

	local       uint16 // port
	established bool
	una, next   uint32 // sent and not acknowledged; to be sent next
	start       uint32 // the stream's first byte
	expected    uint32 // the guest's next byte
	window      uint32
	progress    int // the round of the last acknowledgement

	acked       int64
	connections int
}

const (
	bulkPort   = 80
	bulkBody   = 128 << 10        // less than what net/http reads of a body that nobody wants
	bulkFlight = 16 * bulkSegment // sent and not acknowledged, at most
	// bulkSegment is what fits in an Ethernet frame: 1500 − IPv4 and TCP headers.
	bulkSegment = 1500 - ipv4Size - tcpSize
	// bulkRelease is when frames enter lan0: no multiple of the requests' interval, so that all phases occur.
	bulkRelease = 263 * time.Microsecond
	// bulkPatience is how many rounds without an acknowledgement pass until what was sent is sent again.
	bulkPatience = 64

	tcpSize     = 20
	protocolTCP = 6
	tcpFIN      = 1
	tcpSYN      = 2
	tcpRST      = 4
	tcpPSH      = 8
	tcpACK      = 16
)

// bulkUnit is a request. The stream is this without end.
var bulkUnit = []byte("POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 131072\r\n\r\n" + strings.Repeat(".", bulkBody))

func newBulk() (*bulk, error) {
	w, err := qemu.NewWire()
	if err != nil {
		return nil, err
	}
	return &bulk{wire: w, local: 49151, peer: peer{
		mac: peerMAC, addr: netip.AddrFrom4([4]byte{10, 0, 2, 2}), guest: netip.AddrFrom4([4]byte{10, 0, 2, 15}),
	}}, nil
}

// step takes what the guest has sent and sends what there is to send.
func (b *bulk) step() error {
	b.round++
	answer := false
	for {
		frame, ok := b.wire.Poll()
		if !ok {
			break
		}
		p, ok := parsePacket(frame)
		if !ok {
			continue
		}
		if m, ok := p.arp(); ok {
			if err := b.takeARP(m); err != nil {
				return err
			}
		} else if s, ok := p.tcp(); ok && s.to == b.local {
			answer = b.take(s) || answer
		}
	}
	return b.send(answer)
}

func (b *bulk) takeARP(m message) error {
	if m.source == b.peer.guest {
		b.guest = m.sender
	}
	if m.operation == arpRequest && m.target == b.peer.addr {
		return b.wire.Send(b.peer.arp(arpReply, m.sender))
	}
	return nil
}

// take reports whether s is to be acknowledged.
func (b *bulk) take(s segment) bool {
	switch {
	case s.flags&(tcpRST|tcpFIN) != 0:
		b.established = false
		b.progress = -bulkPatience // connect at once
		return false
	case s.flags&tcpSYN != 0 && s.flags&tcpACK != 0 && s.ack == b.next+1 && !b.established:
		b.established = true
		b.connections++
		b.start, b.una, b.next = s.ack, s.ack, s.ack
		b.expected, b.window, b.progress = s.sequence+1, uint32(s.window), b.round
		return true
	case !b.established:
		return false
	}
	if advance := s.ack - b.una; advance > 0 && advance <= b.next-b.una {
		b.acked += int64(advance)
		b.una, b.progress = s.ack, b.round
	}
	b.window = uint32(s.window)
	if s.sequence == b.expected {
		b.expected += uint32(len(s.data))
	}
	return len(s.data) > 0
}

func (b *bulk) send(answer bool) error {
	switch {
	case b.guest == (MAC{}):
		if b.round%askEvery != 1 {
			return nil
		}
		return b.wire.Send(b.peer.arp(arpRequest, broadcast))
	case !b.established:
		if b.progress > 0 && b.round-b.progress < bulkPatience {
			return nil
		}
		b.local++
		b.next, b.progress = uint32(b.round)<<16, b.round
		return b.wire.Send(b.segment(tcpSYN, b.next, nil))
	}
	if b.round-b.progress >= bulkPatience {
		b.next, b.progress = b.una, b.round
	}
	for b.next-b.una+bulkSegment <= min(b.window, bulkFlight) {
		offset := int(b.next-b.start) % len(bulkUnit)
		data := bulkUnit[offset:min(offset+bulkSegment, len(bulkUnit))]
		if err := b.wire.Send(b.segment(tcpACK|tcpPSH, b.next, data)); err != nil {
			return err
		}
		b.next += uint32(len(data))
		answer = false
	}
	if answer {
		return b.wire.Send(b.segment(tcpACK, b.next, nil))
	}
	return nil
}

func (b *bulk) segment(flags byte, sequence uint32, data []byte) []byte {
	s := make([]byte, tcpSize, tcpSize+4+len(data))
	binary.BigEndian.PutUint16(s[0:], b.local)
	binary.BigEndian.PutUint16(s[2:], bulkPort)
	binary.BigEndian.PutUint32(s[4:], sequence)
	if flags&tcpACK != 0 {
		binary.BigEndian.PutUint32(s[8:], b.expected)
	}
	s[13] = flags
	binary.BigEndian.PutUint16(s[14:], 0xffff) // window
	if flags&tcpSYN != 0 {
		s = binary.BigEndian.AppendUint16(append(s, 2, 4), bulkSegment) // maximum segment size, RFC 9293, 3.2
	}
	s[12] = byte(len(s)/4) << 4
	s = append(s, data...)
	ip := b.peer.ipv4(protocolTCP, len(s))
	binary.BigEndian.PutUint16(s[16:], ^sum(uint32(protocolTCP)+uint32(len(s)), ip[12:], s))
	return b.peer.ethernet(b.guest, typeIPv4, append(ip, s...))
}

// segment is a TCP segment's part of interest.
type segment struct {
	to            uint16
	sequence, ack uint32
	flags         byte
	window        uint16
	data          []byte
}

// tcp returns the segment in an IPv4 packet, if its lengths are right and both checksums are.
func (p *packet) tcp() (s segment, ok bool) {
	b := p.body
	if p.etherType != typeIPv4 || len(b) < ipv4Size+tcpSize || b[0] != 0x45 || b[9] != protocolTCP {
		return s, false
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total < ipv4Size+tcpSize || total > len(b) || sum(0, b[:ipv4Size]) != 0xffff {
		return s, false
	}
	t := b[ipv4Size:total]
	header := int(t[12]>>4) * 4
	if header < tcpSize || header > len(t) ||
		sum(uint32(protocolTCP)+uint32(len(t)), b[12:ipv4Size], t) != 0xffff {
		return s, false
	}
	return segment{
		to: binary.BigEndian.Uint16(t[2:]), sequence: binary.BigEndian.Uint32(t[4:]), ack: binary.BigEndian.Uint32(t[8:]),
		flags: t[13], window: binary.BigEndian.Uint16(t[14:]), data: slices.Clone(t[header:]),
	}, true
}
