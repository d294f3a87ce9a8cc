package socket_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire/wiretest"
)

// A goroutine's datagram goes out in fragments, too; it waits for room for all of them, and leaves some to the oob stage's answers.
func TestConnLong(t *testing.T) {
	b := newBench(t)
	b.roomy(1, 60)
	f := newFar(t, b.site.VFrom().SrcIP, 40000)
	b.ok(neigh.Set(vlan, netip.AddrFrom4(b.site.VFrom().SrcIP), b.site.PeerMAC, false))
	b.reassemble()
	c := b.listen(socket.Options{Local: local(anywhere, 5000), TOS: 0xb8, TTL: 9})
	to := local(b.site.VFrom().SrcIP, 40000)
	for _, n := range []int{1472, 1473, 8192, 65507} {
		data := wiretest.Payload(n, byte(n))
		b.ok(c.WriteToAddrPort(data, to))
		frames := b.sent()
		if n > socket.MaxPayload {
			b.checkFragments(frames, n)
		}
		if got := f.get(frames); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: the peer got %d, or others", n, len(got))
		}
		b.checkPools(0, 0)
	}
	data := wiretest.Payload(8192, 1)
	b.bring(f.say(b.site.VFrom(), 5000, data)...)
	socket.Deliver()
	buf := make([]byte, 1<<16)
	n, from, err := c.ReadFrom(buf)
	b.ok(err)
	if _, err := c.WriteTo(buf[:n], from); err != nil {
		t.Fatal(err)
	}
	if got := f.get(b.sent()); !bytes.Equal(got, data) {
		t.Errorf("echo of %d bytes: the peer got %d, or others", len(data), len(got))
	}
	if err := c.WriteToAddrPort(make([]byte, socket.MaxDatagram+1), to); !errors.Is(err, socket.TooLong) {
		t.Errorf("too long: %v", err)
	}
	b.ok(c.Close())
	b.checkPools(0, 0)
}

// A device that has no room sends nothing of a goroutine's datagram; with a deadline it waits.
func TestConnLongBusy(t *testing.T) {
	b := newBenchWith(t, enettest.Options{Async: true})
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	to := netip.AddrPortFrom(b.peer, 9)
	for range enet.RingSize - 18 {
		b.ok(c.WriteToAddrPort([]byte("x"), to))
	}
	err := c.WriteToAddrPort(make([]byte, 4000), to)
	if !errors.Is(err, socket.Busy) || b.nic.Complete(-1) != enet.RingSize-18 {
		t.Errorf("room for two of three beside the reserve: %v", err)
	}
	b.ok(c.WriteToAddrPort(make([]byte, 4000), to))
	if got := b.nic.Complete(-1); got != 3 {
		t.Errorf("%d frames, want 3", got)
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// A goroutine's datagram of which some fragments have gone waits for room for the others, and is dropped if its port goes down or no room
// ever comes.
func TestConnLongInParts(t *testing.T) {
	for _, c := range []struct {
		name   string
		kicked func(b *bench, other socket.Socket, n int) // behind kick n: the first one composes, each other one sends up to four
		want   error
		frames int
	}{
		{"down", func(b *bench, other socket.Socket, n int) {
			if n == 2 {
				socket.Pause(0)
			}
		}, socket.Down, 4},
		{"room, later", func(b *bench, other socket.Socket, n int) {
			if n == 2 {
				b.fill(other)
			}
			if n == 7 {
				b.nic.Complete(-1)
			}
		}, nil, enet.RingSize + 2},
		{"no room", func(b *bench, other socket.Socket, n int) {
			if n == 2 {
				b.fill(other)
			}
		}, socket.Busy, enet.RingSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBenchWith(t, enettest.Options{Async: true})
			b.roomy(0, 100)
			b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
			conn := b.listen(socket.Options{Local: local(anywhere, 5000)})
			other := b.open(socket.Options{Local: local(anywhere, 5009)})
			n := 0
			b.kicked = func() { n++; c.kicked(b, other, n) }
			err := conn.WriteToAddrPort(make([]byte, 8192), netip.AddrPortFrom(b.peer, 9))
			if c.want == nil && err != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			b.kicked = func() {}
			b.nic.Complete(-1)
			if got := len(b.nic.Sent()); got != c.frames {
				t.Errorf("%d frames, want %d", got, c.frames)
			}
			socket.Up(0)
			divert.Poll(0)
			b.ok(conn.Close())
			b.checkPools(0, 0)
		})
	}
}

// fill sends from a task until the device has no room.
func (b *bench) fill(s socket.Socket) {
	for {
		var m socket.Message
		if got := s.Compose(&m, neigh.Wire(b.peer), 9); got != socket.OK {
			b.Fatal(got)
		}
		if s.Send(&m, 1) != socket.OK {
			return
		}
	}
}

// Long datagrams go over the loopback port in the sender's buffers, without fragments; and back.
func TestLoopbackLong(t *testing.T) {
	b := newBench(t)
	b.loopback()
	a := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
	e := b.open(socket.Options{Task: 2, Local: local(localhost, 6000), Queue: 2})
	c := b.listen(socket.Options{Task: task.NoTask, Local: local(localhost, 6001)})
	for _, n := range []int{1473, 8192, 20000} {
		data := wiretest.Payload(n, byte(n))
		var m socket.Message
		if got := a.ComposeLong(&m, neigh.Wire(netip.AddrFrom4(localhost)), 6000, uint32(n)); got != socket.OK {
			t.Fatal(got)
		}
		for rest := data; len(rest) > 0; rest = rest[m.Write(rest):] {
		}
		if got := a.SendLong(&m, uint32(n)); got != socket.OK {
			t.Fatal(got)
		}
		in, status := e.Receive()
		if status != socket.OK || in.Whole() != uint32(n) || in.PeerPort != 5000 {
			t.Fatalf("%d bytes: %v, %d bytes from %d", n, status, in.Whole(), in.PeerPort)
		}
		if got := e.ReplyLong(in, uint32(n)); got != socket.OK {
			t.Fatal(got)
		}
		back, status := a.Receive()
		if got := all(back); status != socket.OK || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d, or others: %v", n, len(got), status)
		}
		b.ok(c.WriteToAddrPort(data, local(localhost, 6000)))
		if in, status = e.Receive(); status != socket.OK || in.PeerPort != 6001 {
			t.Fatalf("from a goroutine: %v", status)
		}
		if got := e.ReplyLong(in, uint32(n)); got != socket.OK {
			t.Fatal(got)
		}
		buf := make([]byte, 1<<16)
		socket.Deliver()
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		k, _, err := c.ReadFrom(buf)
		if err != nil || !bytes.Equal(buf[:k], data) {
			t.Errorf("a goroutine's %d bytes came back as %d, or others: %v", n, k, err)
		}
	}
	// Nobody's, and a queue that is full.
	for range 4 {
		for _, port := range []uint16{6000, 7000} {
			var m socket.Message
			if got := a.ComposeLong(&m, neigh.Wire(netip.AddrFrom4(localhost)), uint32(port), 3000); got != socket.OK {
				t.Fatal(got)
			}
			if got := a.SendLong(&m, 3000); got != socket.OK {
				t.Error(got)
			}
		}
	}
	if got := free(); got != pool-2*3-14 { // two messages wait; the goroutine's last one goes back with the next
		t.Errorf("%d buffers are free", got)
	}
	b.ok(c.Close())
	b.ok(e.Close())
	if got := free(); got != pool {
		t.Errorf("%d buffers are free at last, want all %d", got, pool)
	}
}
