package poll_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/poll"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

const (
	hz   = 1_000_000 // a tick is a microsecond
	mine = 3         // the task
)

// bench is an oob port with a task that has a socket, a buffer and a timer, and a clock that stands still.
type bench struct {
	*testing.T
	site wiretest.Site
	nic  *enettest.ENET
	dev  *divert.Device
	s    socket.Socket
	m    task.Timer
	buf  task.Buffer
	pipe *task.Pipe
	set  poll.Set
	now  uint64
	runs int
	run  func()
	ns   uint64 // of the controller's timer
}

const (
	readable = 1 << iota
	writable
	expired
	message
	room
)

func newBench(t *testing.T) *bench {
	b := &bench{T: t, site: wiretest.DefaultSite(), now: 1 << 40, run: func() {}}
	task.SetHost(b.now, func(uint32) { b.runs++; b.run() })
	b.ok(task.Configure(hz, task.Config{ID: mine, Name: "waiter"}))
	rings := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice+16)
	o := enettest.Options{Base: 0x02188000, Async: true}
	b.nic = enettest.New(t, rings, o)
	var err error
	b.dev, err = divert.New(0, divert.Config{
		Name: "rt0", TickHz: hz,
		Driver: enet.Config{
			Name: "ENET1", Base: o.Base, ClkHz: 66_000_000, MAC: b.site.MAC,
			Desc: rings.Desc, DescBus: rings.DescBus, Memory: rings.Memory, Clock: &enettest.Clock{}, TimerHz: 25_000_000,
		},
		Hooks: divert.Hooks{Kick: func() { divert.Kicked() }, Route: func(bool) {}},
	})
	b.ok(err)
	var c oob.Config
	c.Device[0].MAC = b.site.MAC
	c.Device[0].Ports[0] = oob.PortConfig{Addr: b.site.Addr, Prefix: 24}
	b.ok(oob.Configure(&c, divert.Adopt))
	socket.Setup(rings.Memory, divert.Devices*divert.SlotsPerDevice, socket.Hooks{Bound: oob.Bind, Kick: socket.Kicked})
	name, network := neigh.PortOf(0, 0), netip.PrefixFrom(netip.AddrFrom4(b.site.Addr), 24)
	b.ok(socket.SetPort(oob.PortIndex(0, 0), socket.Port{Name: name, Addr: network, MAC: b.site.MAC, Pool: 16}))
	socket.Up(oob.PortIndex(0, 0))
	b.ok(neigh.SetRoutes([]neigh.Table{{Prefix: network.Masked(), Port: name}}))
	peer := netip.AddrFrom4(b.site.From().SrcIP)
	b.ok(neigh.Set(name, peer, b.site.PeerMAC, true))
	b.s, err = socket.OpenUDP(socket.Options{Task: mine, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), 5000)})
	b.ok(err)
	b.ok(b.s.Connect(netip.AddrPortFrom(peer, 40000)))
	b.m, err = task.NewTimer(mine)
	b.ok(err)
	b.buf, b.pipe, err = task.NewBuffer(mine, 64, 64)
	b.ok(err)
	b.set, err = poll.New(mine, poll.Readable(b.s), poll.Writable(b.s), poll.Expired(b.m), poll.Message(b.buf), poll.Room(b.buf, 40))
	b.ok(err)
	b.dev.Serve(true)
	task.Restart()
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// after lets so many microseconds pass, and what is due then run.
func (b *bench) after(us uint64) {
	b.now += us
	task.SetHost(b.now, func(uint32) { b.runs++; b.run() })
	task.Expired()
	task.Run()
}

// ready checks what is there.
func (b *bench) ready(when string, want uint32) {
	b.Helper()
	if got := b.set.Ready(); got != want {
		b.Errorf("%s: Ready = %05b, want %05b", when, got, want)
	}
}

// ran checks how often the task has run since it was called last.
func (b *bench) ran(when string, want int) {
	b.Helper()
	if b.runs != want {
		b.Errorf("%s: the task ran %d times, want %d", when, b.runs, want)
	}
	b.runs = 0
}

// A bit is set while its source is there, and only then; what comes makes the task run, and so does the room that it waits for.
func TestPoll(t *testing.T) {
	b := newBench(t)
	b.ready("at first", writable|room)

	b.nic.Inject(wire.AppendUDP(nil, b.site.From(), 40000, 5000, []byte("message")))
	divert.Poll(0)
	b.ran("a datagram", 1)
	b.ready("a datagram", readable|writable|room)
	m, _ := b.s.Receive()
	m.Release()
	b.ready("received", writable|room)

	b.m.In(10)
	b.after(9)
	b.ready("not yet", writable|room)
	b.after(1)
	b.ran("the timer", 1)
	b.ready("the timer", writable|expired|room)
	b.ready("the timer, told of", writable|room)

	_, err := b.pipe.Write([]byte("from in-band"))
	b.ok(err)
	b.ready("a message from in-band", writable|message|room)
	var text [32]byte
	b.buf.Receive(text[:])
	b.ready("read", writable|room)

	b.buf.Send(text[:])
	b.ready("a message to in-band", writable)
	b.runs = 0
	b.set.Wait(room)
	b.after(99)
	b.ran("no room yet", 0)
	b.run = func() { b.set.Wait(room) }
	b.after(1)
	b.ran("no room, looked at again", 1)
	_, _, err = b.pipe.TryRead(text[:])
	b.ok(err)
	b.run = func() {
		if b.set.Ready()&room == 0 {
			t.Error("run, and no room")
		}
	}
	b.after(100)
	b.ran("room", 1)
	b.after(1000)
	b.ran("nothing more is waited for", 0)

	b.run = func() {}
	fill := func() {
		for b.s.Writable(0, 0) == socket.OK {
			var m socket.Message
			b.s.Compose(&m, 0, 0)
			b.s.Send(&m, 4)
		}
	}
	fill()
	b.ready("transmit ring full", room)
	b.set.Wait(writable | readable)
	b.nic.Complete(1)
	b.after(100)
	b.ran("a frame has left", 1)
	b.ready("a frame has left", writable|room)
	b.set.Wait(writable)
	task.Run()
	b.ran("it is there already", 1)
	b.nic.Complete(-1)
	divert.Poll(0)
	testDeparted(t, b)
}

// testDeparted: a task that waits for a message to have left runs when it has, and is told when that was.
func testDeparted(t *testing.T, b *bench) {
	b.nic.Now = func() uint64 { b.ns += 1000; return b.ns }
	source, err := b.dev.Stamp(true, true, hz)
	b.ok(err)
	if source != core.Hardware {
		t.Fatalf("times are from %d", source)
	}
	s, err := socket.OpenUDP(socket.Options{Task: mine, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), 5001), Timestamps: socket.StampSent | socket.StampDevice})
	b.ok(err)
	b.set, err = poll.New(mine, poll.Departed(s))
	b.ok(err)
	var m socket.Message
	if status := s.Compose(&m, neigh.Wire(netip.AddrFrom4(b.site.From().SrcIP)), 40000); status != socket.OK {
		t.Fatal(status)
	}
	s.Send(&m, 4)
	b.ready("sent, and under way", 0)
	b.run = func() { b.set.Wait(1) }
	b.run()
	b.after(100)
	b.ran("looked at again", 1)
	b.nic.Complete(1)
	var d socket.Departure
	b.run = func() {
		b.ready("it has left", 1)
		if status := s.Departed(&d); status != socket.OK || d.Source != socket.Hardware || d.Number != 1 {
			t.Errorf("Departed = %+v, %v", d, status)
		}
	}
	b.after(100)
	b.ran("it has left", 1)
	b.ready("told of", 0)
	b.ok(s.Close())
}

// A set that cannot be is refused, with what is wrong.
func TestNewRefuses(t *testing.T) {
	many := make([]poll.Source, poll.MaxSources+1)
	for _, c := range []struct {
		id      uint32
		sources []poll.Source
		want    string
	}{
		{task.MaxTasks, many[:1], "task 16, want 0 to 15"},
		{0, nil, "0 sources, want 1 to 16"},
		{0, many, "17 sources, want 1 to 16"},
		{0, []poll.Source{poll.Room(0, task.MaxMessage+1)}, "room for 257 bytes, want 256 at most"},
	} {
		if _, err := poll.New(c.id, c.sources...); !errors.Is(err, poll.ErrRefused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New: %v, want %q", err, c.want)
		}
	}
	for range poll.MaxSets {
		if _, err := poll.New(0, many[:1]...); err != nil && !strings.Contains(err.Error(), "all 8 sets are taken") {
			t.Errorf("New: %v", err)
		}
	}
	if _, err := poll.New(0, many[:1]...); err == nil {
		t.Error("one set more than there are: no error")
	}
}
