package socket_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/neigh"
	"mortise/stack/socket"
)

// An address that is none of IPv4 is refused, not taken for another one; IPv4 in IPv6's form, as package net has it, is IPv4.
func TestAddresses(t *testing.T) {
	b := newBench(t)
	six := netip.MustParseAddrPort("[2001:db8::1]:5000")
	if _, err := socket.OpenUDP(socket.Options{Local: six}); !errors.Is(err, socket.ErrOption) || !strings.Contains(err.Error(), "want an IPv4 address") {
		t.Errorf("bind to %v: %v", six, err)
	}
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	if err := c.Connect(six); !errors.Is(err, socket.ErrOption) {
		t.Errorf("connect to %v: %v", six, err)
	}
	b.ok(c.Connect((&net.UDPAddr{IP: net.ParseIP(b.peer.String()), Port: 40001}).AddrPort()))
	for _, to := range []net.Addr{
		net.UDPAddrFromAddrPort(six), &net.UDPAddr{IP: net.IPv4zero, Port: 9}, &net.UDPAddr{Port: 9}, &net.UDPAddr{},
	} {
		if n, err := c.WriteTo([]byte("for nobody else"), to); err == nil || n != 0 {
			t.Errorf("WriteTo(%v) = %d, %v, want an error", to, n, err)
		}
	}
	if err := c.WriteToAddrPort([]byte("for nobody else"), netip.AddrPortFrom(netip.Addr{}, 9)); !errors.Is(err, socket.NoPeer) {
		t.Errorf("send to UDP port 9 of no address: %v, want %v", err, socket.NoPeer)
	}
	if sent := b.nic.Sent(); len(sent) != 0 {
		t.Errorf("sent to the connected peer: %x", sent)
	}
	for _, to := range []net.Addr{&net.UDPAddr{IP: net.ParseIP(b.peer.String()), Port: 9}} {
		if _, err := c.WriteTo([]byte("hello"), to); err != nil {
			t.Errorf("WriteTo(%v): %v", to, err)
		}
	}
	b.ok(c.WriteToAddrPort([]byte("hello"), netip.AddrPort{}))
	if sent := b.nic.Sent(); len(sent) != 2 {
		t.Errorf("%d frames sent, want 2", len(sent))
	}
}

// Two sockets with the same address are not both for everybody, whichever way that comes about.
func TestConnectToNobody(t *testing.T) {
	b := newBench(t)
	one := b.open(socket.Options{Local: local(anywhere, 5000)})
	b.ok(one.Connect(netip.AddrPortFrom(b.peer, 1)))
	two := b.open(socket.Options{Local: local(anywhere, 5000)})
	if err := one.Connect(netip.AddrPort{}); !errors.Is(err, socket.ErrInUse) {
		t.Errorf("connect to nobody beside a socket for everybody: %v, want %v", err, socket.ErrInUse)
	}
	b.ok(two.Close())
	b.ok(one.Connect(netip.AddrPort{}))
}

// A socket is bound to an address that it can hear something by, or refused: what is there stays as it was.
func TestBindAddress(t *testing.T) {
	b := newBench(t)
	other := neigh.PortOf(0, 43)
	socket.SetAddresses(map[neigh.Port]netip.Prefix{other: netip.MustParsePrefix("10.0.43.1/24"), neigh.PortOf(0, 44): netip.MustParsePrefix("10.0.44.0/31")})
	t.Cleanup(func() { socket.SetAddresses(nil) })
	bind := func(o socket.Options) error {
		s, err := socket.OpenUDP(o)
		if err == nil {
			b.ok(s.Close())
		}
		return err
	}
	const none, elsewhere, noLoopback = "is no address of an oob port", "is another port's address", "the loopback port's, and there is none"
	cases := []struct {
		name   string
		addr   string
		device *neigh.Port
		want   string // of the error; "": none
	}{
		{"any", "0.0.0.0", nil, ""},
		{"any, on a port", "0.0.0.0", &vlan, ""},
		{"a port's", "10.0.42.1", nil, ""},
		{"a port's, on it", "10.0.42.1", &vlan, ""},
		{"in IPv6's form", "::ffff:10.0.42.1", &vlan, ""},
		{"of a port that is off", "10.0.43.1", nil, ""},
		{"a group", "239.1.2.3", &vlan, ""},
		{"the broadcast", "255.255.255.255", nil, ""},
		{"a network's broadcast", "10.0.42.255", &vlan, ""},
		{"of a port that is off", "10.0.43.255", nil, ""},
		{"a network of two", "10.0.44.0", nil, ""},
		{"nobody's", "9.9.9.9", nil, none},
		{"nobody's, on a port", "9.9.9.9", &vlan, none},
		{"the peer's", b.peer.String(), nil, none},
		{"a network's own", "10.0.42.0", nil, none},
		{"the peer's in a network of two", "10.0.44.1", nil, none},
		{"another port's", "10.0.0.1", &vlan, elsewhere},
		{"another network's broadcast", "10.0.0.255", &vlan, elsewhere},
		{"loopback, without", "127.0.0.1", nil, noLoopback},
	}
	check := func() {
		for _, c := range cases {
			o := socket.Options{Local: netip.AddrPortFrom(netip.MustParseAddr(c.addr), 5000), Device: c.device}
			before := fmt.Sprint(socket.List())
			err := bind(o)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, socket.ErrAddress) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.addr)) {
				t.Errorf("%s, %s: %v, want an error with %q", c.name, c.addr, err, c.want)
			}
			if got := fmt.Sprint(socket.List()); got != before {
				t.Errorf("%s, %s: sockets %s, want %s", c.name, c.addr, got, before)
			}
			if o.FreeBind = true; bind(o) != nil {
				t.Errorf("%s, %s: FreeBind is refused: %v", c.name, c.addr, bind(o))
			}
		}
	}
	check()
	// What is refused leaves the UDP port to others, in the companion core, too.
	b.arrive(b.site.From(), 40000, 5000, []byte("for nobody"))
	wild := b.open(socket.Options{Local: local(anywhere, 5000)})
	b.arrive(b.site.From(), 40000, 5000, []byte("hello"))
	if got := received(wild); len(got) != 1 || string(got[0]) != "hello" {
		t.Errorf("got %q", got)
	}
	b.ok(wild.Close())
	b.loopback()
	cases = cases[:len(cases)-1]
	for _, c := range []struct {
		addr   string
		device *neigh.Port
		want   string
	}{
		{"127.0.0.1", nil, ""}, {"127.1.2.3", &lo, ""}, {"10.0.42.1", &lo, ""}, {"127.0.0.1", &vlan, elsewhere}, {"10.0.42.255", &lo, elsewhere}, {"9.9.9.9", &lo, none},
	} {
		cases = append(cases, struct {
			name   string
			addr   string
			device *neigh.Port
			want   string
		}{"loopback", c.addr, c.device, c.want})
	}
	check()
	b.checkPools(0, 0)
}

// A socket whose address has become a broadcast, for its port has come behind it, does not send from there.
func TestBindAhead(t *testing.T) {
	b := newBench(t)
	b.loopback()
	s := b.open(socket.Options{Local: local([4]byte{10, 0, 43, 255}, 5000), FreeBind: true})
	to := b.open(socket.Options{Task: 1, Local: local(anywhere, 6000)})
	from := func() netip.Addr {
		t.Helper()
		if status := say(s, localhost, 6000, nil); status != socket.OK {
			t.Fatal(status)
		}
		m, _ := to.Receive()
		defer m.Release()
		return neigh.Addr(m.Peer)
	}
	if got := from(); got != netip.AddrFrom4([4]byte{10, 0, 43, 255}) {
		t.Errorf("ahead of the port: from %v", got)
	}
	for range 2 {
		socket.SetAddresses(map[neigh.Port]netip.Prefix{neigh.PortOf(0, 43): netip.MustParsePrefix("10.0.43.1/24")})
		if got := from(); got != netip.AddrFrom4(localhost) {
			t.Errorf("from %v, which is a broadcast", got)
		}
		socket.SetAddresses(nil)
	}
}

// A socket that is connected anew has its old peer until it has the new one, for what it sends and for what it takes: never a part of one, or none.
func TestConnectAnew(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	old, next := netip.AddrPortFrom(b.peer, 40000), netip.AddrPortFrom(b.peer.Next(), 40001)
	for _, peer := range []netip.AddrPort{old, next} {
		b.ok(neigh.Set(untagged, peer.Addr(), b.site.PeerMAC, false))
	}
	// check checks whom the socket sends to and takes datagrams from, as tasks and the companion core find it now.
	check := func(when string, peer netip.AddrPort) {
		t.Helper()
		var m socket.Message
		status, want := s.Compose(&m, 0, 0), socket.OK
		if !peer.IsValid() {
			want = socket.NoPeer
		}
		if status != want || status == socket.OK && (m.Peer != neigh.Wire(peer.Addr()) || m.PeerPort != uint32(peer.Port())) {
			t.Errorf("%s: a message to %v, %d: %v", when, neigh.Addr(m.Peer), m.PeerPort, status)
		}
		if status == socket.OK {
			m.Release()
		}
		for _, from := range []netip.AddrPort{
			old, next, netip.AddrPortFrom(old.Addr(), next.Port()), netip.AddrPortFrom(next.Addr(), old.Port()),
			netip.AddrPortFrom(old.Addr(), 0), netip.AddrPortFrom(next.Addr(), 0),
		} {
			h := b.site.From()
			h.SrcIP = from.Addr().As4()
			b.arrive(h, from.Port(), 5000, []byte("hello"))
			if got := len(received(s)); (got == 1) != (from == peer || !peer.IsValid()) {
				t.Errorf("%s: %d datagrams from %v", when, got, from)
			}
		}
	}
	now := netip.AddrPort{}
	for _, peer := range []netip.AddrPort{old, next, old, {}, next, {}} {
		kicks := 0
		b.before = func() { kicks++; check("ahead", now) }
		b.kicked = func() { check("behind", peer) }
		b.ok(s.Connect(peer))
		if kicks != 1 {
			t.Errorf("%d kicks", kicks)
		}
		b.before, b.kicked = func() {}, func() {}
		check("connected", peer)
		now = peer
	}
	b.checkPools(0, 0)
}
