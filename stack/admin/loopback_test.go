package admin_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/console"
	"mortise/stack/neigh"
	"mortise/stack/socket"
)

// The loopback port is one like the others, but that it needs no device: on and off, on the console, with sockets that talk by it.
func TestLoopbackPort(t *testing.T) {
	b := newBench(t)
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net query", "lo      127.0.0.1/8   in-band"},
		{"net enable -i lo -p 40000", "want 1 to 32768"},
		{"net enable -i lo -p 20", "lo: oob port, 20 buffers of 2048 bytes"},
		{"net enable -i lo", "lo: oob port, 20 buffers of 2048 bytes"},
		{"net routes", "127.0.0.0/8: lo"},
		{"net query -i lo", "port lo: 127.0.0.1/8, oob, takes what sockets of this machine send"},
		{"net query -i rt0", "diverted, for rt0, rt0.42\n"},
		{"net neigh set -i lo 127.0.0.2 02:00:00:00:00:03", "nobody else is on the loopback port"},
		{"net solicit 127.0.0.1", "it is this machine's"},
		{"net solicit -g 127.0.0.9", "it is this machine's"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
	if port, err := socket.Named("lo"); err != nil || *port != neigh.Loopback {
		t.Errorf("Named = %v, %v", port, err)
	}
	from, err := socket.OpenUDP(socket.Options{Task: 1, Local: netip.MustParseAddrPort("0.0.0.0:5000")})
	b.ok(err)
	to, err := socket.OpenUDP(socket.Options{Task: 2, Local: netip.MustParseAddrPort("127.0.0.1:6000")})
	b.ok(err)
	send := func() socket.Status {
		var m socket.Message
		status := from.Compose(&m, neigh.Wire(netip.MustParseAddr("127.0.0.1")), 6000)
		if status != socket.OK {
			return status
		}
		return from.Send(&m, 4)
	}
	if status := send(); status != socket.OK || to.Readable() != 1 {
		t.Errorf("%v, %d messages came", status, to.Readable())
	}
	if p, err := b.Port("lo"); err != nil || p.Pool == nil || p.Pool.Free != 19 || !p.Up {
		t.Errorf("lo: %+v, pool %+v, %v", p, p.Pool, err)
	}
	held, err := b.Disable("lo")
	if err != nil || held != 0 || to.Readable() != 0 {
		t.Errorf("Disable: %d buffers held, %d messages left, %v", held, to.Readable(), err)
	}
	if _, err := socket.Named("lo"); !errors.Is(err, socket.ErrNoPort) || !strings.Contains(err.Error(), "want one of rt0 rt0.42") {
		t.Errorf("Named = %v", err)
	}
	if status := send(); status != socket.NoRoute {
		t.Errorf("by the port that is off: %v", status)
	}
	if p, _ := b.Port("lo"); p.Oob || p.Up || p.Pool != nil {
		t.Errorf("lo: %+v, pool %+v", p, p.Pool)
	}
}

// Up and down a thousand times with messages in its queues: no buffer is missing.
func TestLoopbackCycles(t *testing.T) {
	b := newBench(t)
	s, err := socket.OpenUDP(socket.Options{Task: 1, Local: netip.MustParseAddrPort("0.0.0.0:5000")})
	b.ok(err)
	for n := range 1000 {
		b.ok(b.Enable("lo", 20))
		for range n % 20 {
			var m socket.Message
			if status := s.Compose(&m, neigh.Wire(netip.MustParseAddr("10.0.0.1")), 5000); status != socket.OK {
				t.Fatalf("cycle %d: %v", n, status)
			}
			if status := s.Send(&m, 100); status != socket.OK {
				t.Fatalf("cycle %d: %v", n, status)
			}
		}
		if int(s.Readable()) != n%20 {
			t.Fatalf("cycle %d: %d messages", n, s.Readable())
		}
		if held, err := b.Disable("lo"); err != nil || held != 0 {
			t.Fatalf("cycle %d: %d buffers held, %v", n, held, err)
		}
	}
}
