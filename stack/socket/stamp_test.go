package socket_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"mortise/drivers/enet/enettest"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// tickNS is the stage's tick, that of the i.MX6UL.
const tickNS = 125

// timeBench is a bench with one time for the stage's counter and the controller's timer, in ns. The timer is not at the counter's 0.
type timeBench struct {
	*bench
	now, start uint64
}

// newTimeBench is a bench whose controller has a timer that counts, or not as in QEMU, and notes times as want says.
func newTimeBench(t *testing.T, o enettest.Options, counts bool, want uint32) *timeBench {
	b := &timeBench{bench: newBenchWith(t, o), start: 1_234_567_890_123}
	if counts {
		b.nic.Now = func() uint64 { return b.start + b.now + uint64(b.wait.T.Sub(time.Time{})) }
	}
	t.Cleanup(func() { divert.SetClock(0); task.SetHost(0, nil) })
	b.pass(0)
	got, err := b.dev.Stamp(want != core.NoTime, want == core.Hardware, 1e9/tickNS)
	b.ok(err)
	if !counts && want == core.Hardware {
		want = core.Software
	}
	if got != want || b.dev.Stamped() != want {
		t.Fatalf("times are from %d, want %d", got, want)
	}
	b.now += uint64(b.wait.T.Sub(time.Time{}))
	b.start -= uint64(b.wait.T.Sub(time.Time{}))
	b.pass(0)
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, true))
	return b
}

// pass lets ns pass.
func (b *timeBench) pass(ns uint64) {
	b.now += ns
	divert.SetClock(b.ticks())
	task.SetHost(b.now/tickNS, nil)
}

func (b *timeBench) ticks() uint32 { return uint32(b.now / tickNS) }

// closeTo reports whether a time is another one, but for what clocks are read in: a tick each, and a step of the timer.
func closeTo(got, want uint32) bool { return got-want+3 <= 6 }

const (
	rxTimes = socket.StampReceived | socket.StampDevice | socket.StampQueued
	txTimes = socket.StampSent | socket.StampDevice | socket.StampQueued
)

// frame returns a datagram to a UDP port.
func (b *timeBench) frame(port uint16) []byte {
	return wire.AppendUDP(nil, b.site.From(), 40000, port, []byte("what time is it"))
}

// send sends a datagram of a byte to the peer.
func (b *timeBench) send(s socket.Socket) socket.Status {
	var m socket.Message
	if status := s.Compose(&m, neigh.Wire(b.peer), 40000); status != socket.OK {
		return status
	}
	return s.Send(&m, 1)
}

// A message's three times are right, however long it lies in the ring or in the queue, whenever the timer's second and the counter's
// word end.
func TestTimesByHardware(t *testing.T) {
	b := newTimeBench(t, enettest.Options{}, true, core.Hardware)
	s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: rxTimes})
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		switch i % 10 {
		case 3:
			b.pass(rnd.Uint64N(3_000_000_000))
		case 7:
			b.pass(1_000_000_000 - (b.start+b.now)%1_000_000_000 - rnd.Uint64N(2000)) // the second's end
		case 8:
			b.pass(((1<<32)-uint64(b.ticks()))*tickNS - rnd.Uint64N(2000)) // the word's
		default:
			b.pass(rnd.Uint64N(50_000))
		}
		var came [3]uint32
		for j := range came {
			b.pass(rnd.Uint64N(10_000))
			came[j] = b.ticks()
			b.nic.Inject(b.frame(5000))
		}
		b.pass(rnd.Uint64N(20_000_000))
		divert.Poll(0)
		queued := b.ticks()
		b.pass(rnd.Uint64N(5_000_000_000))
		for j := range came {
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatal(status)
			}
			got, status := s.Times(m)
			if status != socket.OK || got.Source != socket.Hardware || !closeTo(got.Device, came[j]) || got.Queued != queued {
				t.Fatalf("message %d.%d: %+v, %v, want it to have come at %d, and to be queued at %d", i, j, got, status, came[j], queued)
			}
			m.Release()
		}
	}
	b.checkPools(0)
}

// What was sent tells when it left, in its order and by its number, those between that nobody asked about do not.
func TestDeparturesByHardware(t *testing.T) {
	b := newTimeBench(t, enettest.Options{Async: true}, true, core.Hardware)
	s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: txTimes})
	other := b.open(socket.Options{Local: local(anywhere, 5001)})
	rnd := rand.New(rand.NewPCG(3, 4))
	number := uint32(0)
	for range 1000 {
		b.pass(rnd.Uint64N(700_000_000))
		n := 1 + rnd.IntN(5)
		var want []socket.Departure
		for range n {
			b.pass(rnd.Uint64N(20_000))
			number++
			want = append(want, socket.Departure{Number: number, Queued: b.ticks(), Source: socket.Hardware})
			if status := b.send(s); status != socket.OK {
				t.Fatal(status)
			}
			if status := b.send(other); status != socket.OK {
				t.Fatal(status)
			}
		}
		var d socket.Departure
		if status := s.Departed(&d); status != socket.Empty {
			t.Fatalf("Departed = %v ahead of the transmission", status)
		}
		for i := range want {
			b.pass(rnd.Uint64N(150_000))
			want[i].Device = b.ticks()
			if b.nic.Complete(2) != 2 {
				t.Fatal("nothing is queued")
			}
		}
		b.pass(rnd.Uint64N(4_000_000_000))
		for _, w := range want {
			status := s.Departed(&d)
			if status != socket.OK || d.Number != w.Number || d.Queued != w.Queued || !closeTo(d.Device, w.Device) || d.Source != w.Source ||
				d.Delivered != b.ticks() || d.Missed != 0 {
				t.Fatalf("Departed = %+v, %v, want %+v", d, status, w)
			}
		}
		b.nic.Discard()
	}
	if status := other.Departed(new(socket.Departure)); status != socket.Unstamped {
		t.Errorf("Departed of a socket without = %v", status)
	}
	b.checkPools(0)
}

// A frame that the device has no time for tells the time at which it was handed over, and says so.
func TestDepartureWithoutStamp(t *testing.T) {
	b := newTimeBench(t, enettest.Options{Async: true}, true, core.Hardware)
	s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: txTimes})
	b.nic.StampFail = 1
	handed := b.ticks()
	b.send(s)
	b.pass(100_000)
	b.nic.Complete(1)
	var d socket.Departure
	if status := s.Departed(&d); status != socket.OK || d.Source != socket.Software || d.Device != handed {
		t.Errorf("Departed = %+v, %v, want the time %d, by software", d, status, handed)
	}
}

// Where the timer does not count the stage's own times are given, and marked so.
func TestTimesBySoftware(t *testing.T) {
	for _, want := range []uint32{core.Hardware, core.Software} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			b := newTimeBench(t, enettest.Options{Hold: true}, false, want)
			s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: rxTimes | txTimes})
			b.nic.Inject(b.frame(5000))
			b.pass(7_000)
			divert.Poll(0)
			looked := b.ticks()
			b.pass(9_000)
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatal(status)
			}
			if got, status := s.Times(m); status != socket.OK || got.Source != socket.Software || got.Device != looked || got.Queued != looked {
				t.Errorf("Times = %+v, %v, want %d by software", got, status, looked)
			}
			m.Release()
			sent := b.ticks()
			b.send(s)
			b.pass(100_000)
			var d socket.Departure
			if status := s.Departed(&d); status != socket.OK || d.Source != socket.Software || d.Device != sent || d.Queued != sent {
				t.Errorf("Departed = %+v, %v, want %d by software", d, status, sent)
			}
		})
	}
}

// Who did not ask for times has none, and a device that is not to note any refuses to be asked.
func TestTimesOff(t *testing.T) {
	b := newTimeBench(t, enettest.Options{}, true, core.NoTime)
	plain := b.open(socket.Options{Local: local(anywhere, 5001)})
	b.arrive(b.site.From(), 40000, 5001, []byte("x"))
	m, _ := plain.Receive()
	if got, status := plain.Times(m); status != socket.Unstamped || got != (socket.Times{}) {
		t.Errorf("Times = %+v, %v", got, status)
	}
	m.Release()
	for _, ts := range []socket.Timestamps{rxTimes, txTimes} {
		_, err := socket.OpenUDP(socket.Options{Local: local(anywhere, 5002), Device: &untagged, Timestamps: ts})
		if !errors.Is(err, socket.ErrTimestamps) {
			t.Errorf("open with %#x on a device without: %v", ts, err)
		}
	}
	for _, ts := range []socket.Timestamps{socket.StampReceived, socket.StampSent, socket.StampDevice, socket.StampQueued, 16 | rxTimes} {
		if _, err := socket.OpenUDP(socket.Options{Local: local(anywhere, 5002), Timestamps: ts}); !errors.Is(err, socket.ErrOption) {
			t.Errorf("open with %#x: %v", ts, err)
		}
	}
	// Bound to no port, it gets what there is.
	s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: rxTimes | txTimes})
	b.arrive(b.site.From(), 40000, 5000, []byte("x"))
	m, _ = s.Receive()
	if got, status := s.Times(m); status != socket.OK || got.Source != socket.NoTime || got.Queued != b.ticks() {
		t.Errorf("Times = %+v, %v, want no device's", got, status)
	}
	m.Release()
	b.send(s)
	if status := s.Departed(new(socket.Departure)); status != socket.Empty {
		t.Errorf("Departed = %v", status)
	}
	// Only what was asked for.
	b.ok(s.Close())
	_, err := b.dev.Stamp(true, false, 1e9/tickNS)
	b.ok(err)
	s = b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: socket.StampReceived | socket.StampSent | socket.StampQueued})
	b.arrive(b.site.From(), 40000, 5000, []byte("x"))
	m, _ = s.Receive()
	if got, _ := s.Times(m); got.Source != socket.NoTime || got.Device != 0 || got.Queued != b.ticks() {
		t.Errorf("Times = %+v, want the queue's alone", got)
	}
	m.Release()
	b.send(s)
	var d socket.Departure
	if s.Departed(&d); d.Source != socket.NoTime || d.Device != 0 || d.Queued != b.ticks() {
		t.Errorf("Departed = %+v, want the queue's alone", d)
	}
}

// Departures that nobody reads are dropped, counted and told of.
func TestDeparturesMissed(t *testing.T) {
	for _, counts := range []bool{false, true} {
		t.Run(fmt.Sprint(counts), func(t *testing.T) {
			b := newTimeBench(t, enettest.Options{}, counts, core.Hardware)
			s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: txTimes})
			const sent, room = 90, 16
			for range sent {
				b.pass(1_000_000)
				if status := b.send(s); status != socket.OK {
					t.Fatal(status)
				}
			}
			var d socket.Departure
			read, missed := 0, uint32(0)
			for s.Departed(&d) == socket.OK {
				if read++; d.Number != uint32(read) && read <= room {
					t.Fatalf("departure %d is of message %d", read, d.Number)
				}
				missed += d.Missed
			}
			if uint32(read)+missed != sent || read < room || socket.List()[0].Counters[socket.LostTimes] != missed || missed == 0 {
				t.Errorf("%d departures, %d missed, %d counted, want %d in all", read, missed, socket.List()[0].Counters[socket.LostTimes], sent)
			}
			b.send(s)
			if status := s.Departed(&d); status != socket.OK || d.Number != sent+1 || d.Missed != 0 {
				t.Errorf("Departed = %+v, %v, want that of message %d, none missed", d, status, sent+1)
			}
		})
	}
}

// A controller that is set up anew, or changes hands, has no departures left to tell of, and no slot is lost.
func TestDeparturesForgotten(t *testing.T) {
	b := newTimeBench(t, enettest.Options{Async: true}, true, core.Hardware)
	s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: rxTimes | txTimes})
	for i := range 20 {
		for range 3 {
			b.send(s)
		}
		if i%2 == 0 {
			b.ok(b.dev.Rebuild(true))
		} else {
			b.ok(b.dev.Divert(false))
			b.ok(b.dev.Divert(true))
			b.nic.Complete(-1)
		}
		b.pass(50_000)
		if status := s.Departed(new(socket.Departure)); status != socket.Empty {
			t.Fatalf("turn %d: Departed = %v", i, status)
		}
		b.send(s)
		b.pass(80_000)
		left := b.ticks()
		b.nic.Complete(-1)
		var d socket.Departure
		if status := s.Departed(&d); status != socket.OK || !closeTo(d.Device, left) {
			t.Fatalf("turn %d: Departed = %+v, %v, want %d", i, d, status, left)
		}
		came := b.ticks()
		b.nic.Inject(b.frame(5000))
		b.pass(30_000)
		divert.Poll(0)
		m, status := s.Receive()
		if status != socket.OK {
			t.Fatal(status)
		}
		if got, _ := s.Times(m); !closeTo(got.Device, came) {
			t.Fatalf("turn %d: Times = %+v, want %d", i, got, came)
		}
		m.Release()
	}
	b.checkPools(0)
	b.ok(b.dev.Rebuild(true)) // counts the slots
}

// A goroutine has the same times, and waits for a departure up to its deadline.
func TestConnTimes(t *testing.T) {
	b := newTimeBench(t, enettest.Options{Async: true}, true, core.Hardware)
	c := b.listen(socket.Options{Local: local(anywhere, 5000), Timestamps: rxTimes | txTimes})
	defer c.Close()
	came := b.ticks()
	b.nic.Inject(b.frame(5000))
	b.pass(44_000)
	divert.Poll(0)
	queued := b.ticks()
	b.pass(3_000)
	socket.Deliver()
	r, err := c.ReadMessage(make([]byte, 9))
	b.ok(err)
	if got := r.Times; got.Source != socket.Hardware || !closeTo(got.Device, came) || got.Queued != queued || got.Delivered != b.ticks() {
		t.Errorf("Times = %+v, want %d, %d, %d", got, came, queued, b.ticks())
	}
	b.ok(c.WriteToAddrPort([]byte("x"), netip.AddrPortFrom(b.peer, 40000)))
	b.ok(c.SetReadDeadline(time.Now().Add(3 * time.Millisecond)))
	if _, err := c.ReadDeparture(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ReadDeparture ahead of it: %v", err)
	}
	b.pass(5_000)
	left := b.ticks()
	b.nic.Complete(1)
	b.ok(c.SetReadDeadline(time.Time{}))
	if d, err := c.ReadDeparture(); err != nil || !closeTo(d.Device, left) || d.Number != 1 || d.Source != socket.Hardware {
		t.Errorf("ReadDeparture = %+v, %v, want %d", d, err, left)
	}
	plain := b.listen(socket.Options{Local: local(anywhere, 5001)})
	defer plain.Close()
	if _, err := plain.ReadDeparture(); err != socket.Unstamped {
		t.Errorf("ReadDeparture of one without: %v", err)
	}
}

// Raw sockets and those for all frames have times, too, as do messages that come by the loopback port.
func TestTimesOfOthers(t *testing.T) {
	b := newTimeBench(t, enettest.Options{}, true, core.Hardware)
	all, err := socket.OpenRaw(socket.AllFrames, socket.Options{Device: &untagged, Timestamps: rxTimes | txTimes})
	b.ok(err)
	s := b.open(socket.Options{Local: local(anywhere, 5000), Timestamps: rxTimes, Queue: 2, Policy: socket.DropOldest})
	came := b.ticks()
	for range 3 {
		b.nic.Inject(b.frame(5000))
	}
	b.pass(60_000)
	divert.Poll(0)
	for _, s := range []socket.Socket{all, s, s} {
		m, status := s.Receive()
		if status != socket.OK {
			t.Fatal(status)
		}
		if got, status := s.Times(m); status != socket.OK || got.Source != socket.Hardware || !closeTo(got.Device, came) {
			t.Errorf("Times = %+v, %v, want %d", got, status, came)
		}
		if s == all {
			left := b.ticks()
			b.nic.Sent()
			all.SendFrame(m, m.Len)
			var d socket.Departure
			if status := all.Departed(&d); status != socket.OK || !closeTo(d.Device, left) || len(b.nic.Sent()) != 1 {
				t.Errorf("Departed = %+v, %v, want %d", d, status, left)
			}
			continue
		}
		m.Release()
	}
	if n := socket.List()[1].Counters[socket.DroppedFull]; n != 1 {
		t.Errorf("%d dropped, want the oldest", n)
	}
	b.loopback()
	from := b.open(socket.Options{Local: local(anywhere, 5003)})
	var m socket.Message
	if status := from.Compose(&m, neigh.Wire(netip.MustParseAddr("127.0.0.1")), 5000); status != socket.OK {
		t.Fatal(status)
	}
	b.pass(5_000)
	from.Send(&m, 1)
	got, status := s.Receive()
	if status != socket.OK {
		t.Fatal(status)
	}
	if r, _ := s.Times(got); r.Source != socket.Software || r.Device != b.ticks() {
		t.Errorf("Times by the loopback port = %+v, want %d by software", r, b.ticks())
	}
	got.Release()
}
