package socket_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// Who was opened first does not matter: the socket that matches best gets the datagram.
func TestWhoGetsADatagram(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		t.Run(fmt.Sprintf("opened %v", order), func(t *testing.T) { testWhoGetsADatagram(t, order) })
	}
}

func testWhoGetsADatagram(t *testing.T, order []int) {
	b := newBench(t)
	var sharing [3]socket.Socket
	for _, i := range order {
		sharing[i] = b.open([]socket.Options{
			{Local: local(anywhere, 5000)}, {Local: local(b.site.Addr, 5000)}, {Local: local(b.site.Addr, 5000), Device: &untagged},
		}[i])
	}
	wild, exact, connected := sharing[0], sharing[1], sharing[2]
	b.ok(connected.Connect(netip.AddrPortFrom(b.peer, 40001)))
	onVLAN := b.open(socket.Options{Local: local(anywhere, 5001), Device: &vlan})
	for _, c := range []struct {
		name     string
		header   *wire.Header
		from, to uint16
		want     socket.Socket
		nobody   bool
	}{
		{"to the address", b.site.From(), 40000, 5000, exact, false},
		{"from the one it is connected to", b.site.From(), 40001, 5000, connected, false},
		{"to the other port's address", b.site.VFrom(), 40000, 5000, wild, false},
		{"to a socket on the VLAN", b.site.VFrom(), 40000, 5001, onVLAN, false},
		{"beside the VLAN", b.site.From(), 40000, 5001, 0, true},
		{"to a port without a socket", b.site.From(), 40000, 5002, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.arrive(c.header, c.from, c.to, []byte("hello"))
			for _, s := range []socket.Socket{wild, exact, onVLAN, connected} {
				m, status := s.Receive()
				if want := !c.nobody && s == c.want; want != (status == socket.OK) {
					t.Errorf("socket %d: Receive = %v, want a message: %v", s, status, want)
				}
				if status != socket.OK {
					continue
				}
				if m.Peer != neigh.Wire(netip.AddrFrom4(c.header.SrcIP)) || m.PeerPort != uint32(c.from) ||
					m.Local != neigh.Wire(netip.AddrFrom4(c.header.DstIP)) || string(payload(m)) != "hello" {
					t.Errorf("message = %+v, %q", *m, payload(m))
				}
				m.Release()
			}
		})
	}
	b.checkPools(0, 0)
}

func TestQueue(t *testing.T) {
	for _, c := range []struct {
		policy socket.Policy
		limit  int
		want   []uint32
	}{
		{socket.DropNewest, 5, []uint32{0, 1, 2, 3, 4}},
		{socket.DropOldest, 5, []uint32{7, 8, 9, 10, 11}},
		{socket.DropNewest, 0, []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	} {
		t.Run(fmt.Sprintf("policy %d, limit %d", c.policy, c.limit), func(t *testing.T) {
			b := newBench(t)
			s := b.open(socket.Options{Local: local(anywhere, 5000), Queue: c.limit, Policy: c.policy})
			for n := range 12 {
				b.arrive(b.site.From(), 40000, 5000, numbered(n))
			}
			b.checkPools(uint32(len(c.want)))
			var got []uint32
			for m, status := s.Receive(); status == socket.OK; m, status = s.Receive() {
				got = append(got, m.Word(0))
				m.Release()
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("received %v, want %v", got, c.want)
			}
			n := socket.List()[0].Counters
			if lost := uint32(12 - len(c.want)); n[socket.DroppedFull] != lost ||
				n[socket.Received]-lost*uint32(c.policy) != uint32(len(c.want)) {
				t.Errorf("counters %v, want %d dropped", n, lost)
			}
			b.checkPools(0)
		})
	}
}

func TestRaw(t *testing.T) {
	b := newBench(t)
	s, err := socket.OpenRaw(0x88a4, socket.Options{Device: &vlan})
	b.ok(err)
	frame := func(vid uint16, typ uint16) []byte {
		h := &wire.Header{Dst: b.site.MAC, Src: b.site.PeerMAC}
		if vid != 0 {
			h.Tags = []wire.VLAN{{VID: vid}}
		}
		return append(wire.AppendEthernet(nil, h, typ), wiretest.Payload(80, 3)...)
	}
	for _, f := range [][]byte{frame(b.site.VID, 0x88a4), frame(0, 0x88a4), frame(b.site.VID, 0x8892)} {
		b.nic.Inject(f)
	}
	divert.Poll(0)
	inband := 0
	b.dev.Receive(8, func([]byte) { inband++ })
	r, status := s.Receive()
	if status != socket.OK || !bytes.Equal(payload(r), frame(b.site.VID, 0x88a4)) {
		t.Fatalf("Receive = %v, %x", status, payload(r))
	}
	if inband != 2 || s.Readable() != 0 {
		t.Errorf("in-band got %d frames, want the other 2; %d more are queued", inband, s.Readable())
	}
	if got := s.SendFrame(r, r.Len); got != socket.OK {
		t.Fatal(got)
	}
	var m socket.Message
	if got := s.ComposeFrame(&m); got != socket.OK {
		t.Fatal(got)
	}
	short := frame(b.site.VID, 0x88a4)[:34]
	write(&m, slices.Delete(bytes.Clone(short), 12, 16))
	if got := s.SendFrame(&m, 30); got != socket.OK {
		t.Fatal(got)
	}
	want := [][]byte{frame(b.site.VID, 0x88a4), append(short, make([]byte, 26)...)}
	if sent := b.nic.Sent(); !slices.EqualFunc(sent, want, bytes.Equal) {
		t.Errorf("sent %x, want %x", sent, want)
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// A raw socket for IPv4 gets all of its port's packets, whole, and nobody else gets any; other ports and EtherTypes go on as they did, and so does
// the port itself when the socket is closed. What rules and programs drop or leave to in-band it does not get.
func TestRawIPv4(t *testing.T) {
	b := newBench(t)
	if _, err := socket.OpenRaw(0x0800, socket.Options{Device: &untagged}); err == nil || !strings.Contains(err.Error(), "the port has rules") {
		t.Errorf("on a port with rules: %v", err)
	}
	u := b.open(socket.Options{Local: local(anywhere, 5000)})
	s, err := socket.OpenRaw(0x0800, socket.Options{Device: &vlan, Queue: 4})
	b.ok(err)
	if _, err := socket.OpenRaw(0x0800, socket.Options{Device: &vlan}); !errors.Is(err, socket.ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	vh, h := b.site.VFrom(), b.site.From()
	ping, _ := wiretest.Ping(vh, 1, []byte("ping"))
	request, reply := wiretest.Who(vh, b.site.MAC, b.site.MAC)
	elsewhere := *vh
	elsewhere.DstIP = [4]byte{192, 0, 2, 1}
	priority := append([]byte{}, wire.AppendUDP(nil, vh, 40000, 5000, []byte("twice tagged"))...)
	priority = append(priority[:12:12], append([]byte{0x88, 0xa8, 0, 7}, priority[12:]...)...)
	ours := [][]byte{
		wire.AppendUDP(nil, vh, 40000, 5000, []byte("to a UDP socket's port")), ping, wire.AppendUDP(nil, vh, 40000, 7, []byte("echo")),
		wire.AppendUDP(nil, &elsewhere, 1, 2, []byte("for another address")), priority,
		piece(vh, datagram(vh, 40000, 5000, make([]byte, 3000)), 1480, 1480),
	}
	before := oob.Snapshot(0)
	for _, f := range ours {
		b.bring(f)
		m, status := s.Receive()
		if status != socket.OK || !bytes.Equal(payload(m), f) {
			t.Fatalf("%v, %x, want %x", status, payload(m), f)
		}
		m.Release()
	}
	if sent := b.sent(); len(sent) != 0 || u.Readable() != 0 {
		t.Errorf("%d answers, %d messages at the UDP socket", len(sent), u.Readable())
	}
	b.bring(request, wire.AppendUDP(nil, h, 40000, 5000, []byte("the other port")))
	if sent := b.sent(); len(sent) != 1 || !bytes.Equal(sent[0], reply) || u.Readable() != 1 || s.Readable() != 0 {
		t.Errorf("answers %x, want that to an ARP request; %d messages at the UDP socket", sent, u.Readable())
	}
	for range 6 {
		b.bring(ping)
	}
	after := oob.Snapshot(0)
	if got := after[oob.SocketFull] - before[oob.SocketFull]; got != 2 || !after.Balanced() {
		t.Errorf("socket_full moved by %d, want 2", got)
	}
	b.ok(s.Close())
	b.bring(ping, ours[0])
	if sent := b.sent(); len(sent) != 1 || u.Readable() != 2 {
		t.Errorf("closed: %d answers to a ping; %d messages at the UDP socket", len(sent), u.Readable())
	}
	for m, status := u.Receive(); status == socket.OK; m, status = u.Receive() {
		m.Release()
	}
	b.checkPools(0, 0)
}

// A raw socket for ARP gets what does not concern the port's address; for that the stage goes on to answer.
func TestRawARP(t *testing.T) {
	b := newBench(t)
	s, err := socket.OpenRaw(0x0806, socket.Options{Device: &vlan})
	b.ok(err)
	h := b.site.VFrom()
	own, reply := wiretest.Who(h, b.site.MAC, b.site.MAC)
	about := *h
	about.DstIP = [4]byte{10, 0, 42, 200}
	other := wire.AppendARP(nil, &about, 1, [6]byte{})
	about.DstIP = about.SrcIP
	gratuitous := wire.AppendARP(nil, &about, 1, [6]byte{})
	b.bring(own, other, gratuitous)
	if sent := b.sent(); len(sent) != 1 || !bytes.Equal(sent[0], reply) {
		t.Errorf("answers %x, want %x", sent, reply)
	}
	for _, want := range [][]byte{other, gratuitous} {
		m, status := s.Receive()
		if status != socket.OK || !bytes.Equal(payload(m), want) {
			t.Errorf("%v, %x, want %x", status, payload(m), want)
		}
		m.Release()
	}
	inband := 0
	b.dev.Receive(8, func([]byte) { inband++ })
	b.ok(s.Close())
	b.bring(other)
	b.dev.Receive(8, func([]byte) { inband += 10 })
	if inband != 10 || s.Readable() != 0 {
		t.Errorf("in-band got %d, want one frame, when the socket is closed", inband)
	}
	b.checkPools(0, 0)
	for _, typ := range []uint16{0x0800, 0x0806} {
		if _, err := socket.OpenRaw(typ, socket.Options{Device: &lo}); err == nil || !strings.Contains(err.Error(), "loopback") && !errors.Is(err, socket.ErrNoPort) {
			t.Errorf("EtherType %#x on the loopback port: %v", typ, err)
		}
	}
}

func TestMany(t *testing.T) {
	b := newBenchWith(t, enettest.Options{Filter: true})
	group := [4]byte{239, 1, 2, 3}
	member := b.open(socket.Options{Local: local(group, 5000), Device: &vlan})
	wild := b.open(socket.Options{Local: local(anywhere, 5001), Device: &vlan})
	broadcast := [4]byte{b.site.VAddr[0], b.site.VAddr[1], b.site.VAddr[2], 255}
	for _, c := range []struct {
		name string
		dst  [4]byte
		mac  [6]byte
		port uint16
		want socket.Socket
		got  bool
	}{
		{"joined", group, [6]byte{1, 0, 0x5e, 1, 2, 3}, 5000, member, true},
		{"another group", [4]byte{239, 1, 2, 4}, [6]byte{1, 0, 0x5e, 1, 2, 4}, 5000, member, false},
		{"a group, and a socket bound to any address", group, [6]byte{1, 0, 0x5e, 1, 2, 3}, 5001, wild, false},
		{"limited broadcast", [4]byte{255, 255, 255, 255}, wiretest.Broadcast, 5001, wild, true},
		{"directed broadcast", broadcast, wiretest.Broadcast, 5001, wild, true},
	} {
		h := b.site.VFrom()
		h.Dst, h.DstIP = c.mac, c.dst
		b.arrive(h, 40000, c.port, []byte("many"))
		m, got := c.want.Receive()
		if got == socket.OK != c.got {
			t.Errorf("%s: Receive = %v, want a message: %v", c.name, got, c.got)
		} else if got == socket.OK {
			m.Release()
		}
	}
	for _, c := range []struct {
		dst [4]byte
		mac [6]byte
	}{{group, [6]byte{1, 0, 0x5e, 1, 2, 3}}, {broadcast, wiretest.Broadcast}} {
		var m socket.Message
		if got := wild.Compose(&m, neigh.Wire(netip.AddrFrom4(c.dst)), 9); got != socket.OK {
			t.Fatal(got)
		}
		wild.Send(&m, 0)
		sent := b.nic.Sent()
		b.nic.Discard()
		if [6]byte(sent[0][:6]) != c.mac {
			t.Errorf("sent to %x, want %x", sent[0][:6], c.mac)
		}
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

func TestSharing(t *testing.T) {
	b := newBench(t)
	for i := range socket.MaxSharing {
		s := b.open(socket.Options{Local: local(anywhere, 5000)})
		b.ok(s.Connect(netip.AddrPortFrom(b.peer, uint16(40000+i))))
	}
	if _, err := socket.OpenUDP(socket.Options{Local: local(anywhere, 5000)}); err == nil {
		t.Error("one more: no error")
	}
	for i := range socket.MaxSharing {
		b.arrive(b.site.From(), uint16(40000+i), 5000, numbered(i))
		m, status := socket.Socket(i).Receive()
		if status != socket.OK || m.Word(0) != uint32(i) {
			t.Fatalf("socket %d: %v, message %d", i, status, m.Word(0))
		}
		m.Release()
	}
}
