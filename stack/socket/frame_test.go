package socket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"mortise/stack/divert"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// compose sends a frame of f's bytes, which have no tag.
func compose(s socket.Socket, f []byte) socket.Status {
	var m socket.Message
	if status := s.ComposeFrame(&m); status != socket.OK {
		return status
	}
	write(&m, f)
	return s.SendFrame(&m, uint32(len(f)))
}

// What is composed goes out with the port's tag, and the socket's priority in it; on a port without a VLAN as it is.
func TestSendFrame(t *testing.T) {
	b := newBench(t)
	onVLAN := b.openRaw(0x88a4, socket.Options{Device: &vlan, PCP: 5})
	plain := b.openRaw(0x88a4, socket.Options{Device: &untagged, PCP: 5})
	all := b.openRaw(socket.AllFrames, socket.Options{Device: &vlan})
	for _, n := range []int{0, 1, 41, 42, 45, 46, 47, 1499, 1500} {
		for _, c := range []struct {
			name string
			s    socket.Socket
			tags []wire.VLAN
		}{{"VLAN", onVLAN, []wire.VLAN{{VID: b.site.VID, PCP: 5}}}, {"VLAN, all frames", all, []wire.VLAN{{VID: b.site.VID}}}, {"no VLAN", plain, nil}} {
			before := [2]socket.Traffic{socket.TrafficOf(0), socket.TrafficOf(1)}
			h := wire.Header{Dst: b.site.PeerMAC, Src: [6]byte{2, 3, 4, 5, 6, 7}}
			data := wiretest.Payload(n, byte(n))
			f := append(wire.AppendEthernet(nil, &h, 0x88a4), data...)
			if got := compose(c.s, f); got != socket.OK {
				t.Fatalf("%s, %d bytes: %v", c.name, n, got)
			}
			h.Tags = c.tags
			want := append(wire.AppendEthernet(nil, &h, 0x88a4), data...)
			bytesSent := uint64(len(want))
			if len(want) < wire.MinLen {
				want = append(want, make([]byte, wire.MinLen-len(want))...)
			}
			if sent := b.sent(); len(sent) != 1 || !bytes.Equal(sent[0], want) {
				t.Errorf("%s, %d bytes: sent\n%x, want\n%x", c.name, n, sent, want)
			}
			at := min(1, len(c.tags))
			if after := socket.TrafficOf(uint32(at)); after.TxPackets != before[at].TxPackets+1 || after.TxBytes != before[at].TxBytes+bytesSent {
				t.Errorf("%s, %d bytes: traffic %+v, was %+v", c.name, n, after, before[at])
			}
		}
	}
	// The priority is changed while the socket is in use.
	b.ok(onVLAN.Remark(socket.Options{PCP: 7}))
	if got := compose(onVLAN, b.tagged(0, 0x88a4, 46)); got != socket.OK || b.sent()[0][14] != 7<<5 {
		t.Errorf("PCP 7: %v", got)
	}
	if err := onVLAN.Remark(socket.Options{PCP: 8}); !errors.Is(err, socket.ErrOption) {
		t.Errorf("PCP 8: %v", err)
	}
	b.checkPools(0, 0)
}

// The header that a composed frame has already is the port's address and the socket's EtherType.
func TestComposeFrame(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		typ, want uint16
	}{{0x88a4, 0x88a4}, {socket.AllFrames, 0}} {
		s := b.openRaw(c.typ, socket.Options{Device: &vlan})
		var m socket.Message
		if got := s.ComposeFrame(&m); got != socket.OK || m.Len != 1514 {
			t.Fatalf("%v, room for %d bytes", got, m.Len)
		}
		m.Write(b.site.PeerMAC[:]) // as a task does: the frame's bytes from the first one on
		m.Skip(8)
		m.Write([]byte("process data"))
		if m.Rewind(); m.Len != 1514 || string(payload(&m)[14:26]) != "process data" {
			t.Fatalf("rewound: %d bytes, %q", m.Len, payload(&m)[:26])
		}
		if got := s.SendFrame(&m, 60); got != socket.OK {
			t.Fatal(got)
		}
		want := wire.AppendEthernet(nil, &wire.Header{Dst: b.site.PeerMAC, Src: b.site.MAC, Tags: []wire.VLAN{{VID: b.site.VID}}}, c.want)
		if f := b.sent()[0]; !bytes.HasPrefix(f, append(want, "process data"...)) {
			t.Errorf("EtherType %#04x: sent %x, want it to begin with %x", c.typ, f, want)
		}
		b.ok(s.Close())
	}
	b.checkPools(0, 0)
}

// A frame that was received goes back with the tags that it came with, its priority as well.
func TestSendFrameBack(t *testing.T) {
	b := newBench(t)
	s := b.openRaw(0x88a4, socket.Options{Device: &vlan, PCP: 1})
	for _, tags := range [][]wire.VLAN{
		{{VID: b.site.VID, PCP: 6}}, {{VID: b.site.VID}}, {{VID: 7, TPID: 0x88a8, PCP: 3}, {VID: b.site.VID, PCP: 2}},
	} {
		f := append(wire.AppendEthernet(nil, &wire.Header{Dst: b.site.MAC, Src: b.site.PeerMAC, Tags: tags}, 0x88a4), wiretest.Payload(1500, 1)...)
		b.bring(f)
		m, status := s.Receive()
		if status != socket.OK {
			t.Fatalf("%v: %v", tags, status)
		}
		if got := s.SendFrame(m, m.Len); got != socket.OK {
			t.Fatalf("%v: %v", tags, got)
		}
		if sent := b.sent(); len(sent) != 1 || !bytes.Equal(sent[0], f) {
			t.Errorf("%v: sent %x, want %x", tags, sent, f)
		}
	}
	b.checkPools(0, 0)
}

// What cannot go out by the port so has its name, is counted, is not sent, and its buffer goes back.
func TestSendFrameRefused(t *testing.T) {
	b := newBench(t)
	onVLAN, plain := b.openRaw(0x88a4, socket.Options{Device: &vlan}), b.openRaw(0x88a4, socket.Options{Device: &untagged})
	bare := b.tagged(0, 0x88a4, 1501)
	group := bytes.Clone(bare)
	group[6] |= 1
	service := b.tagged(b.site.VID, 0x88a4, 100)
	service[12], service[13] = 0x88, 0xa8
	for _, c := range []struct {
		name string
		s    socket.Socket
		f    []byte
		want socket.Status
	}{
		{"nothing", onVLAN, nil, socket.Invalid},
		{"13 bytes", onVLAN, bare[:13], socket.Invalid},
		{"13 bytes, no VLAN", plain, bare[:13], socket.Invalid},
		{"14 bytes", onVLAN, bare[:14], socket.OK},
		{"half a tag", plain, b.tagged(1, 0x88a4, 0)[:17], socket.Invalid},
		{"from a group", onVLAN, group[:100], socket.Invalid},
		{"from a group, no VLAN", plain, group[:100], socket.Invalid},
		{"1,500 bytes", onVLAN, bare[:1514], socket.OK},
		{"1,501 bytes", onVLAN, bare, socket.TooLong},
		{"1,501 bytes, no VLAN", plain, bare, socket.TooLong},
		{"1,500 bytes, with priority tag", plain, priority(b.tagged(1, 0x88a4, 1500)), socket.OK},
		{"1,501 bytes, with priority tag", plain, priority(b.tagged(1, 0x88a4, 1501)), socket.TooLong},
		{"its own tag, which is the stage's to write", onVLAN, b.tagged(b.site.VID, 0x88a4, 100), socket.WrongTag},
		{"a service tag", onVLAN, service, socket.WrongTag},
		{"another VLAN", onVLAN, b.tagged(43, 0x88a4, 100), socket.WrongTag},
		{"a VLAN, by a port without", plain, b.tagged(b.site.VID, 0x88a4, 100), socket.WrongTag},
		{"a service tag, by a port without", plain, service, socket.WrongTag},
	} {
		before := socket.List()[c.s].Counters
		if got := compose(c.s, c.f); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		sent := 0
		if c.want == socket.OK {
			sent = 1
		}
		after := socket.List()[c.s].Counters
		if n := len(b.sent()); n != sent || after[socket.Sent] != before[socket.Sent]+uint32(sent) || after[socket.FailedSend] != before[socket.FailedSend]+uint32(1-sent) {
			t.Errorf("%s: %d frames sent, counters %v, were %v", c.name, n, after, before)
		}
		b.checkPools(0, 0)
	}
	var m socket.Message
	if got := onVLAN.ComposeFrame(&m); got != socket.OK {
		t.Fatal(got)
	}
	if got := onVLAN.SendFrame(&m, ^uint32(0)); got != socket.TooLong {
		t.Errorf("far too long: %v", got)
	}
	// What a task makes of a frame that came is judged, too.
	for _, c := range []struct {
		name string
		do   func(m *socket.Message) uint32
		want socket.Status
	}{
		{"another VLAN", func(m *socket.Message) uint32 { m.SetByte(15, 43); return m.Len }, socket.WrongTag},
		{"no VLAN", func(m *socket.Message) uint32 { m.SetByte(12, 0x08); return m.Len }, socket.WrongTag},
		{"within its tag", func(m *socket.Message) uint32 { return 17 }, socket.Invalid},
		{"a tag in its tag", func(m *socket.Message) uint32 {
			m.SetByte(16, 0x81)
			m.SetByte(17, 0)
			m.SetByte(18, 0)
			m.SetByte(19, 42)
			return 22
		}, socket.OK},
		{"another tag in its tag", func(m *socket.Message) uint32 { m.SetByte(16, 0x81); m.SetByte(17, 0); m.SetByte(19, 43); return 22 }, socket.WrongTag},
		{"within the tag in its tag", func(m *socket.Message) uint32 { m.SetByte(16, 0x81); m.SetByte(17, 0); return 21 }, socket.Invalid},
		{"from a group", func(m *socket.Message) uint32 { m.SetByte(6, 3); return m.Len }, socket.Invalid},
		{"too long", func(m *socket.Message) uint32 { return 1519 }, socket.TooLong},
		{"the longest", func(m *socket.Message) uint32 { return 1518 }, socket.OK},
	} {
		b.bring(b.tagged(b.site.VID, 0x88a4, 46))
		r, status := onVLAN.Receive()
		if status != socket.OK {
			t.Fatal(status)
		}
		if got := onVLAN.SendFrame(r, c.do(r)); got != c.want || len(b.sent()) != 0 != (c.want == socket.OK) {
			t.Errorf("received, %s: %v, want %v", c.name, got, c.want)
		}
		b.checkPools(0, 0)
	}
}

// priority makes a frame's tag one of no VLAN.
func priority(f []byte) []byte {
	f[14], f[15] = 3<<5, 0
	return f
}

// Whatever a task writes, what goes out by a port is in its VLAN, from a station, and no longer than the wire takes: byte by byte what it wrote, but for
// the tag.
func TestSendFrameAny(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(1, 2))
	ports := []struct {
		s   socket.Socket
		vid uint16
	}{{b.openRaw(socket.AllFrames, socket.Options{Device: &vlan, PCP: 3}), b.site.VID}, {b.openRaw(socket.AllFrames, socket.Options{Device: &untagged}), 0}}
	count := map[socket.Status]int{}
	for range 5000 {
		p := ports[r.IntN(2)]
		f := make([]byte, []int{r.IntN(30), 60, 1510 + r.IntN(20)}[r.IntN(3)])
		for i := range f {
			f[i] = byte(r.Uint32())
		}
		for at := 12; at+4 <= len(f) && r.IntN(2) == 0; at += 4 {
			binary.BigEndian.PutUint16(f[at:], []uint16{0x8100, 0x88a8, 0x88a4}[r.IntN(3)])
			binary.BigEndian.PutUint16(f[at+2:], []uint16{42, 43, 0, 0x602a}[r.IntN(4)])
		}
		// What a peer would read in it: tags, up to two, and the VLAN of the inner one.
		end, vid := 12, uint16(0)
		for range 2 {
			if end+2 <= len(f) && (string(f[end:end+2]) == "\x81\x00" || string(f[end:end+2]) == "\x88\xa8") {
				if end+4 <= len(f) {
					vid = binary.BigEndian.Uint16(f[end+2:]) & 0xfff
				}
				end += 4
			}
		}
		end += 2
		want := socket.OK
		out := f
		if p.vid != 0 {
			switch {
			case len(f) < 14 || f[6]&1 != 0:
				want = socket.Invalid
			case end != 14:
				want = socket.WrongTag
			case len(f) > 1514:
				want = socket.TooLong
			default:
				out = slices.Insert(bytes.Clone(f), 12, 0x81, 0, 3<<5, 42)
			}
		} else {
			switch {
			case len(f) < max(end, 14) || f[6]&1 != 0:
				want = socket.Invalid
			case vid != 0:
				want = socket.WrongTag
			case len(f) > end+1500:
				want = socket.TooLong
			}
		}
		got := compose(p.s, f)
		count[got]++
		sent := b.sent()
		if got != want || (want == socket.OK) != (len(sent) == 1) {
			t.Fatalf("VLAN %d, %x: %v, want %v", p.vid, f, got, want)
		}
		if want == socket.OK && (!bytes.HasPrefix(sent[0], out) || len(bytes.Trim(sent[0][len(out):], "\x00")) != 0) {
			t.Fatalf("sent %x, want %x", sent[0], out)
		}
	}
	for _, status := range []socket.Status{socket.OK, socket.Invalid, socket.WrongTag, socket.TooLong} {
		if count[status] < 100 {
			t.Errorf("%v: %d times only", status, count[status])
		}
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

func TestSendFrameNoAllocation(t *testing.T) {
	b := newBench(t)
	s := b.openRaw(0x88a4, socket.Options{Device: &vlan})
	var m socket.Message
	b.dev.Divert(false) // the model of the controller allocates what it has sent
	if n := testing.AllocsPerRun(50, func() {
		s.ComposeFrame(&m)
		s.SendFrame(&m, 13)
		s.ComposeFrame(&m)
		m.SetWord(20, 4711)
		if got := s.SendFrame(&m, 64); got != socket.Busy {
			t.Fatal(got)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	b.dev.Divert(true)
	b.checkPools(0, 0)
}
