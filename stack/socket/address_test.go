package socket_test

import (
	"errors"
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
