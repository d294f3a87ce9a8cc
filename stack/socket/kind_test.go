package socket_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"mortise/stack/neigh"
	"mortise/stack/socket"
)

// A call that is for sockets of the other kind says so, one of a socket that is closed that it is closed: each is counted, sends nothing, and gives the
// buffer back.
func TestKinds(t *testing.T) {
	b := newBench(t)
	peer := netip.AddrPortFrom(b.peer, 40000)
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	dst := neigh.Wire(b.peer)
	u, r := b.open(socket.Options{Local: local(anywhere, 5000)}), b.openRaw(0x88a4, socket.Options{Device: &untagged})
	all := b.openRaw(socket.AllFrames, socket.Options{Device: &untagged})
	gone := b.open(socket.Options{Local: local(anywhere, 5001)})
	b.ok(gone.Close())
	// A message of each kind, as a call takes it.
	datagram := func() (m socket.Message) {
		if got := u.Compose(&m, dst, 40000); got != socket.OK {
			t.Fatal(got)
		}
		return m
	}
	arrived := func() (m socket.Message) {
		b.arrive(b.site.From(), 40000, 5000, []byte("hello"))
		p, status := u.Receive()
		if status != socket.OK {
			t.Fatal(status)
		}
		return *p
	}
	frame := func() (m socket.Message) {
		if got := r.ComposeFrame(&m); got != socket.OK {
			t.Fatal(got)
		}
		return m
	}
	calls := []struct {
		name string
		want socket.Status // of the other kind
		do   func(s socket.Socket) socket.Status
	}{
		{"Compose", socket.NotUDP, func(s socket.Socket) socket.Status { return s.Compose(new(socket.Message), dst, 40000) }},
		{"ComposeLong", socket.NotUDP, func(s socket.Socket) socket.Status { return s.ComposeLong(new(socket.Message), dst, 40000, 5000) }},
		{"Send", socket.NotUDP, func(s socket.Socket) socket.Status { m := datagram(); return s.Send(&m, 9) }},
		{"SendLong", socket.NotUDP, func(s socket.Socket) socket.Status { m := datagram(); return s.SendLong(&m, 9) }},
		{"Reply", socket.NotUDP, func(s socket.Socket) socket.Status { m := arrived(); return s.Reply(&m, 5) }},
		{"ReplyLong", socket.NotUDP, func(s socket.Socket) socket.Status { m := arrived(); return s.ReplyLong(&m, 5) }},
		{"ComposeFrame", socket.NotRaw, func(s socket.Socket) socket.Status { return s.ComposeFrame(new(socket.Message)) }},
		{"SendFrame", socket.NotRaw, func(s socket.Socket) socket.Status { m := frame(); return s.SendFrame(&m, 60) }},
	}
	for _, c := range calls {
		others := []socket.Socket{r, all}
		if c.want == socket.NotRaw {
			others = []socket.Socket{u}
		}
		for _, s := range append(others, gone) {
			want, failed := c.want, uint32(0)
			if s == gone {
				want = socket.Closed
			} else {
				failed = socket.List()[s].Counters[socket.FailedSend] + 1
			}
			if got := c.do(s); got != want {
				t.Errorf("%s, socket %d: %v, want %v", c.name, s, got, want)
			}
			if s != gone && socket.List()[s].Counters[socket.FailedSend] != failed {
				t.Errorf("%s, socket %d: the failure is not counted", c.name, s)
			}
		}
		if n := len(b.sent()); n != 0 {
			t.Errorf("%s: %d frames sent", c.name, n)
		}
		received(all) // what has come
		b.checkPools(0, 0)
	}
	if got := r.WritableLong(0, 0, 5000); got != socket.NotUDP {
		t.Errorf("WritableLong = %v", got)
	}
	if err := r.Connect(peer); !errors.Is(err, socket.NotUDP) {
		t.Errorf("Connect: %v", err)
	}
	for name, err := range map[string]error{"Connect": gone.Connect(peer), "Close": gone.Close(), "Remark": gone.Remark(socket.Options{})} {
		if !errors.Is(err, socket.Closed) {
			t.Errorf("%s of a closed socket: %v", name, err)
		}
	}
}

// The sockets of goroutines tell the same.
func TestConnKinds(t *testing.T) {
	b := newBench(t)
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	c, err := socket.ListenFrames(0x88a4, socket.Options{Device: &untagged})
	b.ok(err)
	peer := netip.AddrPortFrom(b.peer, 40000)
	for _, to := range []net.Addr{net.UDPAddrFromAddrPort(peer), &net.UDPAddr{}, c.LocalAddr(), nil} {
		for _, n := range []int{0, 100, 5000} {
			if k, err := c.WriteTo(make([]byte, n), to); k != 0 || !errors.Is(err, socket.NotUDP) {
				t.Errorf("WriteTo(%d bytes, %v): %d, %v", n, to, k, err)
			}
		}
	}
	if err := c.WriteToAddrPort(make([]byte, 9), peer); !errors.Is(err, socket.NotUDP) {
		t.Errorf("WriteToAddrPort: %v", err)
	}
	if err := c.Connect(peer); !errors.Is(err, socket.NotUDP) {
		t.Errorf("Connect: %v", err)
	}
	b.ok(c.Close())
	if n := len(b.sent()); n != 0 {
		t.Errorf("%d frames sent", n)
	}
	b.checkPools(0, 0)
}
