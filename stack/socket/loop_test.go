package socket_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/task"
)

var (
	localhost = [4]byte{127, 0, 0, 1}
	lo        = neigh.Loopback
)

// loopback adds the loopback port to the bench.
func (b *bench) loopback() {
	b.Helper()
	network := netip.PrefixFrom(netip.AddrFrom4(localhost), 8)
	b.ok(socket.SetPort(socket.Loopback, socket.Port{Name: lo, Addr: network, Pool: pool}))
	socket.Up(socket.Loopback)
	b.ok(neigh.SetRoutes(append(neigh.RouteList(), neigh.Table{Prefix: network.Masked(), Port: lo})))
	b.Cleanup(func() {
		socket.ShutDown(socket.Loopback)
		b.ok(socket.RemovePort(socket.Loopback))
		if sent := b.nic.Sent(); len(sent) != 0 {
			b.Errorf("%d frames went to the wire", len(sent))
		}
	})
}

// say sends b from s to an address; the status is that of the first step that fails.
func say(s socket.Socket, to [4]byte, port uint16, b []byte) socket.Status {
	var m socket.Message
	status := s.Compose(&m, neigh.Wire(netip.AddrFrom4(to)), uint32(port))
	if status != socket.OK {
		return status
	}
	write(&m, b)
	return s.Send(&m, uint32(len(b)))
}

// free returns how many buffers of the loopback port are free.
func free() uint32 { return socket.PoolStats(socket.Loopback).Free }

// Two sockets talk to each other by 127.0.0.1, in order, in the sender's buffers; nothing goes to the wire.
func TestLoopback(t *testing.T) {
	b := newBench(t)
	b.loopback()
	before := socket.TrafficOf(socket.Loopback)
	a := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
	c := b.open(socket.Options{Task: 2, Local: local(localhost, 6000)})
	for n := range 3 {
		if status := say(a, localhost, 6000, numbered(n)); status != socket.OK {
			t.Fatalf("send %d: %v", n, status)
		}
	}
	if got := free(); got != pool-3 {
		t.Errorf("%d buffers are free, want %d", got, pool-3)
	}
	for n := range uint32(3) {
		m, status := c.Receive()
		if status != socket.OK || m.Len != 4 || m.Word(0) != n || m.PeerPort != 5000 || m.Peer != neigh.Wire(netip.AddrFrom4(localhost)) {
			t.Fatalf("message %d: %v, %d bytes from %x:%d", n, status, m.Len, m.Peer, m.PeerPort)
		}
		m.SetWord(0, n+100)
		if status := c.Reply(m, 4); status != socket.OK {
			t.Fatalf("reply %d: %v", n, status)
		}
	}
	for n := range uint32(3) {
		m, status := a.Receive()
		if status != socket.OK || m.Word(0) != n+100 || m.PeerPort != 6000 {
			t.Fatalf("reply %d: %v from port %d", n, status, m.PeerPort)
		}
		m.Release()
	}
	if got := free(); got != pool {
		t.Errorf("%d buffers are free afterwards, want all %d", got, pool)
	}
	b.checkPools(0, 0)
	want := before
	want.RxPackets += 6
	want.RxBytes += 6 * 46
	want.TxPackets += 6
	want.TxBytes += 6 * 46
	if got := socket.TrafficOf(socket.Loopback); got != want {
		t.Errorf("traffic %+v, want %+v", got, want)
	}
}

// An oob port's own address is reached by the loopback port, and the answer comes from there; without that port there is no way.
func TestOwnAddress(t *testing.T) {
	b := newBench(t)
	a := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
	c := b.open(socket.Options{Task: 2, Local: local(b.site.VAddr, 6000)})
	for _, to := range [][4]byte{b.site.VAddr, b.site.Addr, localhost} {
		if status := say(a, to, 6000, nil); status != socket.NoRoute {
			t.Errorf("to %v without a loopback port: %v, want %v", to, status, socket.NoRoute)
		}
	}
	b.loopback()
	b.ok(a.Connect(local(b.site.VAddr, 6000)))
	if status := say(a, [4]byte{}, 0, []byte("request")); status != socket.OK {
		t.Fatal(status)
	}
	m, status := c.Receive()
	if own := neigh.Wire(netip.AddrFrom4(b.site.VAddr)); status != socket.OK || m.Peer != own || m.Local != own || string(payload(m)) != "request" {
		t.Fatalf("%v: %q from %x to %x", status, payload(m), m.Peer, m.Local)
	}
	if status := c.Reply(m, 2); status != socket.OK {
		t.Fatal(status)
	}
	m, status = a.Receive()
	if status != socket.OK || string(payload(m)) != "re" {
		t.Fatalf("the connected socket got %v, %q", status, payload(m))
	}
	m.Release()
	// Nobody has the address: c is bound to the other port's.
	if status := say(a, b.site.Addr, 6000, nil); status != socket.OK {
		t.Fatal(status)
	}
	if m, status := c.Receive(); status != socket.Empty {
		t.Errorf("a message to another address: %v, %x", status, m.Local)
	}
	if got := socket.TrafficOf(socket.Loopback); got.Dropped == 0 || free() != pool {
		t.Errorf("dropped %d, %d of %d buffers free", got.Dropped, free(), pool)
	}
	// A socket that is bound to an address sends from there.
	exact := b.open(socket.Options{Task: 1, Local: local(localhost, 5002)})
	if status := say(exact, b.site.VAddr, 6000, nil); status != socket.OK {
		t.Fatal(status)
	}
	if m, status = c.Receive(); status != socket.OK || m.Peer != neigh.Wire(netip.AddrFrom4(localhost)) {
		t.Fatalf("%v: from %x", status, m.Peer)
	}
	if status := c.Reply(m, 0); status != socket.OK || exact.Readable() != 1 {
		t.Errorf("reply: %v, %d messages", status, exact.Readable())
	}
	if m, status = exact.Receive(); status == socket.OK {
		m.Release()
	}
	// A socket that is bound to a port of a device sends there and nowhere else.
	bound := b.open(socket.Options{Task: 1, Local: local(anywhere, 5001), Device: &vlan})
	if status := say(bound, b.site.VAddr, 6000, nil); status != socket.NoRoute {
		t.Errorf("bound to a device's port: %v, want %v", status, socket.NoRoute)
	}
	if status := say(a, b.site.From().SrcIP, 6000, nil); status != socket.Unsolicited {
		t.Errorf("to somebody else: %v, want %v", status, socket.Unsolicited)
	}
}

// A queue that is full drops by its policy, a pool that is empty is the sender's error, and nothing is lost track of.
func TestLoopbackBounds(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      socket.Options
		want   int // messages queued at most
		oldest uint32
	}{
		{"queue of 4, newest", socket.Options{Task: 2, Queue: 4}, 4, 0},
		{"queue of 4, oldest", socket.Options{Task: 2, Queue: 4, Policy: socket.DropOldest}, 4, 16},
		{"whole pool", socket.Options{Task: 2}, 20, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.loopback()
			a := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
			c.o.Local = local(anywhere, 6000)
			s := b.open(c.o)
			for n := range 20 {
				if status := say(a, localhost, 6000, numbered(n)); status != socket.OK {
					t.Fatal(status)
				}
			}
			if got := s.Readable(); int(got) != c.want || free() != pool-got {
				t.Errorf("%d queued, %d of %d buffers free", got, free(), pool)
			}
			m, _ := s.Receive()
			if m.Word(0) != c.oldest {
				t.Errorf("first message %d, want %d", m.Word(0), c.oldest)
			}
			m.Release()
		})
	}
	b := newBench(t)
	b.loopback()
	a := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
	s := b.open(socket.Options{Task: 2, Local: local(anywhere, 6000)})
	for range pool {
		if status := say(a, localhost, 6000, nil); status != socket.OK {
			t.Fatal(status)
		}
	}
	if status := say(a, localhost, 6000, nil); status != socket.NoBuffer {
		t.Errorf("beyond the pool: %v", status)
	}
	b.ok(s.Close())
	if free() != pool {
		t.Errorf("%d of %d buffers are free after Close", free(), pool)
	}
	if status := say(a, localhost, 6000, nil); status != socket.OK || socket.TrafficOf(socket.Loopback).Dropped == 0 || free() != pool {
		t.Errorf("to nobody: %v, %d buffers free", status, free())
	}
	socket.Pause(socket.Loopback)
	if status := say(a, localhost, 6000, nil); status != socket.NoRoute {
		t.Errorf("while it is down: %v", status)
	}
}

// A task that sends to itself keeps what it has just received: its place in the queue is not used again so soon.
func TestLoopbackToItself(t *testing.T) {
	b := newBench(t)
	network := netip.PrefixFrom(netip.AddrFrom4(localhost), 8)
	b.ok(socket.SetPort(socket.Loopback, socket.Port{Name: lo, Addr: network, Pool: 100}))
	socket.Up(socket.Loopback)
	defer func() { socket.ShutDown(socket.Loopback); b.ok(socket.RemovePort(socket.Loopback)) }()
	for _, policy := range []socket.Policy{socket.DropNewest, socket.DropOldest} {
		s := b.open(socket.Options{Task: 1, Local: local(anywhere, 6000), Policy: policy})
		if status := say(s, localhost, 6000, numbered(4711)); status != socket.OK {
			t.Fatal(status)
		}
		m, _ := s.Receive()
		for n := range 2 * socket.QueueSize {
			if status := say(s, localhost, 6000, numbered(n)); status != socket.OK {
				t.Fatal(status)
			}
		}
		if m.Word(0) != 4711 {
			t.Errorf("policy %d: the message has become %d", policy, m.Word(0))
		}
		m.Release()
		b.ok(s.Close())
		if free() != 100 {
			t.Errorf("policy %d: %d of 100 buffers are free", policy, free())
		}
	}
}

// Raw sockets on the loopback port get frames of their EtherType.
func TestLoopbackRaw(t *testing.T) {
	b := newBench(t)
	b.loopback()
	s, err := socket.OpenRaw(0x88b5, socket.Options{Task: 1, Device: &lo})
	b.ok(err)
	send := func(etherType uint32) {
		var m socket.Message
		if status := s.ComposeFrame(&m); status != socket.OK {
			t.Fatal(status)
		}
		m.SetWord(12, etherType<<16|0xabcd)
		if status := s.SendFrame(&m, 20); status != socket.OK {
			t.Fatal(status)
		}
	}
	send(0x88b5)
	m, status := s.Receive()
	if status != socket.OK || m.Len != 60 || m.Word(12) != 0x88b5abcd {
		t.Fatalf("%v, %d bytes, % x", status, m.Len, payload(m))
	}
	m.Release()
	send(0x88b6)
	if _, err := socket.OpenRaw(socket.AllFrames, socket.Options{Task: 1, Device: &lo}); !errors.Is(err, socket.ErrOption) {
		t.Errorf("all frames of the loopback port: %v", err)
	}
	if _, status := s.Receive(); status != socket.Empty || free() != pool {
		t.Errorf("another EtherType: %v, %d buffers free", status, free())
	}
}

// Goroutines and tasks reach each other, in order; who waits for a message is woken.
func TestLoopbackConn(t *testing.T) {
	b := newBench(t)
	b.loopback()
	c, d := b.listen(socket.Options{Local: local(anywhere, 5000)}), b.listen(socket.Options{Local: local(localhost, 6000)})
	defer c.Close()
	defer d.Close()
	const messages = 500
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		buf := make([]byte, 8)
		for n := range uint32(messages) {
			k, from, err := d.ReadFromAddrPort(buf)
			if err == nil && (k != 4 || binary.BigEndian.Uint32(buf) != n || from != local(localhost, 5000)) {
				err = errors.New("not the next message")
			}
			if err == nil {
				err = d.WriteToAddrPort(buf[:k], from)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	b.ok(c.SetReadDeadline(time.Now().Add(20 * time.Second)))
	buf := make([]byte, 8)
	for n := range messages {
		b.ok(c.WriteToAddrPort(numbered(n), local(localhost, 6000)))
		k, from, err := c.ReadFromAddrPort(buf)
		if err != nil || from != local(localhost, 6000) || !slices.Equal(buf[:k], numbered(n)) {
			t.Fatalf("echo %d: % x from %v, %v", n, buf[:k], from, err)
		}
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	s := b.open(socket.Options{Task: 1, Local: local(anywhere, 5001)})
	b.ok(c.WriteToAddrPort([]byte("to a task"), local(localhost, 5001)))
	m, status := s.Receive()
	if status != socket.OK || string(payload(m)) != "to a task" || !task.Pending() {
		t.Fatalf("%v: %q, ready %v", status, payload(m), task.Pending())
	}
	if status := s.Reply(m, 4); status != socket.OK || socket.Pending() == 0 {
		t.Fatalf("reply: %v, in-band is to be woken for %d messages", status, socket.Pending())
	}
	socket.Deliver()
	if k, _, err := c.ReadFromAddrPort(buf); err != nil || string(buf[:k]) != "to a" {
		t.Errorf("%q, %v", buf[:k], err)
	}
}
