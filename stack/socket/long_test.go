package socket_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// far is a peer with another network stack: gVisor's, which puts fragments together and makes some.
type far struct {
	*testing.T
	end  *channel.Endpoint
	conn *gonet.UDPConn
}

// newFar returns a peer that has a UDP socket, and all addresses.
func newFar(t *testing.T, addr [4]byte, port uint16) *far {
	t.Helper()
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol},
	})
	f := &far{T: t, end: channel.New(256, 1500, "")}
	if err := s.CreateNIC(1, f.end); err != nil {
		t.Fatal(err)
	}
	if addr[0]>>4 == 0xe {
		if err := s.JoinGroup(ipv4.ProtocolNumber, 1, tcpip.AddrFrom4(addr)); err != nil {
			t.Fatal(err)
		}
	}
	if addr[0] >= 0xe0 {
		addr = [4]byte{10, 0, 42, 77}
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(addr).WithPrefix()}
	if err := s.AddProtocolAddress(1, own, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	conn, err := gonet.DialUDP(s, &tcpip.FullAddress{Port: port}, nil, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	f.conn = conn
	t.Cleanup(func() { conn.Close(); s.Close(); s.Wait() })
	return f
}

// get gives the peer frames from the wire, and returns the datagram that it makes of them.
func (f *far) get(frames [][]byte) []byte {
	f.Helper()
	for _, b := range frames {
		ip := b[wiretest.L3(b):]
		ip = ip[:binary.BigEndian.Uint16(ip[2:])]
		f.end.InjectInbound(ipv4.ProtocolNumber, stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(bytes.Clone(ip))}))
	}
	data := make([]byte, 1<<16)
	_ = f.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _, err := f.conn.ReadFrom(data)
	if err != nil {
		f.Fatalf("the peer got nothing of %d frames: %v", len(frames), err)
	}
	return data[:n]
}

// say has the peer send a datagram, and returns the frames of it, from h's stations.
func (f *far) say(h *wire.Header, port uint16, data []byte) (frames [][]byte) {
	f.Helper()
	if _, err := f.conn.WriteTo(data, net.UDPAddrFromAddrPort(local(h.DstIP, port))); err != nil {
		f.Fatal(err)
	}
	for p := f.end.Read(); p != nil; p = f.end.Read() {
		v := p.ToView()
		b := append(wire.AppendEthernet(nil, h, 0x0800), v.AsSlice()...)
		frames = append(frames, append(b, make([]byte, max(wire.MinLen-len(b), 0))...))
		v.Release()
		p.DecRef()
	}
	return frames
}

// sent returns what was sent since, and takes it out.
func (b *bench) sent() (frames [][]byte) {
	for _, f := range b.nic.Sent() {
		frames = append(frames, bytes.Clone(f))
	}
	b.nic.Discard()
	divert.Poll(0)
	return frames
}

// checkFragments checks each frame of a datagram of n bytes, and returns its identification.
func (b *bench) checkFragments(frames [][]byte, n int) (id uint16) {
	b.Helper()
	if want := (n + 8 + 1479) / 1480; len(frames) != want {
		b.Fatalf("%d bytes: %d frames, want %d", n, len(frames), want)
	}
	offset := 0
	for i, f := range frames {
		at := wiretest.L3(f)
		ip := header.IPv4(f[at:])
		rest := min(n+8-offset, 1480)
		if i == 0 {
			id = ip.ID()
		}
		more, flags := i < len(frames)-1, ip.Flags()
		if !ip.IsChecksumValid() || ip.ID() != id || int(ip.FragmentOffset()) != offset || int(ip.TotalLength()) != 20+rest ||
			flags&header.IPv4FlagMoreFragments != 0 != more || flags&header.IPv4FlagDontFragment != 0 || ip.TTL() != 9 || f[at+1] != 0xb8 {
			b.Errorf("%d bytes: fragment %d: %x", n, i, f[:at+20])
		}
		if !bytes.Equal(f[:at], frames[0][:at]) || len(f) != max(at+20+rest, wire.MinLen) {
			b.Errorf("%d bytes: fragment %d: %d bytes, Ethernet header %x, of the first %x", n, i, len(f), f[:at], frames[0][:at])
		}
		offset += rest
	}
	return id
}

// roomy gives port i of the bench a pool for the largest datagrams.
func (b *bench) roomy(i, size uint32) {
	b.Helper()
	c := b.port(i)
	c.Pool = int(size)
	socket.ShutDown(i)
	b.ok(socket.RemovePort(i))
	b.ok(socket.SetPort(oob.PortIndex(0, i), c))
	socket.Up(oob.PortIndex(0, i))
}

// A task's datagram of any size goes out in fragments of which another stack makes the same datagram, to a peer, a group or a broadcast, tagged
// or not; each with an identification of its own.
func TestSendLong(t *testing.T) {
	b := newBench(t)
	b.roomy(1, 60)
	mac := [6]byte{2, 9, 8, 7, 6, 5}
	for _, c := range []struct {
		name string
		port *neigh.Port
		own  [4]byte
		to   [4]byte
	}{
		{"untagged", &untagged, b.site.Addr, b.site.From().SrcIP},
		{"VLAN", &vlan, b.site.VAddr, b.site.VFrom().SrcIP},
		{"any port", nil, b.site.VAddr, b.site.VFrom().SrcIP},
		{"group", &vlan, b.site.VAddr, [4]byte{224, 0, 0, 251}},
		{"broadcast", &vlan, b.site.VAddr, [4]byte{255, 255, 255, 255}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, site: b.site, nic: b.nic}
			f := newFar(t, c.to, 40000)
			s := b.open(socket.Options{Local: local(anywhere, 5000), Device: c.port, TOS: 0xb8, TTL: 9, MulticastTTL: 9, PCP: 5})
			defer s.Close()
			if c.to[0] < 224 {
				for _, port := range []neigh.Port{untagged, vlan} {
					b.ok(neigh.Set(port, netip.AddrFrom4(c.to), mac, false))
				}
			}
			ids := map[uint16]bool{}
			for i, n := range []int{0, 1472, 1473, 1479, 1480, 1481, 2952, 2953, 2960, 4096, 8192, 65507} {
				if n == 65507 && c.port == &untagged {
					continue
				}
				data := wiretest.Payload(n, byte(n))
				var m socket.Message
				if got := s.ComposeLong(&m, neigh.Wire(netip.AddrFrom4(c.to)), 40000, uint32(n)); got != socket.OK {
					t.Fatalf("%d bytes: ComposeLong = %v", n, got)
				}
				for rest := data; len(rest) > 0; { // in pieces of all alignments
					piece := rest[:min(len(rest), 777+i)]
					if got := m.Write(piece); int(got) != len(piece) {
						t.Fatalf("%d bytes: Write = %d, want %d", n, got, len(piece))
					}
					rest = rest[len(piece):]
				}
				if got := s.SendLong(&m, uint32(n)); got != socket.OK {
					t.Fatalf("%d bytes: SendLong = %v", n, got)
				}
				frames := b.sent()
				if n > socket.MaxPayload {
					ids[b.checkFragments(frames, n)] = true
				} else if len(frames) != 1 {
					t.Fatalf("%d bytes: %d frames", n, len(frames))
				}
				if got := f.get(frames); !bytes.Equal(got, data) {
					t.Errorf("%d bytes: the peer got %d, or others", n, len(got))
				}
				b.checkPools(0, 0)
			}
			if len(ids) < 9 {
				t.Errorf("%d identifications", len(ids))
			}
		})
	}
}

// A datagram that came in fragments goes back in them, as another stack cut them, in the slots that they came in; a shorter one in fewer.
func TestReplyLong(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	f := newFar(t, b.site.VFrom().SrcIP, 40000)
	s := b.open(socket.Options{Local: local(anywhere, 5000), TOS: 0xb8, TTL: 9})
	for _, n := range []int{5, 1472, 1473, 8192, 20000} {
		data := wiretest.Payload(n, byte(n))
		for _, back := range []int{n, n / 2, 3} {
			b.bring(f.say(b.site.VFrom(), 5000, data)...)
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatalf("%d bytes: %v", n, status)
			}
			var echo []byte
			for piece := make([]byte, 1001); ; { // it stays, when it has been read
				k := m.Read(piece)
				if echo = append(echo, piece[:k]...); k == 0 {
					break
				}
			}
			if !bytes.Equal(echo, data) {
				t.Fatalf("%d bytes: read %d, or others", n, len(echo))
			}
			m.Rewind()
			m.Skip(uint32(back) - 1)
			m.SetByte(0, 0xee)
			want := append(bytes.Clone(data[:back-1]), 0xee)
			if got := s.ReplyLong(m, uint32(back)); got != socket.OK {
				t.Fatalf("%d of %d bytes: %v", back, n, got)
			}
			frames := b.sent()
			if back > socket.MaxPayload {
				b.checkFragments(frames, back)
			}
			if got := f.get(frames); !bytes.Equal(got, want) {
				t.Errorf("%d of %d bytes: the peer got %d, or others", back, n, len(got))
			}
			b.checkPools(0, 0)
		}
	}
	// Too much, too late.
	for _, c := range []struct {
		name string
		do   func(m *socket.Message) socket.Status
		want socket.Status
	}{
		{"more than came", func(m *socket.Message) socket.Status { return s.ReplyLong(m, 8193) }, socket.TooLong},
		{"far more", func(m *socket.Message) socket.Status { return s.ReplyLong(m, ^uint32(0)) }, socket.TooLong},
		{"behind Next", func(m *socket.Message) socket.Status { m.Next(); return s.ReplyLong(m, 100) }, socket.Invalid},
		{"by Send", func(m *socket.Message) socket.Status { return s.Send(m, 100) }, socket.TooLong},
		{"by SendFrame", func(m *socket.Message) socket.Status { return s.SendFrame(m, 100) }, socket.NotRaw},
	} {
		b.bring(f.say(b.site.VFrom(), 5000, make([]byte, 8192))...)
		m, _ := s.Receive()
		if got := c.do(m); got != c.want || len(b.sent()) != 0 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		b.checkPools(0, 0)
	}
}

// What is in the way of a datagram in fragments has its name, sends none of them and leaves no buffer behind.
func TestLongRefused(t *testing.T) {
	b := newBenchWith(t, enettest.Options{Async: true})
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	to := netip.AddrPortFrom(b.peer, 9)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	b.ok(s.Connect(to))
	whole := b.open(socket.Options{Local: local(anywhere, 5001), DontFragment: true})
	b.ok(whole.Connect(to))
	try := func(s socket.Socket, n uint32) socket.Status {
		var m socket.Message
		if status := s.ComposeLong(&m, 0, 0, n); status != socket.OK {
			return status
		}
		return s.SendLong(&m, n)
	}
	check := func(name string, s socket.Socket, n uint32, want socket.Status) {
		t.Helper()
		before := socket.PoolStats(0).Free
		failed := socket.List()[s].Counters[socket.FailedSend]
		if got := try(s, n); got != want || s.WritableLong(0, 0, n) != want && want != socket.OK {
			t.Errorf("%s: %v, WritableLong = %v, want %v", name, got, s.WritableLong(0, 0, n), want)
		}
		if want == socket.OK {
			return
		}
		if got := socket.PoolStats(0).Free; got != before {
			t.Errorf("%s: %d buffers are free, before %d", name, got, before)
		}
		if got := socket.List()[s].Counters[socket.FailedSend] - failed; got != 1 {
			t.Errorf("%s: failed_send moved by %d", name, got)
		}
	}
	check("too long", s, socket.MaxDatagram+1, socket.TooLong)
	check("far too long", s, ^uint32(0), socket.TooLong)
	check("not to be in fragments", whole, socket.MaxPayload+1, socket.TooLong)
	check("in one", whole, socket.MaxPayload, socket.OK)
	check("no buffers", s, 1480*pool, socket.NoBuffer)
	socket.Pause(0)
	check("down", s, 4000, socket.Down)
	socket.Up(0)
	busy := socket.FragmentStats().Busy
	for range enet.RingSize - 3 {
		if got := try(s, 1); got != socket.OK {
			t.Fatal(got)
		}
	}
	check("room for two of three", s, 4000, socket.Busy)
	if got := socket.FragmentStats().Busy - busy; got != 1 {
		t.Errorf("busy moved by %d", got)
	}
	check("room for two", s, 2000, socket.OK)
	b.nic.Complete(1)
	b.nic.Discard()
	check("room for three, as the ring is looked at", s, 2000, socket.Busy)
	b.nic.Complete(3)
	check("room", s, 4000, socket.OK)
	b.nic.Complete(-1)
	divert.Poll(0)
	b.checkPools(0, 0)

	// One that is composed for more than is sent gives back what it does not need.
	var m socket.Message
	if got := s.ComposeLong(&m, 0, 0, 8192); got != socket.OK || socket.PoolStats(0).Free != pool-6 {
		t.Fatalf("%v, %d free", got, socket.PoolStats(0).Free)
	}
	if got := s.SendLong(&m, 3000); got != socket.OK {
		t.Error(got)
	}
	if got := s.ComposeLong(&m, 0, 0, 8192); got != socket.OK {
		t.Fatal(got)
	}
	m.Skip(5000)
	m.Release()
	b.nic.Complete(-1)
	divert.Poll(0)
	b.checkPools(0, 0)
}

// No identification is used again within its time for the same destination: who sends faster is told so, and loses no buffer.
func TestIdentifications(t *testing.T) {
	b := newBench(t)
	const unit = 1 << 20 // what the package counts in
	const lifeTicks = 100 * unit
	socket.Identify(lifeTicks, 4711)
	t.Cleanup(func() { socket.Identify(0, 0) })
	peer := neigh.Wire(netip.AddrFrom4(b.site.VFrom().SrcIP))
	now := uint64(1 << 40)
	last := map[uint32]uint64{}
	sent, refused := 0, 0
	for range 250_000 {
		now += unit / 1024 // 102,400 in a life
		b.now(now)
		id, ok := socket.Identification(peer)
		if !ok {
			refused++
			continue
		}
		if before, again := last[id]; again && now-before < lifeTicks {
			t.Fatalf("number %d: identification %#x again after %d ticks", sent, id, now-before)
		}
		last[id] = now
		sent++
	}
	if sent < 61_440*2 || refused == 0 {
		t.Errorf("%d of 250,000 sent, %d refused", sent, refused)
	}
	for ok := true; ok; {
		_, ok = socket.Identification(peer)
	}
	b.ok(neigh.Set(vlan, netip.AddrFrom4(b.site.VFrom().SrcIP), b.site.PeerMAC, false))
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	before := socket.FragmentStats()
	send := func() socket.Status {
		var m socket.Message
		if got := s.ComposeLong(&m, peer, 9, 1500); got != socket.OK {
			t.Fatal(got)
		}
		return s.SendLong(&m, 1500)
	}
	if got := send(); got != socket.Busy || socket.FragmentStats().NoIdent != before.NoIdent+1 {
		t.Errorf("no identification left: %v", got)
	}
	b.checkPools(0, 0)
	b.now(now + 2*lifeTicks)
	if got := send(); got != socket.OK {
		t.Errorf("after a pause: %v", got)
	}
	if got := socket.FragmentStats(); got.Datagrams != before.Datagrams+1 || got.Fragments != before.Fragments+2 {
		t.Errorf("%+v, before %+v", got, before)
	}
	b.sent()
	b.checkPools(0, 0)
}

// Nothing of a task's is allocated.
func TestLongAllocatesNothing(t *testing.T) {
	b := newBench(t)
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	peer := neigh.Wire(b.peer)
	var piece [1000]byte
	var m socket.Message
	if n := testing.AllocsPerRun(100, func() {
		s.ComposeLong(&m, peer, 9, 3000)
		for range 3 {
			m.Write(piece[:])
		}
		m.Rewind()
		m.Read(piece[:])
		s.SendLong(&m, 3000)
	}); n > 6 { // what the fake controller keeps of three frames
		t.Errorf("%v allocations", n)
	}
	b.sent()
}

// Write and Read move every number of bytes between every two alignments, and nothing else.
func TestPieces(t *testing.T) {
	b := newBench(t)
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	data := wiretest.Payload(socket.MaxPiece+16, 3)
	for n := 0; n <= 70; n++ {
		for from := range 5 {
			for at := range 5 {
				var m socket.Message
				if got := s.ComposeLong(&m, neigh.Wire(b.peer), 9, 3000); got != socket.OK {
					t.Fatal(got)
				}
				start := 1472 - 20 + at // across the first part's end
				m.Skip(uint32(start))
				if got := m.Write(data[from : from+n]); int(got) != n {
					t.Fatalf("Write = %d, want %d", got, n)
				}
				m.Rewind()
				m.Skip(uint32(start))
				got := make([]byte, n+from+1)
				if k := m.Read(got[from : from+n]); int(k) != n || !bytes.Equal(got[from:from+n], data[from:from+n]) || got[n+from] != 0 {
					t.Fatalf("%d bytes from %d to %d: %x", n, from, at, got)
				}
				m.Release()
			}
		}
	}
	var m socket.Message
	s.ComposeLong(&m, neigh.Wire(b.peer), 9, 3000)
	if got := m.Write(data); got != socket.MaxPiece {
		t.Errorf("Write of more than MaxPiece = %d", got)
	}
	if got := m.Write(data); got != 3000-socket.MaxPiece {
		t.Errorf("Write up to the end = %d", got)
	}
	if got := m.Skip(1); got != 0 || m.Len != 0 {
		t.Errorf("Skip at the end = %d", got)
	}
	m.Release()
	b.checkPools(0, 0)
}
