package socket_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// pool is the size of each port's pool, small enough to exhaust.
const pool = 40

// The oob ports of the bench: the device itself, with rules that accept 5000 to 5009, and VLAN 42, which takes all.
var (
	untagged = neigh.PortOf(0, 0)
	vlan     = neigh.PortOf(0, 42)
)

// bench is a diverted device over a fake controller with Mortise's own companion core and sockets above it.
type bench struct {
	*testing.T
	site wiretest.Site
	dev  *divert.Device
	nic  *enettest.ENET
	peer netip.Addr // on the untagged port's network
}

func newBench(t *testing.T) *bench { return newBenchWith(t, enettest.Options{}) }

func newBenchWith(t *testing.T, o enettest.Options) *bench {
	b := &bench{T: t, site: wiretest.DefaultSite()}
	rings := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice+5*pool)
	o.Base = 0x02188000
	b.nic = enettest.New(t, rings, o)
	var err error
	b.dev, err = divert.New(0, divert.Config{
		Name: "rt0", TickHz: 1_000_000,
		Driver: enet.Config{
			Name: "ENET1", Base: o.Base, ClkHz: 66_000_000, MAC: b.site.MAC,
			Desc: rings.Desc, DescBus: rings.DescBus, Memory: rings.Memory, Clock: &enettest.Clock{},
		},
		Hooks: divert.Hooks{Kick: func() { divert.Kicked() }, Route: func(bool) {}},
	})
	b.ok(err)
	var c oob.Config
	d := &c.Device[0]
	d.MAC = b.site.MAC
	d.Ports[0] = oob.PortConfig{Addr: b.site.Addr, Prefix: 24, Rules: true}
	d.Ports[0].UDP.Add(7, 7)
	d.Ports[0].UDP.Add(5000, 5009)
	d.Ports[1] = oob.PortConfig{VID: b.site.VID, Addr: b.site.VAddr, Prefix: 24}
	b.ok(oob.Configure(&c, divert.Adopt))
	socket.Setup(rings.Memory, divert.Devices*divert.SlotsPerDevice, socket.Hooks{
		Bound: oob.Bind, Kick: socket.Kicked, Join: func(neigh.Port, netip.Addr, bool) error { return nil },
		Listen: func(_ uint32, on bool) { b.dev.Listen(on) },
	})
	b.up(0)
	b.up(1)
	b.ok(neigh.SetRoutes([]neigh.Table{
		{Prefix: netip.PrefixFrom(netip.AddrFrom4(b.site.Addr), 24).Masked(), Port: untagged},
		{Prefix: netip.PrefixFrom(netip.AddrFrom4(b.site.VAddr), 24).Masked(), Port: vlan},
	}))
	b.peer = netip.AddrFrom4(b.site.From().SrcIP)
	b.dev.Serve(true)
	t.Cleanup(func() {
		for _, s := range socket.List() {
			b.ok(s.Socket.Close())
		}
		for i := range uint32(2) {
			socket.ShutDown(i)
			b.ok(socket.RemovePort(i))
		}
		neigh.Flush()
	})
	return b
}

// up makes port i of the bench exist and takes it up.
func (b *bench) up(i uint32) {
	b.Helper()
	c := socket.Port{Name: untagged, Addr: netip.PrefixFrom(netip.AddrFrom4(b.site.Addr), 24), MAC: b.site.MAC, Pool: pool}
	if i == 1 {
		c.Name, c.Addr = vlan, netip.PrefixFrom(netip.AddrFrom4(b.site.VAddr), 24)
	}
	b.ok(socket.SetPort(oob.PortIndex(0, i), c))
	socket.Up(oob.PortIndex(0, i))
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// open opens a UDP socket of task 0.
func (b *bench) open(o socket.Options) socket.Socket {
	b.Helper()
	s, err := socket.OpenUDP(o)
	b.ok(err)
	return s
}

// arrive lets a datagram from the peer's port come in, and serves it.
func (b *bench) arrive(h *wire.Header, from, to uint16, payload []byte) {
	b.Helper()
	b.nic.Inject(wire.AppendUDP(nil, h, from, to, payload))
	divert.Poll(0)
}

// payload returns what a message carries.
func payload(m *socket.Message) []byte {
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Add(nil, m.Data)), m.Len))
}

// write fills a composed message.
func write(m *socket.Message, b []byte) {
	for i, c := range b {
		m.SetByte(uint32(i), uint32(c))
	}
}

func numbered(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// checkPools checks that nothing is out of the pools but held buffers.
func (b *bench) checkPools(held ...uint32) {
	b.Helper()
	for i, n := range held {
		if t := socket.PoolStats(uint32(i)); t.Free+n != t.Size {
			b.Errorf("port %d: %d of %d buffers are free, want all but %d", i, t.Free, t.Size, n)
		}
	}
}

func local(a [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a), port)
}

var anywhere = [4]byte{}

// The socket bound to the address comes ahead of the one bound to any, the connected one ahead of both; a port binding holds.
func TestWhoGetsADatagram(t *testing.T) {
	b := newBench(t)
	wild := b.open(socket.Options{Local: local(anywhere, 5000)})
	exact := b.open(socket.Options{Local: local(b.site.Addr, 5000)})
	onVLAN := b.open(socket.Options{Local: local(anywhere, 5001), Device: &vlan})
	connected := b.open(socket.Options{Local: local(b.site.Addr, 5000), Device: &untagged})
	b.ok(connected.Connect(netip.AddrPortFrom(b.peer, 40001)))
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

// What a socket sends is the frame that an independent builder makes, byte for byte but for the identification.
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

// Each thing that can be in the way of sending has its name, and leaves no buffer behind.
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

// The queue is first in, first out, holds its limit, and drops by its policy; each message dropped is in one counter.
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

// A datagram is sent back in the slot it came in, turned round, shorter or longer, with tags as it had them.
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

// A raw socket gets the frames of its EtherType on its port, whole, and sends frames as they are.
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
	short := frame(b.site.VID, 0x88a4)[:30]
	write(&m, short)
	if got := s.SendFrame(&m, 30); got != socket.OK {
		t.Fatal(got)
	}
	want := [][]byte{frame(b.site.VID, 0x88a4), append(short, make([]byte, 30)...)}
	if sent := b.nic.Sent(); !slices.EqualFunc(sent, want, bytes.Equal) {
		t.Errorf("sent %x, want %x", sent, want)
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// Groups and broadcasts reach the sockets that joined, or are bound to any address; and go out to their MAC addresses.
func TestMany(t *testing.T) {
	b := newBench(t)
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

// A thousand times down and up under load: the pools are whole each time, nothing is lost of what another port carries.
func TestUpAndDown(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	const cycles = 1000
	got := 0
	for n := range cycles {
		for range 5 {
			b.arrive(b.site.VFrom(), 40000, 5000, numbered(n))
		}
		b.arrive(b.site.From(), 40000, 5000, numbered(n))
		if held := socket.ShutDown(oob.PortIndex(0, 1)); held != 0 {
			t.Fatalf("cycle %d: %d buffers are in somebody's hands", n, held)
		}
		b.checkPools(1, 0)
		for m, status := s.Receive(); status == socket.OK; m, status = s.Receive() {
			if m.Word(0) != uint32(n) {
				t.Fatalf("cycle %d: message %d", n, m.Word(0))
			}
			m.Release()
			got++
		}
		if err := socket.RemovePort(oob.PortIndex(0, 1)); err != nil {
			t.Fatal(err)
		}
		b.up(1)
	}
	if got != cycles {
		t.Errorf("the other port's socket got %d messages, want %d", got, cycles)
	}
	b.checkPools(0, 0)
}

// What is refused says what and why, and changes nothing.
func TestRefused(t *testing.T) {
	b := newBench(t)
	b.open(socket.Options{Local: local(anywhere, 5000)})
	nowhere := neigh.PortOf(1, 7)
	before := fmt.Sprint(socket.List())
	for _, c := range []struct {
		name string
		o    socket.Options
		want string
	}{
		{"the same address", socket.Options{Local: local(anywhere, 5000)}, "already in use"},
		{"the echo's port", socket.Options{Local: local(anywhere, 7)}, "echo service"},
		{"UDP port 0", socket.Options{Local: local(anywhere, 0)}, "UDP port 0"},
		{"no such port", socket.Options{Local: local(anywhere, 1), Device: &nowhere}, "no such oob port"},
		{"a queue too long", socket.Options{Local: local(anywhere, 1), Queue: 65}, "want 1 to 64"},
		{"TTL", socket.Options{Local: local(anywhere, 1), TTL: 256}, "TTL 256"},
		{"PCP", socket.Options{Local: local(anywhere, 1), PCP: 8}, "PCP 8"},
		{"a group, no port", socket.Options{Local: local([4]byte{224, 0, 0, 9}, 1)}, "name the port"},
		{"drop-oldest for a goroutine", socket.Options{Local: local(anywhere, 1), Task: task.NoTask, Policy: socket.DropOldest}, "drop-oldest"},
	} {
		if _, err := socket.OpenUDP(c.o); err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
	for _, typ := range []uint16{0x0800, 0x0806, 0x8100, 46} {
		if _, err := socket.OpenRaw(typ, socket.Options{Device: &vlan}); err == nil {
			t.Errorf("EtherType %#x: no error", typ)
		}
	}
	for _, size := range []int{-1, 32769, 5 * pool} {
		c := socket.Port{Name: neigh.PortOf(0, 9), Addr: netip.MustParsePrefix("10.9.0.1/24"), Pool: size}
		if err := socket.SetPort(5, c); err == nil {
			t.Errorf("a pool of %d: no error", size)
		}
	}
	if got := fmt.Sprint(socket.List()); got != before {
		t.Errorf("sockets afterwards %v, want %v", got, before)
	}
	for i := range socket.Max - 1 {
		b.open(socket.Options{Local: local(anywhere, uint16(6000+i))})
	}
	if _, err := socket.OpenUDP(socket.Options{Local: local(anywhere, 5999)}); err == nil {
		t.Error("one socket more than there are: no error")
	}
}

// Nothing of a task's is allocated.
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

// So many sockets share a UDP port, no more.
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
