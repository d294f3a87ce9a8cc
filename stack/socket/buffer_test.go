package socket_test

import (
	"testing"

	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire/wiretest"
)

// A port takes datagrams of the size that its buffers have, and no larger ones; two of that size find room.
func TestBufferSize(t *testing.T) {
	b := newBench(t)
	b.reassemble()
	i := oob.PortIndex(0, 1)
	const size = 4096
	socket.ShutDown(i)
	b.ok(socket.RemovePort(i))
	c := b.port(1)
	c.Pool, c.Buffer = 2, size
	b.ok(socket.SetPort(i, c))
	socket.Up(i)
	if got, want := socket.PoolStats(i).Size, uint32(2*socket.SlotsOf(size)); got != want || want != 6 {
		t.Errorf("2 buffers of %d bytes are %d slots, want %d, 6", size, got, want)
	}
	s := b.open(socket.Options{Task: 1, Local: local(anywhere, 5000)})
	h := b.site.VFrom()
	for _, n := range []int{size, size + 1, size} {
		data := wiretest.Payload(n-8, 1)
		h.ID++
		b.bring(pieces(h, datagram(h, 40000, 5000, data), 1500)...)
		m, status := s.Receive()
		if n > size {
			if status != socket.Empty {
				t.Errorf("%d bytes: %v", n, status)
			}
			b.now(1<<40 + 10*life)
			socket.Expire()
			continue
		}
		if status != socket.OK || m.Whole() != uint32(n-8) {
			t.Fatalf("%d bytes: %v", n, status)
		}
		m.Release()
		if got := socket.PoolStats(i); got.Free != got.Size {
			t.Errorf("%d of %d buffers are free", got.Free, got.Size)
		}
	}
}
