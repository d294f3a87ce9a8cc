package socket_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

func (b *bench) openRaw(etherType uint16, o socket.Options) socket.Socket {
	b.Helper()
	s, err := socket.OpenRaw(etherType, o)
	b.ok(err)
	return s
}

// received takes all of a socket's messages, and gives them back.
func received(s socket.Socket) (all [][]byte) {
	for m, status := s.Receive(); status == socket.OK; m, status = s.Receive() {
		all = append(all, payload(m))
		m.Release()
	}
	return all
}

// tagged returns a frame of an EtherType with n bytes behind its header, on a VLAN if vid is not 0.
func (b *bench) tagged(vid, typ uint16, n int) []byte {
	h := &wire.Header{Dst: b.site.MAC, Src: b.site.PeerMAC}
	if vid != 0 {
		h.Tags = []wire.VLAN{{VID: vid}}
	}
	return append(wire.AppendEthernet(nil, h, typ), wiretest.Payload(n, 3)...)
}

// A raw socket for all frames gets a copy of each frame of its port as it came, whatever becomes of it; one for an EtherType
// consumes its frames; in-band gets what it got before, answers are sent as before.
func TestAllFrames(t *testing.T) {
	b := newBench(t)
	onDevice := b.openRaw(socket.AllFrames, socket.Options{Device: &untagged})
	onVLAN := b.openRaw(socket.AllFrames, socket.Options{Device: &vlan})
	second := b.openRaw(socket.AllFrames, socket.Options{Device: &vlan})
	specific := b.openRaw(0x88a4, socket.Options{Device: &vlan})
	bound := b.open(socket.Options{Local: local(anywhere, 5000)})

	echo := wire.AppendUDP(nil, b.site.VFrom(), 40000, 7, []byte("echo"))
	datagram := wire.AppendUDP(nil, b.site.From(), 40000, 5000, wiretest.Payload(1472, 1))
	process := b.tagged(b.site.VID, 0x88a4, 80)
	arp := wire.AppendARP(nil, b.site.VFrom(), 1, [6]byte{})
	inband := b.tagged(0, 0x88f7, 46)
	elsewhere := b.tagged(99, 0x88a4, 60)
	for _, f := range [][]byte{echo, datagram, process, arp, inband, elsewhere} {
		b.nic.Inject(f)
		divert.Poll(0)
	}
	var left [][]byte
	b.dev.Receive(8, func(f []byte) { left = append(left, bytes.Clone(f)) })

	for _, c := range []struct {
		name      string
		got, want [][]byte
	}{
		{"on the device", received(onDevice), [][]byte{datagram, inband}},
		{"on the VLAN", received(onVLAN), [][]byte{echo, process, arp}},
		{"the second on the VLAN", received(second), [][]byte{echo, process, arp}},
		{"for one EtherType", received(specific), [][]byte{process}},
		{"UDP", received(bound), [][]byte{wiretest.Payload(1472, 1)}},
		{"in-band", left, [][]byte{inband, elsewhere}},
	} {
		if !slices.EqualFunc(c.got, c.want, bytes.Equal) {
			t.Errorf("%s: got %x, want %x", c.name, c.got, c.want)
		}
	}
	if sent := b.nic.Sent(); len(sent) != 2 {
		t.Errorf("%d frames sent, want the echo's and ARP's answers", len(sent))
	}
	b.checkPools(0, 0)
}

// Copies are bounded by the queue, by the port's pool and by what an activation makes; what is not copied is counted, in one counter, and
// goes its way.
func TestCopiesAreBounded(t *testing.T) {
	const frames = 20
	for _, c := range []struct {
		name    string
		o       socket.Options
		open    int // sockets
		at      int // frames an activation
		pool    int // buffers of the port that are left
		counter int
		want    int // copies of all sockets
	}{
		{"none", socket.Options{}, 1, 1, pool, socket.DroppedCopy, frames},
		{"queue", socket.Options{Queue: 5}, 1, 1, pool, socket.DroppedFull, 5},
		{"pool", socket.Options{}, 1, 1, 7, socket.DroppedBuffer, 7},
		{"activation", socket.Options{}, 1, frames, pool, socket.DroppedCopy, core.MaxShown},
		{"two of them", socket.Options{}, 2, 10, pool, socket.DroppedCopy, 2 * core.MaxShown},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.o.Device = &vlan
			writer := b.openRaw(0x88b5, socket.Options{Device: &vlan})
			var held []socket.Message
			for range pool - c.pool {
				var m socket.Message
				if got := writer.ComposeFrame(&m); got != socket.OK {
					t.Fatal(got)
				}
				held = append(held, m)
			}
			for range c.open {
				b.openRaw(socket.AllFrames, c.o)
			}
			for n := range frames {
				b.nic.Inject(wire.AppendUDP(nil, b.site.VFrom(), 40000, 7, numbered(n)))
				if n%c.at == c.at-1 {
					divert.Poll(0)
				}
			}
			if sent := b.nic.Sent(); len(sent) != frames {
				t.Errorf("%d echoes, want %d", len(sent), frames)
			}
			copies, dropped := 0, uint32(0)
			for _, s := range socket.List() {
				if s.Socket != writer {
					copies += len(received(s.Socket))
					dropped += s.Counters[c.counter]
				}
			}
			if want := uint32(c.open*frames - c.want); copies != c.want || dropped != want {
				t.Errorf("%d copies, %d counted as %s, want %d, %d", copies, dropped, socket.CounterNames[c.counter], c.want, want)
			}
			for i := range held {
				held[i].Release()
			}
			divert.Poll(0)
			b.checkPools(0, 0)
		})
	}
}

// There are so many sockets for all frames, no more; with the last one that is closed nothing is shown any more.
func TestAllFramesOpenAndClose(t *testing.T) {
	b := newBench(t)
	var open []socket.Socket
	for range socket.MaxListeners {
		open = append(open, b.openRaw(socket.AllFrames, socket.Options{Device: &vlan}))
	}
	if _, err := socket.OpenRaw(socket.AllFrames, socket.Options{Device: &vlan}); !errors.Is(err, socket.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if _, err := socket.OpenRaw(socket.AllFrames, socket.Options{}); !errors.Is(err, socket.ErrOption) {
		t.Errorf("on no port: %v", err)
	}
	loopback := neigh.Loopback
	if _, err := socket.OpenRaw(socket.AllFrames, socket.Options{Device: &loopback}); !errors.Is(err, socket.ErrOption) || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("on the loopback port: %v", err)
	}
	for n, s := range open {
		b.nic.Inject(b.tagged(b.site.VID, 0x88a4, 46))
		divert.Poll(0)
		for _, s := range open[n:] {
			if got := len(received(s)); got != 1 {
				t.Errorf("%d closed: socket %d got %d copies", n, s, got)
			}
		}
		b.ok(s.Close())
	}
	b.dev.Divert(false)
	again := b.openRaw(socket.AllFrames, socket.Options{Device: &untagged})
	b.dev.Divert(true)
	b.nic.Inject(b.tagged(0, 0x88a4, 46))
	divert.Poll(0)
	if got := len(received(again)); got != 1 {
		t.Errorf("opened while the device was in-band's: %d copies", got)
	}
	b.ok(again.Close())
	b.nic.Inject(b.tagged(0, 0x88a4, 46))
	divert.Poll(0)
	b.dev.Receive(64, func([]byte) {})
	b.checkPools(0, 0)
}
