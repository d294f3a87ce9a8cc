package inband

import (
	"fmt"

	"mortise/tools/packet"
)

const (
	mss = 1500 - packet.IPv4Size - packet.TCPSize
	// window is what a conn lets the guest send ahead, in bytes, and maxBurst how many frames it sends in a release, at
	// most: both less than the ten frames that a socket between the emulator and us holds (net.unix.max_dgram_qlen), so
	// that nothing waits anywhere but in the guest.
	window   = 8 * mss
	maxBurst = 8
)

type connState int

const (
	connecting connState = iota
	open
	closed // by the guest
)

// conn is our end of a TCP connection to the guest. Nothing is lost on the way, so nothing is sent again.
type conn struct {
	state      connState
	from, to   uint16
	next       uint32 // what we send next
	unacked    uint32 // the oldest that the guest has not acknowledged
	allowed    uint32 // the guest's window
	expected   uint32 // what the guest sends next
	unanswered int    // segments with data that we have not acknowledged
	asked      bool   // SYN sent
	pending    []byte // to be sent
	received   int    // bytes
	acked      int    // bytes that the guest acknowledged
	deliver    func(b []byte)
	again      int // segments that came again
	err        error
}

func newConn(from, to uint16) *conn {
	first := uint32(from) << 16
	return &conn{from: from, to: to, next: first, unacked: first, deliver: func([]byte) {}}
}

// flow is what is under way: sent and not acknowledged.
func (c *conn) flow() uint32 { return c.next - c.unacked }

// output returns what the connection sends in this release.
func (c *conn) output() (out []packet.Segment) {
	if !c.asked {
		c.asked = true
		out = append(out, c.segment(packet.SYN, nil))
		c.next++
		return out
	}
	if c.state == connecting {
		return nil
	}
	for len(out) < maxBurst && len(c.pending) > 0 {
		n := min(len(c.pending), mss)
		if c.flow()+uint32(n) > c.allowed {
			break
		}
		s := c.segment(packet.ACK, c.pending[:n])
		if c.pending = c.pending[n:]; len(c.pending) == 0 {
			s.Flags |= packet.PSH
		}
		c.next += uint32(n)
		c.unanswered = 0
		out = append(out, s)
	}
	if c.unanswered > 0 {
		c.unanswered = 0
		out = append(out, c.segment(packet.ACK, nil))
	}
	return out
}

func (c *conn) segment(flags byte, payload []byte) packet.Segment {
	s := packet.Segment{From: c.from, To: c.to, Seq: c.next, Ack: c.expected, Flags: flags, Window: window, Payload: payload}
	if flags&packet.SYN != 0 {
		s.MSS = mss
	}
	return s
}

// input takes a segment of the guest's and returns what is answered at once: every second segment with data, as TCPs do.
func (c *conn) input(s *packet.Segment) (out []packet.Segment) {
	if s.To != c.from || s.From != c.to || c.err != nil {
		return nil
	}
	if s.Flags&packet.RST != 0 {
		c.err = fmt.Errorf("TCP port %d: the guest has reset the connection", c.to)
		return nil
	}
	if s.Flags&packet.SYN != 0 {
		c.expected, c.state = s.Seq+1, open
		c.unanswered = 1
	}
	c.acked += int(s.Ack - c.unacked)
	c.unacked, c.allowed = s.Ack, uint32(s.Window)
	if len(s.Payload) > 0 {
		if int32(s.Seq-c.expected) < 0 { // sent again: the guest was too busy to see our answer in time
			c.again++
			return append(out, c.segment(packet.ACK, nil))
		}
		if s.Seq != c.expected {
			c.err = fmt.Errorf("TCP port %d: the guest sent %d, want %d: a segment was lost", c.to, s.Seq, c.expected)
			return nil
		}
		c.expected += uint32(len(s.Payload))
		c.received += len(s.Payload)
		c.deliver(s.Payload)
		c.unanswered++
	}
	if s.Flags&packet.FIN != 0 {
		c.expected++
		c.unanswered++
		c.state = closed
	}
	if c.unanswered >= 2 && len(c.pending) == 0 {
		c.unanswered = 0
		out = append(out, c.segment(packet.ACK, nil))
	}
	return out
}
