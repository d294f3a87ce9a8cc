package socket_test

import (
	"testing"

	"mortise/stack/divert"
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
