package inband

import "fmt"

const (
	mss = 1460
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
func (c *conn) output() (out []segment) {
	if !c.asked {
		c.asked = true
		out = append(out, c.segment(syn, nil))
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
		s := c.segment(ack, c.pending[:n])
		if c.pending = c.pending[n:]; len(c.pending) == 0 {
			s.flags |= psh
		}
		c.next += uint32(n)
		c.unanswered = 0
		out = append(out, s)
	}
	if c.unanswered > 0 {
		c.unanswered = 0
		out = append(out, c.segment(ack, nil))
	}
	return out
}

func (c *conn) segment(flags byte, payload []byte) segment {
	return segment{from: c.from, to: c.to, seq: c.next, ack: c.expected, flags: flags, window: window, payload: payload}
}

// input takes a segment of the guest's and returns what is answered at once: every second segment with data, as TCPs do.
func (c *conn) input(s *segment) (out []segment) {
	if s.to != c.from || s.from != c.to || c.err != nil {
		return nil
	}
	if s.flags&rst != 0 {
		c.err = fmt.Errorf("TCP port %d: the guest has reset the connection", c.to)
		return nil
	}
	if s.flags&syn != 0 {
		c.expected, c.state = s.seq+1, open
		c.unanswered = 1
	}
	c.acked += int(s.ack - c.unacked)
	c.unacked, c.allowed = s.ack, uint32(s.window)
	if len(s.payload) > 0 {
		if int32(s.seq-c.expected) < 0 { // sent again: the guest was too busy to see our answer in time
			c.again++
			return append(out, c.segment(ack, nil))
		}
		if s.seq != c.expected {
			c.err = fmt.Errorf("TCP port %d: the guest sent %d, want %d: a segment was lost", c.to, s.seq, c.expected)
			return nil
		}
		c.expected += uint32(len(s.payload))
		c.received += len(s.payload)
		c.deliver(s.payload)
		c.unanswered++
	}
	if s.flags&fin != 0 {
		c.expected++
		c.unanswered++
		c.state = closed
	}
	if c.unanswered >= 2 && len(c.pending) == 0 {
		c.unanswered = 0
		out = append(out, c.segment(ack, nil))
	}
	return out
}
