package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
	"mortise/stack/task"
)

// Conn is a UDP socket of the oob stage that goroutines use: a net.PacketConn. What it receives was taken, and what it sends is
// sent, in the oob stage; between the two worlds lies the socket's queue, and an in-band side that does not read loses what
// exceeds it. To send needs a route and a solicited neighbour: else the error is a Status, at once.
type Conn struct {
	s      Socket
	local  netip.AddrPort
	reader sync.Mutex
	notify chan struct{}
	done   chan struct{}
	once   sync.Once

	mu       sync.Mutex
	deadline time.Time
	changed  chan struct{} // closed when the deadline changes
}

var _ net.PacketConn = (*Conn)(nil)

// conns are the open ones, by socket.
var conns struct {
	sync.Mutex
	of [Max]*Conn
}

// ListenPacket opens a UDP socket for goroutines: OpenUDP with its Task set to none.
//
//oob:stage inband
func ListenPacket(o Options) (*Conn, error) {
	o.Task = task.NoTask
	s, err := OpenUDP(o)
	if err != nil {
		return nil, err
	}
	c := &Conn{s: s, local: o.Local, notify: make(chan struct{}, 1), done: make(chan struct{}), changed: make(chan struct{})}
	conns.Lock()
	conns.of[s] = c
	conns.Unlock()
	return c, nil
}

// Deliver tells the goroutines that wait for messages. In-band's interrupt service calls it when the oob stage woke it.
//
//oob:stage inband
func Deliver() {
	conns.Lock()
	defer conns.Unlock()
	n := mmio.Load(&waiting)
	if n == mmio.Load(&told) {
		return
	}
	mmio.Store(&told, n)
	for s, c := range conns.of {
		if c != nil && mmio.Load(&socks[s].tail) != mmio.Load(&socks[s].head) {
			c.wake()
		}
	}
}

func (c *Conn) wake() {
	select {
	case c.notify <- struct{}{}:
	default:
	}
}

// ReadFrom waits for a datagram and copies its payload into b: what does not fit is lost, as with the other PacketConns. The
// address is a *net.UDPAddr.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, &net.OpError{Op: "read", Net: "udp", Source: c.LocalAddr(), Err: err}
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromAddrPort is ReadFrom with a plain address and a plain error.
func (c *Conn) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	for {
		if n, from, ok := c.take(b); ok {
			return n, from, nil
		}
		if err := c.wait(); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
}

// take copies the oldest message out of the queue.
func (c *Conn) take(b []byte) (n int, from netip.AddrPort, ok bool) {
	c.reader.Lock()
	defer c.reader.Unlock()
	q := &socks[c.s]
	head := q.head
	if mmio.Load(&q.tail) == head {
		return 0, from, false
	}
	m := q.queue[head%QueueSize]
	n = copy(b, unsafe.Slice((*byte)(unsafe.Add(nil, m.Data)), m.Len))
	mmio.Store(&q.head, head+1)
	if mmio.Load(&q.tail) != head+1 {
		c.wake() // for the next reader
	}
	return n, netip.AddrPortFrom(neigh.Addr(m.Peer), uint16(m.PeerPort)), true
}

// wait returns when there may be a message, or why not to wait any more.
func (c *Conn) wait() error {
	c.mu.Lock()
	deadline, changed := c.deadline, c.changed
	c.mu.Unlock()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		t := time.NewTimer(left)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-c.done:
		return net.ErrClosed
	case <-expired:
		return os.ErrDeadlineExceeded
	case <-changed:
	case <-c.notify:
	}
	return nil
}

// WriteTo sends a datagram. It never waits: what is in the way is a Status, wrapped in a *net.OpError.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, &net.OpError{Op: "write", Net: "udp", Source: c.LocalAddr(), Addr: to, Err: errors.New("not a UDP address")}
	}
	if err := c.WriteToAddrPort(b, u.AddrPort()); err != nil {
		return 0, &net.OpError{Op: "write", Net: "udp", Source: c.LocalAddr(), Addr: to, Err: err}
	}
	return len(b), nil
}

// WriteToAddrPort is WriteTo with a plain address and a plain error; the zero address is whom Connect named.
func (c *Conn) WriteToAddrPort(b []byte, to netip.AddrPort) error {
	if len(b) > MaxPayload {
		return TooLong
	}
	state.Lock()
	defer state.Unlock()
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	r := ask(request{op: opCompose, sock: uint32(c.s), peer: neigh.Wire(to.Addr().Unmap()), peerPort: uint32(to.Port())})
	if r.status != OK {
		return r.status
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(nil, r.message.Data)), len(b)), b)
	r.op, r.n = opSend, uint32(len(b))
	if r = ask(r); r.status != OK {
		return r.status
	}
	Deliver() // a goroutine's, by the loopback port: this kick woke nobody
	return nil
}

// Connect makes peer the one to send to and to receive from.
func (c *Conn) Connect(peer netip.AddrPort) error { return c.s.Connect(peer) }

// Close closes the socket. Who reads gets net.ErrClosed.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.done)
		err = c.s.Close()
		conns.Lock()
		conns.of[c.s] = nil
		conns.Unlock()
	})
	return err
}

// LocalAddr returns the address that the socket is bound to.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline is SetReadDeadline: to send never waits.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline is when who waits for a datagram gives up: os.ErrDeadlineExceeded. The zero value is never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
	return nil
}

// SetWriteDeadline does nothing: to send never waits.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
