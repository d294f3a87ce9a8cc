package socket_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/oob"
	"mortise/stack/reassembly"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// life is how long a datagram may take, in ticks of the host's clock.
const life = 1000

// reassemble turns reassembly on, for the test's time.
func (b *bench) reassemble() {
	b.Helper()
	b.now(1 << 40)
	socket.Reassemble(0, life)
	b.Cleanup(func() {
		b.now(1<<40 + 100*life)
		socket.Expire()
		socket.Reassemble(task.NoTimer, 0)
	})
}

func (b *bench) now(ticks uint64) { task.SetHost(ticks, nil) }

// datagram returns the IPv4 payload of a UDP datagram: its header with a right checksum, and data.
func datagram(h *wire.Header, from, to uint16, data []byte) []byte {
	u := binary.BigEndian.AppendUint16(nil, from)
	u = binary.BigEndian.AppendUint16(u, to)
	u = binary.BigEndian.AppendUint16(u, uint16(8+len(data)))
	u = append(u, 0, 0)
	u = append(u, data...)
	pseudo := append(append([]byte{}, h.SrcIP[:]...), h.DstIP[:]...)
	binary.BigEndian.PutUint16(u[6:], wire.Checksum(append(pseudo, u...), wire.ProtoUDP+uint32(len(u))))
	return u
}

// piece returns the frame with the bytes of an IPv4 payload from offset on, n of them.
func piece(h *wire.Header, payload []byte, offset, n int) []byte {
	f := wire.AppendIPv4(nil, h, wire.ProtoUDP, n)
	f = append(f, payload[offset:offset+n]...)
	f = append(f, make([]byte, max(wire.MinLen-len(f), 0))...)
	return wiretest.IP(f, func(ip []byte) {
		flags := uint16(offset / 8)
		if offset+n < len(payload) {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(ip[6:], flags)
	})
}

// pieces cuts an IPv4 payload for an MTU.
func pieces(h *wire.Header, payload []byte, mtu int) (frames [][]byte) {
	for step, offset := (mtu-20)&^7, 0; offset < len(payload); offset += step {
		frames = append(frames, piece(h, payload, offset, min(step, len(payload)-offset)))
	}
	return frames
}

// bring lets frames come in, each in an activation of its own.
func (b *bench) bring(frames ...[]byte) {
	for _, f := range frames {
		b.nic.Inject(f)
		divert.Poll(0)
	}
}

// all returns all parts of a message, and gives it back.
func all(m *socket.Message) []byte {
	b := payload(m)
	for m.Next() {
		b = append(b, payload(m)...)
	}
	m.Release()
	return b
}

// A datagram in fragments arrives whole, in any order and of any size, with who it is from; other datagrams and other fragments
// in between do not harm it.
func TestFragments(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	rnd := rand.New(rand.NewPCG(1, 1))
	before := socket.ReassemblyStats()
	id := uint16(0)
	for _, h := range []*wire.Header{b.site.From(), b.site.VFrom()} {
		for _, n := range []int{1473, 1481, 2000, 4096, 9000} {
			for _, mtu := range []int{1500, 576} {
				if n > 4096 && mtu < 1500 {
					continue
				}
				for order := range 3 {
					id++
					h.ID = id
					data := wiretest.Payload(n, byte(n))
					frames := pieces(h, datagram(h, 40000, 5000, data), mtu)
					if rules := h.DstIP == b.site.Addr; order > 0 {
						rest := frames
						if rules { // there the first fragment has to come first
							rest = frames[1:]
						}
						rnd.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
					}
					for i, f := range frames {
						b.bring(f)
						if got, want := s.Readable(), uint32(i/(len(frames)-1)); got != want {
							t.Fatalf("%d bytes, %d of %d fragments: %d messages, want %d", n, i+1, len(frames), got, want)
						}
					}
					m, _ := s.Receive()
					if m.Whole() != uint32(n) || m.PeerPort != 40000 || m.Peer == 0 {
						t.Errorf("%d bytes: %+v, %d in all", n, m, m.Whole())
					}
					if got := all(m); !bytes.Equal(got, data) {
						t.Errorf("%d bytes, MTU %d: they have changed", n, mtu)
					}
					b.checkPools(0, 0)
				}
			}
		}
	}
	if got := socket.ReassemblyStats(); got != before || got.Incomplete != 0 {
		t.Errorf("%+v, before %+v", got, before)
	}
}

// What becomes of each fragment is in one counter, and every buffer comes back.
func TestFragmentsRefused(t *testing.T) {
	h := func(b *bench) *wire.Header { return b.site.VFrom() }
	whole := func(b *bench) []byte { return datagram(h(b), 40000, 5000, wiretest.Payload(3000, 1)) }
	for _, c := range []struct {
		name    string
		frames  func(b *bench) [][]byte
		counter int
		n       uint32 // of the counter
	}{
		{"overlap", func(b *bench) [][]byte {
			p := whole(b)
			return [][]byte{piece(h(b), p, 0, 1480), piece(h(b), p, 1472, 1480), piece(h(b), p, 1480, 1480), piece(h(b), p, 2960, 48)}
		}, oob.FragmentRefused, 3},
		{"duplicate", func(b *bench) [][]byte {
			p := whole(b)
			return [][]byte{piece(h(b), p, 0, 1480), piece(h(b), p, 0, 1480)}
		}, oob.FragmentDuplicate, 1},
		{"tiny", func(b *bench) [][]byte { return [][]byte{piece(h(b), whole(b), 0, 40)} }, oob.FragmentMalformed, 1},
		{"no multiple of eight", func(b *bench) [][]byte { return [][]byte{piece(h(b), whole(b), 0, 1001)} }, oob.FragmentMalformed, 1},
		{"too many", func(b *bench) [][]byte {
			p := whole(b)
			var f [][]byte
			for i := range reassembly.MaxParts + 1 {
				f = append(f, piece(h(b), p, 48*i, 48))
			}
			return f
		}, oob.FragmentNoRoom, reassembly.MaxParts + 1 - pool/2},
		{"too many packets", func(b *bench) [][]byte {
			var f [][]byte
			for i := range reassembly.MaxPackets + 2 {
				h := h(b)
				h.ID = uint16(i)
				f = append(f, piece(h, whole(b), 0, 1480))
			}
			return f
		}, oob.FragmentNoRoom, 2},
		{"checksum", func(b *bench) [][]byte {
			p := whole(b)
			p[2000] ^= 1
			return pieces(h(b), p, 1500)
		}, oob.UDPChecksum, 1},
		{"UDP length", func(b *bench) [][]byte {
			p := append(whole(b), 0)
			return pieces(h(b), p, 1500)
		}, oob.UDPLength, 1},
		{"header checksum", func(b *bench) [][]byte {
			f := piece(h(b), whole(b), 0, 1480)
			f[18+10] ^= 1
			return [][]byte{f}
		}, oob.IPv4Checksum, 1},
		{"no socket on the port", func(b *bench) [][]byte {
			return pieces(h(b), datagram(h(b), 40000, 5009, make([]byte, 3000)), 1500)[:1]
		}, oob.IPv4Fragment, 1},
		{"no socket, known at the end", func(b *bench) [][]byte {
			f := pieces(h(b), datagram(h(b), 40000, 5009, make([]byte, 2000)), 1500)
			return [][]byte{f[1], f[0]}
		}, oob.Unclaimed, 1},
		{"with rules: the last one first", func(b *bench) [][]byte {
			f := pieces(b.site.From(), datagram(b.site.From(), 40000, 5000, make([]byte, 2000)), 1500)
			return [][]byte{f[1]}
		}, oob.InbandFragment, 1},
		{"with rules: an UDP port that they do not have", func(b *bench) [][]byte {
			return pieces(b.site.From(), datagram(b.site.From(), 40000, 6000, make([]byte, 2000)), 1500)
		}, oob.InbandFragment, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.reassemble()
			s := b.open(socket.Options{Local: local(anywhere, 5000)})
			before := oob.Snapshot(0)
			b.bring(c.frames(b)...)
			after := oob.Snapshot(0)
			if got := after[c.counter] - before[c.counter]; got != c.n {
				t.Errorf("%s moved by %d, want %d", oob.CounterNames[c.counter], got, c.n)
			}
			if !after.Balanced() {
				t.Error("a frame is in no counter, or in two")
			}
			if s.Readable() != 0 {
				t.Error("a message came of it")
			}
			b.dev.Receive(8, func([]byte) {})
			b.now(1<<40 + life)
			socket.Expire()
			b.checkPools(0, 0)
		})
	}
}

// What is not complete in its time goes back, no sooner, and its port's going down takes it along; so does a datagram that its socket has no room for.
func TestFragmentsExpire(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	s := b.open(socket.Options{Local: local(anywhere, 5000), Queue: 1})
	h := b.site.VFrom()
	cut := func() [][]byte {
		h.ID++
		return pieces(h, datagram(h, 40000, 5000, wiretest.Payload(4000, 1)), 1500)
	}
	before := socket.ReassemblyStats().Expired
	b.bring(cut()[:2]...)
	b.now(1<<40 + life/2)
	late := cut()
	b.bring(late[:1]...)
	b.now(1<<40 + life - 1)
	socket.Expire()
	b.checkPools(0, 3)
	b.now(1<<40 + life)
	socket.Expire()
	b.checkPools(0, 1)
	b.bring(late[1:]...)
	if got := socket.ReassemblyStats(); s.Readable() != 1 || got.Expired-before != 1 || got.Incomplete != 0 {
		t.Errorf("%d messages, %+v, want the one that came in time", s.Readable(), got)
	}
	b.bring(cut()...) // the queue is full
	b.checkPools(0, 3)
	b.bring(cut()[:2]...)
	socket.ShutDown(oob.PortIndex(0, 1))
	b.checkPools(0, 0)
	if got := socket.ReassemblyStats(); got.Incomplete != 0 {
		t.Errorf("%+v: the port is down", got)
	}
}

// A reply goes back in the first fragment's buffer, and the others are free.
func TestReplyToFragments(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	h := b.site.VFrom()
	b.bring(pieces(h, datagram(h, 40000, 5000, wiretest.Payload(3000, 1)), 1500)...)
	m, _ := s.Receive()
	write(m, []byte("got it"))
	if got := s.Reply(m, 6); got != socket.OK {
		t.Fatal(got)
	}
	sent := b.nic.Sent()
	back := wiretest.Back(h)
	back.ID = binary.BigEndian.Uint16(sent[0][wiretest.L3(sent[0])+4:])
	want := wiretest.IP(wire.AppendUDP(nil, back, 5000, 40000, []byte("got it")), func(ip []byte) { ip[6] = 0x40 })
	if len(sent) != 1 || !bytes.Equal(sent[0], want) {
		t.Errorf("sent\n%x, want\n%x", sent, want)
	}
	divert.Poll(0)
	b.bring(pieces(h, datagram(h, 40000, 5000, wiretest.Payload(3000, 1)), 1500)...)
	m, _ = s.Receive()
	m.Next()
	if got := s.Reply(m, 6); got != socket.Invalid {
		t.Errorf("behind Next: Reply = %v", got)
	}
	b.checkPools(0, 0)
}

// A goroutine gets a datagram in fragments in one piece.
func TestConnFragments(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	defer c.Close()
	h := b.site.VFrom()
	for n, size := range []int{20000, 1473, 4000} {
		h.ID = uint16(n)
		data := wiretest.Payload(size, byte(n))
		b.bring(pieces(h, datagram(h, 40000, 5000, data), 1500)...)
		socket.Deliver()
		buf := make([]byte, 1<<16)
		b.ok(c.SetReadDeadline(time.Now().Add(time.Second)))
		if n == 2 {
			buf = buf[:3000]
		}
		r, err := c.ReadMessage(buf)
		b.ok(err)
		if want := min(size, len(buf)); r.N != want || r.Whole != size || r.Truncated() != (want < size) || !bytes.Equal(buf[:r.N], data[:want]) {
			t.Errorf("%d bytes came as %+v, or changed", size, r)
		}
	}
	b.arrive(b.site.VFrom(), 40000, 5000, nil)
	b.checkPools(0, 1) // the last message
	if n := fmt.Sprint(socket.ReassemblyStats().Incomplete); n != "0" {
		t.Errorf("%s are incomplete", n)
	}
}
