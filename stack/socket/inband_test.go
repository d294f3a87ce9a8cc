package socket_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/task"
)

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

// A port does not go while somebody has one of its buffers in his hands: they would be two ports' then.
func TestRemoveWithBuffersOut(t *testing.T) {
	b := newBench(t)
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	b.arrive(b.site.VFrom(), 40000, 5000, numbered(1))
	m, status := s.Receive()
	if status != socket.OK {
		t.Fatal(status)
	}
	i := oob.PortIndex(0, 1)
	if socket.RemovePort(i) == nil {
		t.Error("RemovePort of a port that is up = nil")
	}
	if held := socket.ShutDown(i); held != 1 {
		t.Errorf("ShutDown = %d, want the one that is held", held)
	}
	if err := socket.RemovePort(i); err == nil || !strings.Contains(err.Error(), "1 buffers") {
		t.Errorf("RemovePort with a buffer out = %v", err)
	}
	if got := socket.PoolStats(i); got.Size != pool || got.Free != pool-1 {
		t.Errorf("pool %+v, want all but one of %d", got, pool)
	}
	m.Release()
	b.ok(socket.RemovePort(i))
	b.up(1)
	b.checkPools(0, 0)
}

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
		{"no such task", socket.Options{Local: local(anywhere, 1), Task: task.NoTask + 1}, "task 17"},
		{"TTL", socket.Options{Local: local(anywhere, 1), TTL: 256}, "TTL 256"},
		{"PCP", socket.Options{Local: local(anywhere, 1), PCP: 8}, "PCP 8"},
		{"a group, no port", socket.Options{Local: local([4]byte{224, 0, 0, 9}, 1)}, "name the port"},
		{"drop-oldest for a goroutine", socket.Options{Local: local(anywhere, 1), Task: task.NoTask, Policy: socket.DropOldest}, "drop-oldest"},
	} {
		if _, err := socket.OpenUDP(c.o); err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
	for _, typ := range []uint16{0x8100, 0x88a8, 46} {
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
