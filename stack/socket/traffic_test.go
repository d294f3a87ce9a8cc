package socket_test

import (
	"net/netip"
	"testing"

	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// What a port has carried is counted for that port, in frames and in bytes, whoever has taken or sent it; what is in-band's is not.
func TestTraffic(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
	index := [2]uint32{oob.PortIndex(0, 0), oob.PortIndex(0, 1)}
	var start [2]socket.Traffic
	for i := range start {
		start[i] = socket.TrafficOf(index[i])
	}
	var want [2]socket.Traffic
	rx := func(i, frames, bytes int) { want[i].RxPackets += uint64(frames); want[i].RxBytes += uint64(bytes) }
	tx := func(i, frames, bytes int) { want[i].TxPackets += uint64(frames); want[i].TxBytes += uint64(bytes) }
	headers := []*wire.Header{b.site.From(), b.site.VFrom()}
	lengths := []int{42, 46} // of a frame without payload
	for i, h := range headers {
		// Answered by the stage: a UDP echo, an ICMP echo, ARP.
		request, _ := wiretest.Echo(h, 40000, make([]byte, 100))
		b.nic.Inject(request)
		rx(i, 1, lengths[i]+100)
		tx(i, 1, lengths[i]+100)
		b.nic.Inject(wire.AppendARP(nil, h, 1, [6]byte{}))
		rx(i, 1, 60)
		tx(i, 1, 60)
		// For a socket, answered by it: two, one of them smaller than the smallest frame.
		for _, n := range []int{200, 1} {
			b.arrive(h, 40000, 5000, make([]byte, n))
			rx(i, 1, lengths[i]+n)
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatal(status)
			}
			if status := s.Reply(m, uint32(n)); status != socket.OK {
				t.Fatal(status)
			}
			tx(i, 1, lengths[i]+n)
		}
		// Dropped: a wrong checksum, and what nothing claims on a port that takes all.
		request[len(request)-1] ^= 1
		b.nic.Inject(request)
		divert.Poll(0)
		want[i].Dropped++
	}
	b.arrive(headers[1], 40000, 4999, nil)
	want[1].Dropped++
	b.arrive(headers[0], 40000, 4999, nil) // the untagged port's rules leave it to in-band
	for i, index := range index {
		got := socket.TrafficOf(index)
		got = socket.Traffic{
			RxPackets: got.RxPackets - start[i].RxPackets, RxBytes: got.RxBytes - start[i].RxBytes,
			TxPackets: got.TxPackets - start[i].TxPackets, TxBytes: got.TxBytes - start[i].TxBytes,
			Dropped: got.Dropped - start[i].Dropped,
		}
		if got != want[i] {
			t.Errorf("port %d: %+v, want %+v", i, got, want[i])
		}
	}
	if in, _ := b.dev.Traffic(); in.RxPackets != 0 {
		t.Errorf("in-band has taken %d frames before it looked", in.RxPackets)
	}
	frames, bytes := uint64(0), uint64(0)
	for b.dev.Receive(8, func(f []byte) { frames++; bytes += uint64(len(f)) }) > 0 {
	}
	if in, _ := b.dev.Traffic(); in.RxPackets != frames || in.RxBytes != bytes || frames != 1 {
		t.Errorf("in-band: %+v, want %d frames, %d bytes", in, frames, bytes)
	}
}

// The sums go on when a tally goes around.
func TestTrafficWraps(t *testing.T) {
	b := newBench(t)
	b.loopback()
	before := socket.TrafficOf(oob.PortIndex(0, 0))
	for range 3 {
		socket.Answered(oob.PortIndex(0, 0), 1<<31, 1<<31)
		socket.TrafficOf(oob.PortIndex(0, 0))
	}
	after := socket.TrafficOf(oob.PortIndex(0, 0))
	if rx, tx := after.RxBytes-before.RxBytes, after.TxBytes-before.TxBytes; rx != 3<<31 || tx != 3<<31 {
		t.Errorf("%d and %d bytes, want %d", rx, tx, uint64(3<<31))
	}
}

// Fragments count for their port: each that is kept with its bytes, one that is dropped, or that ends a datagram nobody gets, as dropped.
func TestTrafficOfFragments(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	s := b.open(socket.Options{Local: local(anywhere, 5000), Queue: 1})
	for i, h := range []*wire.Header{b.site.From(), b.site.VFrom()} {
		index := oob.PortIndex(0, uint32(i))
		h.ID = 1
		payload := datagram(h, 40000, 5000, wiretest.Payload(4000, 1))
		frames := pieces(h, payload, 1500)
		bytes := uint64(len(payload) + len(frames)*(34+4*i))
		check := func(what string, rx, rxBytes, dropped uint64, bring ...[]byte) {
			t.Helper()
			start := socket.TrafficOf(index)
			b.bring(bring...)
			got := socket.TrafficOf(index)
			got.RxPackets -= start.RxPackets
			got.RxBytes -= start.RxBytes
			got.Dropped -= start.Dropped
			if got.RxPackets != rx || got.RxBytes != rxBytes || got.Dropped != dropped || got.TxPackets != start.TxPackets {
				t.Errorf("port %d, %s: %+v, want %d frames, %d bytes, %d dropped", i, what, got, rx, rxBytes, dropped)
			}
		}
		check("a datagram", 3, bytes, 0, frames...)
		last := uint64(len(frames[2]))
		check("the queue is full", 2, bytes-last, 1, frames...)
		m, _ := s.Receive()
		m.Release()
		check("a duplicate", 1, uint64(len(frames[0])), 1, frames[0], frames[0])
		check("overlapping", 0, 0, 2, piece(h, payload, 8, 1480), frames[2]) // its datagram is given up
		h.ID = 2
		check("tiny", 0, 0, 1, piece(h, payload, 0, 8))
		wrong := wiretest.IP(piece(h, payload, 0, 1480), func([]byte) {})
		wrong[wiretest.L3(wrong)+10] ^= 1
		check("a wrong header", 0, 0, 1, wrong)
		payload[6] ^= 1 // the UDP checksum
		check("a wrong datagram", 2, bytes-last, 1, pieces(h, payload, 1500)...)
		b.now(1<<40 + uint64(i+1)*10*life)
		socket.Expire()
	}
	b.checkPools(0, 0)
}

// A pool that is empty is told of by direction: for what came, and for what was to be sent.
func TestExhausted(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000), Device: &vlan})
	raw, err := socket.OpenRaw(0x88a4, socket.Options{Device: &vlan})
	b.ok(err)
	to := neigh.Wire(netip.AddrFrom4(b.site.VFrom().SrcIP))
	b.ok(neigh.Set(vlan, netip.AddrFrom4(b.site.VFrom().SrcIP), b.site.PeerMAC, false))
	var held []socket.Message
	start := socket.PoolStats(1)
	for range 1000 {
		var m socket.Message
		if s.Compose(&m, to, 9) != socket.OK {
			break
		}
		held = append(held, m)
	}
	var m socket.Message
	if status := raw.ComposeFrame(&m); status != socket.NoBuffer {
		t.Errorf("ComposeFrame = %v", status)
	}
	held[0].Release()
	if status := s.ComposeLong(&m, to, 9, 4000); status != socket.NoBuffer {
		t.Errorf("ComposeLong = %v", status)
	}
	if status := s.Compose(&held[0], to, 9); status != socket.OK {
		t.Error(status)
	}
	b.arrive(b.site.VFrom(), 40000, 5000, []byte("no room"))
	b.arrive(b.site.VFrom(), 40000, 5000, []byte("no room"))
	got := socket.PoolStats(1)
	if rx, tx := got.Exhausted-got.Unsent, got.Unsent-start.Unsent; rx != 2 || tx != 3 {
		t.Errorf("empty %d times to receive, %d to send, want 2 and 3", rx, tx)
	}
	for i := range held {
		held[i].Release()
	}
	b.checkPools(0, 0)
}
