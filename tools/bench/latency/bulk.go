package latency

import (
	"net/netip"
	"strings"
	"time"

	"mortise/tools/packet"
	"mortise/tools/qemu"
)

// bulk keeps in-band busy with TCP on its own port: it sends HTTP requests with large bodies to the status page, one
// behind the other over one connection, as fast as the guest's window lets it, and takes the answers.
//
// It acts only while virtual time stands still, at the releases of the measured requests, so a run repeats. Its clock is
// the number of these releases.
type bulk struct {
	wire  *qemu.Wire
	guest packet.MAC
	link  packet.Link
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
	bulkSegment = 1500 - packet.IPv4Size - packet.TCPSize
	// bulkRelease is when frames enter lan0: no multiple of the requests' interval, so that all phases occur.
	bulkRelease = 263 * time.Microsecond
	// bulkPatience is how many rounds without an acknowledgement pass until what was sent is sent again.
	bulkPatience = 64
)

// bulkUnit is a request. The stream is this without end.
var bulkUnit = []byte("POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 131072\r\n\r\n" + strings.Repeat(".", bulkBody))

func newBulk() (*bulk, error) {
	w, err := qemu.NewWire()
	if err != nil {
		return nil, err
	}
	return &bulk{wire: w, local: 49151, link: packet.Link{
		MAC: peerMAC, Addr: netip.AddrFrom4([4]byte{10, 0, 2, 2}), Peer: netip.AddrFrom4([4]byte{10, 0, 2, 15}),
	}}, nil
}

// step takes what the guest has sent and sends what there is to send. other is told of the frames that are not for it.
func (b *bulk) step(other func(frame []byte)) error {
	b.round++
	answer := false
	for {
		frame, ok := b.wire.Poll()
		if !ok {
			break
		}
		p, ok := packet.Parse(frame)
		if !ok {
			continue
		}
		if m, ok := p.ARP(); ok {
			if err := b.takeARP(m); err != nil {
				return err
			}
		} else if s, ok := p.TCP(); ok && s.To == b.local {
			answer = b.take(s) || answer
		} else {
			other(frame)
		}
	}
	return b.send(answer)
}

func (b *bulk) takeARP(m packet.ARPMessage) error {
	if m.Source == b.link.Peer {
		b.guest = m.Sender
	}
	if m.Operation == packet.ARPRequest && m.Target == b.link.Addr {
		return b.wire.Send(b.link.ARP(packet.ARPReply, m.Sender))
	}
	return nil
}

// take reports whether s is to be acknowledged.
func (b *bulk) take(s packet.Segment) bool {
	switch {
	case s.Flags&(packet.RST|packet.FIN) != 0:
		b.established = false
		b.progress = -bulkPatience // connect at once
		return false
	case s.Flags&packet.SYN != 0 && s.Flags&packet.ACK != 0 && s.Ack == b.next+1 && !b.established:
		b.established = true
		b.connections++
		b.start, b.una, b.next = s.Ack, s.Ack, s.Ack
		b.expected, b.window, b.progress = s.Seq+1, uint32(s.Window), b.round
		return true
	case !b.established:
		return false
	}
	if advance := s.Ack - b.una; advance > 0 && advance <= b.next-b.una {
		b.acked += int64(advance)
		b.una, b.progress = s.Ack, b.round
	}
	b.window = uint32(s.Window)
	if s.Seq == b.expected {
		b.expected += uint32(len(s.Payload))
	}
	return len(s.Payload) > 0
}

func (b *bulk) send(answer bool) error {
	switch {
	case b.guest == (packet.MAC{}):
		if b.round%askEvery != 1 {
			return nil
		}
		return b.wire.Send(b.link.ARP(packet.ARPRequest, packet.Broadcast))
	case !b.established:
		if b.progress > 0 && b.round-b.progress < bulkPatience {
			return nil
		}
		b.local++
		b.next, b.progress = uint32(b.round)<<16, b.round
		return b.wire.Send(b.segment(packet.SYN, b.next, nil))
	}
	if b.round-b.progress >= bulkPatience {
		b.next, b.progress = b.una, b.round
	}
	for b.next-b.una+bulkSegment <= min(b.window, bulkFlight) {
		offset := int(b.next-b.start) % len(bulkUnit)
		data := bulkUnit[offset:min(offset+bulkSegment, len(bulkUnit))]
		if err := b.wire.Send(b.segment(packet.ACK|packet.PSH, b.next, data)); err != nil {
			return err
		}
		b.next += uint32(len(data))
		answer = false
	}
	if answer {
		return b.wire.Send(b.segment(packet.ACK, b.next, nil))
	}
	return nil
}

func (b *bulk) segment(flags byte, sequence uint32, data []byte) []byte {
	s := packet.Segment{From: b.local, To: bulkPort, Seq: sequence, Flags: flags, Window: 0xffff, Payload: data}
	if flags&packet.ACK != 0 {
		s.Ack = b.expected
	}
	if flags&packet.SYN != 0 {
		s.MSS = bulkSegment
	}
	return b.link.TCP(b.guest, &s)
}
