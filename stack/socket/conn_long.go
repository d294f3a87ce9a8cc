package socket

import (
	"net/netip"
	"time"
	"unsafe"

	"mortise/stack/frame"
	"mortise/stack/neigh"
	"mortise/stack/reassembly"
)

// What a goroutine sends in fragments is composed, copied and summed up in-band. The oob stage gives the buffers, and takes the fragments a few
// at a time, so that whoever waits for it to end an activation waits no longer than for other frames of in-band's.

const (
	// submitMost is the number of fragments that the oob stage takes in an activation.
	submitMost = 4
	// submitReserve is what in-band's fragments leave of the transmit ring to answers of the oob stage: as stack/divert's other frames of in-band's do.
	submitReserve = 16
	// submitTries bounds the wait for room for the rest of a datagram of which some fragments have gone, lookAgain each: a device that sends takes
	// a full ring in 80 ms, at 10 Mbit/s.
	submitTries = 100
)

// sendLong is send for what does not fit into a frame. state is locked.
func (c *Conn) sendLong(b []byte, to netip.AddrPort) error {
	if len(b) > MaxDatagram {
		return TooLong
	}
	n := uint32(len(b))
	r := ask(request{op: opLong, sock: uint32(c.s), peer: neigh.Wire(to.Addr().Unmap()), peerPort: uint32(to.Port()), n: n})
	if r.status != OK {
		return r.status
	}
	m := &r.message
	m.lay(n)
	m.fill(b)
	if m.port%tablePorts == Loopback {
		r.op, r.n = opLoop, n
		if r = ask(r); r.status != OK {
			return r.status
		}
		Deliver()
		return nil
	}
	m.finish(socks[c.s].tos, r.n)
	r.port, r.n = 0, m.parts()
	for try := 0; ; try++ {
		r.op = opSubmit
		switch r = ask(r); {
		case r.status == OK && r.n == 0:
			return nil
		case r.status == OK:
			try = 0
			continue
		case r.status != Busy || r.port == 0:
			return r.status
		case try == submitTries:
			r.op = opRelease
			ask(r)
			return Busy
		}
		time.Sleep(lookAgain)
	}
}

// fill copies b into a composed message in parts, in-band.
func (m *Message) fill(b []byte) {
	for {
		b = b[copy(unsafe.Slice((*byte)(unsafe.Add(nil, m.Data)), m.Len), b):]
		if !m.step() {
			return
		}
	}
}

// A transmit ring, of as many as MaxChain, has room for the largest datagram beside the reserve.
var _ [frame.MaxChain - submitReserve - reassembly.MaxParts]struct{}
