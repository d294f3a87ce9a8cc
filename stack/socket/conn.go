package socket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
	"mortise/stack/task"
)

// Conn is a socket of the oob stage that goroutines use: a net.PacketConn, for UDP (ListenPacket) or for frames (ListenFrames). What it receives was taken, and what it sends is
// sent, in the oob stage; between the two worlds lies the socket's queue, and an in-band side that does not read loses what
// exceeds it. To send needs a route and a solicited neighbour: else the error is a Status, at once. Without a deadline to write,
// so is the want of room; with one, WriteTo waits for room that long.
type Conn struct {
	s      Socket
	local  net.Addr // a *net.UDPAddr, or of a raw socket a *FrameAddr
	frames bool     // it is a raw socket's
	reader sync.Mutex
	notify chan struct{}
	done   chan struct{}
	once   sync.Once
	giving atomic.Bool // giveBack comes
	later  *time.Timer // calls it

	read, write deadline
}

// deadline is when who waits gives up.
type deadline struct {
	mu      sync.Mutex
	time    time.Time     // zero: never
	changed chan struct{} // closed when it changes
}

// set changes the deadline, for those who wait, too.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.time = t
	if d.changed != nil {
		close(d.changed)
	}
	d.changed = make(chan struct{})
}

// get returns the deadline, and what is closed when it changes.
func (d *deadline) get() (time.Time, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.time, d.changed
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
	return newConn(s, net.UDPAddrFromAddrPort(o.Local), false), nil
}

func newConn(s Socket, local net.Addr, frames bool) *Conn {
	c := &Conn{s: s, local: local, frames: frames, notify: make(chan struct{}, 1), done: make(chan struct{})}
	c.later = time.AfterFunc(giveAfter, c.giveBack)
	c.later.Stop()
	conns.Lock()
	conns.of[s] = c
	conns.Unlock()
	return c
}

// Dropped returns how many messages the socket has lost, for whatever reason, since it was opened.
func (c *Conn) Dropped() (n uint32) {
	for _, s := range List() {
		if s.Socket == c.s {
			n = s.Counters[DroppedFull] + s.Counters[DroppedBuffer] + s.Counters[DroppedDown] + s.Counters[DroppedCopy]
		}
	}
	return n
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
// address is a *net.UDPAddr. Of frames it is the socket's own: who sent one stands in it.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, &net.OpError{Op: "read", Net: c.local.Network(), Source: c.local, Err: err}
	}
	if c.frames {
		return n, c.local, nil
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromAddrPort is ReadFrom with a plain address and a plain error.
func (c *Conn) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	r, err := c.ReadMessage(b)
	return r.N, r.From, err
}

// Datagram is what ReadMessage says of a datagram.
type Datagram struct {
	N     int            // bytes copied
	Whole int            // bytes that it had: more than N if there was no room for all
	From  netip.AddrPort // who sent it; of a frame: nothing
	Local netip.Addr     // the address that it was sent to: one of ours, a group's, or a broadcast; of a frame: nothing
	Times Times          // all 0 unless the socket has StampReceived
	// Queued is when it came into the queue: the low word of task.Time.
	Queued uint32
}

// Truncated reports whether there was no room for all of the datagram: the rest is lost.
func (r *Datagram) Truncated() bool { return r.N < r.Whole }

// ReadMessage is ReadFromAddrPort that says more.
func (c *Conn) ReadMessage(b []byte) (Datagram, error) {
	for {
		if r, ok := c.take(b); ok {
			return r, nil
		}
		if err := c.wait(&c.read, c.notify); err != nil {
			return Datagram{}, err
		}
	}
}

// take copies the oldest message out of the queue.
func (c *Conn) take(b []byte) (r Datagram, ok bool) {
	c.reader.Lock()
	defer c.reader.Unlock()
	select {
	case <-c.done: // the number may be another socket's by now
		return r, false
	default:
	}
	q := &socks[c.s]
	head := q.head
	if mmio.Load(&q.tail) == head {
		return r, false
	}
	m := q.queue[head%QueueSize]
	r.Whole, r.Queued = int(m.Whole()), m.Queued
	if !c.frames {
		r.From, r.Local = netip.AddrPortFrom(neigh.Addr(m.Peer), uint16(m.PeerPort)), neigh.Addr(m.Local)
	}
	m.Delivered = task.Now()
	r.Times, _ = m.times(q.stamps)
	r.N = m.copy(b)
	mmio.Store(&q.head, head+1)
	if c.giving.CompareAndSwap(false, true) {
		c.later.Reset(giveAfter)
	}
	if mmio.Load(&q.tail) != head+1 {
		c.wake() // for the next reader
	}
	return r, true
}

// giveAfter is Hooks.GiveAfter.
var giveAfter time.Duration

// giveBack has the buffers of all messages that were read given back to their ports.
func (c *Conn) giveBack() {
	c.giving.Store(false) // what is read from now on has its own turn
	state.Lock()
	defer state.Unlock()
	c.give()
}

// give is giveBack for who holds state; it reports whether there was something to give back.
func (c *Conn) give() (some bool) {
	select {
	case <-c.done: // all has gone back, and the number may be another socket's
		return false
	default:
	}
	q := &socks[c.s]
	for {
		freed := mmio.Load(&q.freed)
		if freed == mmio.Load(&q.head) {
			return some
		}
		ask(request{op: opGive, sock: uint32(c.s)})
		if mmio.Load(&q.freed) == freed { // the stage is stopped: all goes back when it starts again
			return some
		}
		some = true
	}
}

// copy copies the payload, of all its parts, as far as there is room.
func (m *Message) copy(b []byte) (n int) {
	for {
		n += copy(b[n:], unsafe.Slice((*byte)(unsafe.Add(nil, m.Data)), m.Len))
		if !m.step() {
			return n
		}
	}
}

// wait returns when there may be what a notice tells, or why not to wait any more.
func (c *Conn) wait(d *deadline, notice <-chan struct{}) error {
	deadline, changed := d.get()
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
	case <-notice:
	}
	return nil
}

// WriteTo sends a datagram. What is in the way is a Status, wrapped in a *net.OpError; it waits for nothing but room, and that only
// up to a deadline to write.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok && !c.frames {
		return 0, &net.OpError{Op: "write", Net: c.local.Network(), Source: c.local, Addr: to, Err: errors.New("not a UDP address")}
	}
	err := error(NoPeer) // an address without one is not the zero address
	if c.frames || u.AddrPort().IsValid() {
		err = c.WriteToAddrPort(b, u.AddrPort())
	}
	if err != nil {
		return 0, &net.OpError{Op: "write", Net: c.local.Network(), Source: c.local, Addr: to, Err: err}
	}
	return len(b), nil
}

// WriteToAddrPort is WriteTo with a plain address and a plain error; the zero address is whom Connect named.
func (c *Conn) WriteToAddrPort(b []byte, to netip.AddrPort) error {
	to, err := ipv4(to)
	switch {
	case c.frames:
		return NotUDP
	case err != nil:
		return fmt.Errorf("socket: send to %w", err)
	case to != netip.AddrPort{} && (!to.IsValid() || to.Addr().IsUnspecified()):
		return NoPeer
	}
	return c.untilRoom(func() error { return c.send(b, to) })
}

// untilRoom sends, again and again while there is no room, up to the deadline to write.
func (c *Conn) untilRoom(send func() error) error {
	for {
		if d, _ := c.write.get(); !d.IsZero() && !time.Now().Before(d) {
			return os.ErrDeadlineExceeded
		}
		err := send()
		if err != NoBuffer && err != Busy {
			return err
		}
		if d, _ := c.write.get(); d.IsZero() {
			return err
		}
		if err := c.wait(&c.write, c.room()); err != nil {
			return err
		}
	}
}

// lookAgain is when who waits for room to send looks again: eight full-size frames have left by then at 100 Mbit/s.
const lookAgain = time.Millisecond

// room returns a channel that tells when to look for room again.
func (c *Conn) room() <-chan struct{} {
	again := make(chan struct{})
	time.AfterFunc(lookAgain, func() { close(again) })
	return again
}

// send sends a datagram, or says at once why not.
func (c *Conn) send(b []byte, to netip.AddrPort) error {
	state.Lock()
	defer state.Unlock()
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	if len(b) > MaxPayload {
		return c.sendLong(b, to)
	}
	r := c.compose(request{op: opCompose, sock: uint32(c.s), peer: neigh.Wire(to.Addr().Unmap()), peerPort: uint32(to.Port())})
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

// compose has the oob stage give a buffer, of those that are to be given back if there is no other.
func (c *Conn) compose(r request) request {
	got := ask(r)
	if got.status == NoBuffer && c.give() {
		got = ask(r)
	}
	return got
}

// ReadDeparture waits until a message that was sent has left, and tells of it: up to the deadline to read. The error is Unstamped if the socket
// was opened without StampSent.
func (c *Conn) ReadDeparture() (Departure, error) {
	for {
		r, err := c.departed()
		if err != Empty {
			return r, err
		}
		if err := c.wait(&c.read, c.room()); err != nil {
			return Departure{}, err
		}
	}
}

// departed tells of a message that has left, or says at once why not.
func (c *Conn) departed() (Departure, error) {
	state.Lock()
	defer state.Unlock()
	select {
	case <-c.done:
		return Departure{}, net.ErrClosed
	default:
	}
	r := ask(request{op: opLeft, sock: uint32(c.s)})
	if r.status != OK {
		return Departure{}, r.status
	}
	return r.departure, nil
}

// Connect makes peer the one to send to and to receive from.
func (c *Conn) Connect(peer netip.AddrPort) error { return c.s.Connect(peer) }

// Close closes the socket. Who reads gets net.ErrClosed.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.reader.Lock() // nobody takes a message any more
		close(c.done)
		c.reader.Unlock()
		conns.Lock()
		conns.of[c.s] = nil // while the number is this one's: behind Close somebody else may have it
		conns.Unlock()
		err = c.s.Close()
		c.later.Stop()
	})
	return err
}

// LocalAddr returns the address that the socket is bound to: a *net.UDPAddr, or of a raw socket a *FrameAddr.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

// SetReadDeadline is when who waits for a datagram gives up: os.ErrDeadlineExceeded. The zero value is never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

// SetWriteDeadline is how long WriteTo waits for a buffer and for room at the device, then: os.ErrDeadlineExceeded. With the zero value
// it does not wait.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}
