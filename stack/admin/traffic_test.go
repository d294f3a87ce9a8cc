package admin_test

import (
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/console"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire/wiretest"
)

// What ports and devices have carried is right when nobody looks at it but Tally, TallyCalls times while bytes go around.
func TestTally(t *testing.T) {
	b := newBench(t)
	last := uint32(socket.Loopback)
	places := []uint32{oob.PortIndex(0, 0), oob.PortIndex(0, 1), last - 1, last}
	before := map[uint32]uint64{}
	for _, i := range places {
		before[i] = socket.TrafficOf(i).RxBytes
	}
	clear(b.asked)
	for range 3 {
		for _, i := range places {
			socket.Answered(i, 1<<31, 60)
		}
		for range admin.TallyCalls {
			b.Tally()
		}
	}
	for _, i := range places {
		if got := socket.TrafficOf(i).RxBytes - before[i]; got != 3<<31 {
			t.Errorf("port %d: %d bytes, want %d", i, got, uint64(3<<31))
		}
	}
	if b.asked[0] < 3 {
		t.Errorf("the device was asked %d times, want 3 or more", b.asked[0])
	}
}

// ask sends n echo requests of a payload of 100 bytes to a port, and serves them.
func (b *bench) ask(vid uint16, n int) (bytes int) {
	for range n {
		request, _ := wiretest.Echo(b.header(vid), 40000, make([]byte, 100))
		b.nic.Inject(request)
		b.poll(func([]byte) {})
		bytes = len(request)
	}
	return bytes
}

// Each port has its own traffic, whatever place in the companion core's tables it gets, and keeps it while it is off.
func TestTraffic(t *testing.T) {
	b := newBench(t)
	start := map[string]admin.Load{}
	for _, p := range b.Ports() {
		start[p.Name] = p.Stage
	}
	device, err := b.Device("rt0")
	b.ok(err)
	want := map[string]uint64{}
	bytes := uint64(0)
	// More ports than places: they take turns.
	for round := range 3 {
		for i, p := range b.Ports() {
			if p.VID < firstVID {
				continue
			}
			b.ok(b.Enable(p.Name, 2))
			n := (i + round) % 4
			bytes += uint64(n * b.ask(p.VID, n))
			want[p.Name] += uint64(n)
			_, err := b.Disable(p.Name)
			b.ok(err)
		}
	}
	sum := uint64(0)
	for _, p := range b.Ports() {
		got := p.Stage.RxPackets - start[p.Name].RxPackets
		sum += got
		if got != want[p.Name] || p.Stage.TxPackets-start[p.Name].TxPackets != got || p.Stage.Dropped != start[p.Name].Dropped {
			t.Errorf("%s carried %+v, began with %+v, want %d packets each way", p.Name, p.Stage, start[p.Name], want[p.Name])
		}
	}
	now, err := b.Device("rt0")
	b.ok(err)
	if rx, n := now.Traffic.RxBytes-device.Traffic.RxBytes, now.Traffic.RxPackets-device.Traffic.RxPackets; rx != bytes || n != sum || sum == 0 {
		t.Errorf("rt0 carried %d packets, %d bytes; want %d, %d", n, rx, sum, bytes)
	}
	var out strings.Builder
	console.New(b.Commands()...).Do(&out, "net query -i rt0.42")
	if !strings.Contains(out.String(), "oob: received ") || !strings.Contains(out.String(), "; dropped ") {
		t.Errorf("net query: %s", &out)
	}
}
