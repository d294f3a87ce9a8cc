package socket_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
)

// A socket is writable when a message would be sent, and only then: each thing that is in the way is told, and leaves no trace.
func TestWritable(t *testing.T) {
	b := newBenchWith(t, enettest.Options{Async: true})
	known := neigh.Wire(b.peer)
	b.ok(neigh.Set(untagged, b.peer, [6]byte{2, 1, 1, 1, 1, 1}, true))
	wild := b.open(socket.Options{Local: local(anywhere, 5000)})
	connected := b.open(socket.Options{Local: local(anywhere, 5001)})
	b.ok(connected.Connect(netip.AddrPortFrom(b.peer, 77)))
	onPort := b.open(socket.Options{Local: local(anywhere, 5002), Device: &untagged})
	raw := b.openRaw(0x88a4, socket.Options{Device: &untagged})
	check := func(when string, want socket.Status) {
		t.Helper()
		for _, c := range []struct {
			name       string
			s          socket.Socket
			peer, port uint32
		}{{"to a peer", wild, known, 1}, {"connected", connected, 0, 0}, {"on a port", onPort, 0, 0}, {"raw", raw, 0, 0}} {
			if got := c.s.Writable(c.peer, c.port); got != want {
				t.Errorf("%s, %s: Writable = %v, want %v", when, c.name, got, want)
			}
		}
	}
	check("at first", socket.OK)
	for _, c := range []struct {
		name       string
		peer, port uint32
		want       socket.Status
	}{
		{"nobody", 0, 0, socket.NoPeer},
		{"no UDP port", known, 0, socket.NoPeer},
		{"unsolicited", neigh.Wire(b.peer.Next()), 1, socket.Unsolicited},
		{"abroad", neigh.Wire(netip.MustParseAddr("192.0.2.1")), 1, socket.NoRoute},
	} {
		if got := wild.Writable(c.peer, c.port); got != c.want {
			t.Errorf("%s: Writable = %v, want %v", c.name, got, c.want)
		}
	}
	for range enet.RingSize {
		var m socket.Message
		if got := wild.Compose(&m, known, 1); got != socket.OK {
			t.Fatal(got)
		}
		if got := wild.Send(&m, 1); got != socket.OK {
			t.Fatal(got)
		}
	}
	check("transmit ring full", socket.Busy)
	b.nic.Complete(1)
	check("a frame has left", socket.OK)
	b.nic.Complete(-1)
	b.nic.Discard()

	var held []socket.Message
	for range pool {
		var m socket.Message
		if got := wild.Compose(&m, known, 1); got != socket.OK {
			t.Fatal(got)
		}
		held = append(held, m)
	}
	check("pool empty", socket.NoBuffer)
	held[0].Release()
	check("a buffer has come back", socket.OK)
	for i := range held[1:] {
		held[i+1].Release()
	}
	b.dev.Divert(false)
	check("device in-band", socket.Busy)
	b.dev.Divert(true)
	socket.Pause(oob.PortIndex(0, 0))
	check("port down", socket.Down)
	socket.Up(oob.PortIndex(0, 0))
	check("at last", socket.OK)
	for _, s := range socket.List() {
		if n := s.Counters[socket.FailedSend]; n != 0 {
			t.Errorf("socket %d: %d sends failed", s.Socket, n)
		}
	}
	b.ok(raw.Close())
	if got := raw.Writable(0, 0); got != socket.Closed {
		t.Errorf("closed: Writable = %v", got)
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// WriteTo waits for room until its deadline, not at all without one.
func TestConnWriteDeadline(t *testing.T) {
	b := newBenchWith(t, enettest.Options{Async: true})
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, true))
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	to := netip.AddrPortFrom(b.peer, 9)
	for range enet.RingSize {
		b.ok(c.WriteToAddrPort([]byte("x"), to))
	}
	if err := c.WriteToAddrPort(nil, to); !errors.Is(err, socket.Busy) {
		t.Errorf("no deadline, no room: %v, want Busy", err)
	}
	b.ok(c.SetWriteDeadline(time.Now().Add(5 * time.Millisecond)))
	begin := time.Now()
	if err := c.WriteToAddrPort(nil, to); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) < 4*time.Millisecond {
		t.Errorf("no room until the deadline: %v after %v", err, time.Since(begin))
	}
	if err := c.WriteToAddrPort(nil, to); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("behind the deadline: %v", err)
	}
	b.nic.Complete(1)
	b.ok(c.SetDeadline(time.Now().Add(10 * time.Second)))
	b.ok(c.WriteToAddrPort([]byte("y"), to))
	if err := c.WriteToAddrPort(make([]byte, socket.MaxDatagram+1), to); !errors.Is(err, socket.TooLong) {
		t.Errorf("what room does not help: %v", err)
	}
	ended := make(chan error)
	go func() { ended <- c.WriteToAddrPort(nil, to) }()
	time.Sleep(2 * time.Millisecond)
	b.ok(c.Close())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while it waits for room: %v, want %v", err, net.ErrClosed)
	}
	b.nic.Complete(-1)
	divert.Poll(0)
	b.checkPools(0, 0)
}
