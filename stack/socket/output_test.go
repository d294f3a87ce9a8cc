package socket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

func TestSend(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000), PCP: 5, TOS: 0xb8, TTL: 9})
	for _, c := range []struct {
		name string
		port neigh.Port
		own  [4]byte
		peer [4]byte
		tags []wire.VLAN
	}{
		{"untagged", untagged, b.site.Addr, b.site.From().SrcIP, nil},
		{"VLAN", vlan, b.site.VAddr, b.site.VFrom().SrcIP, []wire.VLAN{{VID: b.site.VID, PCP: 5}}},
	} {
		for _, n := range []int{0, 1, 2, 3, 17, 18, 64, 1471, 1472} {
			t.Run(fmt.Sprintf("%s, %d bytes", c.name, n), func(t *testing.T) {
				mac := [6]byte{2, 9, 8, 7, 6, 5}
				b.ok(neigh.Set(c.port, netip.AddrFrom4(c.peer), mac, false))
				var m socket.Message
				if got := s.Compose(&m, neigh.Wire(netip.AddrFrom4(c.peer)), 40000); got != socket.OK {
					t.Fatal(got)
				}
				data := wiretest.Payload(n, byte(n))
				write(&m, data)
				if got := s.Send(&m, uint32(n)); got != socket.OK {
					t.Fatal(got)
				}
				sent := b.nic.Sent()
				b.nic.Discard()
				if len(sent) != 1 {
					t.Fatalf("sent %d frames", len(sent))
				}
				got := sent[0]
				ip := got[14+4*len(c.tags):]
				want := wire.AppendUDP(nil, &wire.Header{
					Dst: mac, Src: b.site.MAC, Tags: c.tags, SrcIP: c.own, DstIP: c.peer, TTL: 9, ID: binary.BigEndian.Uint16(ip[4:]),
				}, 5000, 40000, data)
				want = wiretest.IP(want, func(ip []byte) { ip[1], ip[6] = 0xb8, 0x40 }) // type of service, Don't Fragment
				if !bytes.Equal(got, want) {
					t.Errorf("sent\n%x, want\n%x", got, want)
				}
			})
		}
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// The checksum of a datagram whose sum is 0 goes out as 0xffff: 0 would say that there is none (RFC 768).
func TestSendSumOfZero(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	b.ok(neigh.Set(untagged, b.peer, [6]byte{2, 1, 1, 1, 1, 1}, true))
	send := func(data uint16) uint16 {
		var m socket.Message
		if got := s.Compose(&m, neigh.Wire(b.peer), 40000); got != socket.OK {
			t.Fatal(got)
		}
		write(&m, binary.BigEndian.AppendUint16(nil, data))
		if got := s.Send(&m, 2); got != socket.OK {
			t.Fatal(got)
		}
		defer b.nic.Discard()
		return binary.BigEndian.Uint16(b.nic.Sent()[0][14+20+6:])
	}
	// One's complement arithmetic: what adds up to the checksum of no data makes it 0.
	if got := send(send(0)); got != 0xffff {
		t.Errorf("checksum %#04x, want 0xffff", got)
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// A group's datagrams stay on the network, whatever the time to live of others is (6.1, RFC 1112).
func TestMulticastTTL(t *testing.T) {
	for _, c := range []struct {
		options socket.Options
		peer    string
		want    byte
	}{
		{socket.Options{}, "239.1.2.3", 1},
		{socket.Options{TTL: 9}, "239.1.2.3", 1},
		{socket.Options{}, "", 64},
		{socket.Options{TTL: 9}, "", 9},
	} {
		t.Run(fmt.Sprintf("%d to %s", c.options.TTL, c.peer), func(t *testing.T) {
			b := newBench(t)
			c.options.Local, c.options.Device = local(anywhere, 5000), &untagged
			s := b.open(c.options)
			peer := b.peer
			if c.peer != "" {
				peer = netip.MustParseAddr(c.peer)
			}
			b.ok(neigh.Set(untagged, b.peer, [6]byte{2, 1, 1, 1, 1, 1}, true))
			var m socket.Message
			if got := s.Compose(&m, neigh.Wire(peer), 40000); got != socket.OK {
				t.Fatal(got)
			}
			if got := s.Send(&m, 1); got != socket.OK {
				t.Fatal(got)
			}
			if got := b.nic.Sent()[0][14+8]; got != c.want {
				t.Errorf("%+v to %v: time to live %d, want %d", c.options, peer, got, c.want)
			}
		})
	}
}

// What a socket marks its packets with is changed while it is in use, by a goroutine's, too; what is refused changes nothing.
func TestRemark(t *testing.T) {
	b := newBench(t)
	peer := b.site.VFrom().SrcIP
	b.ok(neigh.Set(vlan, netip.AddrFrom4(peer), b.site.PeerMAC, false))
	s := b.open(socket.Options{Local: local(anywhere, 5000), Device: &vlan})
	group := [4]byte{239, 1, 2, 3}
	look := func(to [4]byte) (pcp, tos, ttl byte) {
		t.Helper()
		if got := say(s, to, 9, []byte("x")); got != socket.OK {
			t.Fatal(got)
		}
		f := b.sent()[0]
		return f[14] >> 5, f[18+1], f[18+8]
	}
	check := func(when string, to [4]byte, pcp, tos, ttl byte) {
		t.Helper()
		if p, q, l := look(to); p != pcp || q != tos || l != ttl {
			t.Errorf("%s: PCP %d, TOS %#x, TTL %d, want %d, %#x, %d", when, p, q, l, pcp, tos, ttl)
		}
	}
	check("at first", peer, 0, 0, 64)
	check("to a group", group, 0, 0, 1)
	b.ok(s.Remark(socket.Options{TOS: 0xb8, PCP: 6, TTL: 3, MulticastTTL: 32, DontFragment: true}))
	check("changed", peer, 6, 0xb8, 3)
	check("changed, to a group", group, 6, 0xb8, 32)
	var m socket.Message
	if got := s.ComposeLong(&m, neigh.Wire(netip.AddrFrom4(peer)), 9, 2000); got != socket.TooLong {
		t.Errorf("DontFragment: %v", got)
	}
	for _, o := range []socket.Options{{TTL: 256}, {TOS: -1}, {PCP: 8}, {MulticastTTL: 256}} {
		if err := s.Remark(o); !errors.Is(err, socket.ErrOption) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	check("refused", peer, 6, 0xb8, 3)
	b.ok(s.Close())
	if err := s.Remark(socket.Options{}); !errors.Is(err, socket.Closed) {
		t.Errorf("closed: %v", err)
	}
	b.checkPools(0, 0)
}

func TestStatus(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	known := neigh.Wire(b.peer)
	b.ok(neigh.Set(untagged, b.peer, [6]byte{2, 1, 1, 1, 1, 1}, true))
	stranger := neigh.Wire(b.peer.Next())
	abroad := neigh.Wire(netip.MustParseAddr("192.0.2.1"))
	compose := func(peer, port uint32) socket.Status {
		var m socket.Message
		status := s.Compose(&m, peer, port)
		if status == socket.OK {
			m.Release()
		}
		return status
	}
	for _, c := range []struct {
		name       string
		peer, port uint32
		want       socket.Status
	}{
		{"known", known, 1, socket.OK},
		{"unsolicited", stranger, 1, socket.Unsolicited},
		{"no route", abroad, 1, socket.NoRoute},
		{"nobody", 0, 0, socket.NoPeer},
		{"no UDP port", known, 0, socket.NoPeer},
		{"broadcast, no port named", ^uint32(0), 1, socket.NoRoute},
	} {
		if got := compose(c.peer, c.port); got != c.want {
			t.Errorf("%s: Compose = %v, want %v", c.name, got, c.want)
		}
	}
	var m socket.Message
	if got := s.Compose(&m, known, 1); got != socket.OK {
		t.Fatal(got)
	}
	if got := s.Send(&m, socket.MaxPayload+1); got != socket.TooLong {
		t.Errorf("too long: Send = %v", got)
	}
	b.checkPools(0, 0)

	var held []socket.Message
	for range pool {
		if got := s.Compose(&m, known, 1); got != socket.OK {
			t.Fatal(got)
		}
		held = append(held, m)
	}
	if got := s.Compose(&m, known, 1); got != socket.NoBuffer {
		t.Errorf("pool empty: Compose = %v", got)
	}
	for i := range held {
		held[i].Release()
	}

	b.ok(s.Connect(netip.AddrPortFrom(b.peer, 77)))
	if got := compose(0, 0); got != socket.OK {
		t.Errorf("connected: Compose = %v", got)
	}
	b.dev.Divert(false)
	b.ok(nil)
	if got := s.Compose(&m, known, 1); got != socket.OK {
		t.Fatal(got)
	}
	if got := s.Send(&m, 1); got != socket.Busy {
		t.Errorf("device in-band: Send = %v", got)
	}
	b.dev.Divert(true)
	socket.ShutDown(0)
	b.ok(neigh.Set(untagged, b.peer, [6]byte{2, 1, 1, 1, 1, 1}, true))
	if got := compose(known, 1); got != socket.Down {
		t.Errorf("port down: Compose = %v", got)
	}
	b.checkPools(0, 0)
	neigh.Purge(untagged, true)
	if st := socket.List()[0].Counters; st[socket.FailedSend] == 0 {
		t.Error("no failure was counted")
	}
}

func TestReply(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	for _, h := range []*wire.Header{b.site.From(), b.site.VFrom()} {
		for _, n := range []int{0, 4, 64, 1472} {
			b.arrive(h, 40000, 5000, wiretest.Payload(64, 1))
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatal(status)
			}
			write(m, wiretest.Payload(n, 9))
			if got := s.Reply(m, uint32(n)); got != socket.OK {
				t.Fatal(got)
			}
			sent := b.nic.Sent()
			b.nic.Discard()
			back := wiretest.Back(h)
			back.ID = binary.BigEndian.Uint16(sent[0][wiretest.L3(sent[0])+4:])
			want := wiretest.IP(wire.AppendUDP(nil, back, 5000, 40000, wiretest.Payload(n, 9)), func(ip []byte) { ip[6] = 0x40 })
			if len(sent) != 1 || !bytes.Equal(sent[0], want) {
				t.Errorf("sent\n%x, want\n%x", sent, want)
			}
		}
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

func TestNoAllocation(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	b.ok(neigh.Set(untagged, b.peer, [6]byte{2, 1, 1, 1, 1, 1}, false))
	var m socket.Message
	n := testing.AllocsPerRun(50, func() {
		s.Receive()
		s.Compose(&m, neigh.Wire(b.peer), 9)
		m.SetWord(0, m.Word(4))
		m.Release()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
