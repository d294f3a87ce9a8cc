package socket_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// pool is the size of each port's pool, small enough to exhaust.
const pool = 40

// The oob ports of the bench: the device itself, with rules that accept 5000 to 5009, and VLAN 42, which takes all.
var (
	untagged = neigh.PortOf(0, 0)
	vlan     = neigh.PortOf(0, 42)
)

// bench is a diverted device over a fake controller with Mortise's own companion core and sockets above it.
type bench struct {
	*testing.T
	site   wiretest.Site
	dev    *divert.Device
	nic    *enettest.ENET
	peer   netip.Addr // on the untagged port's network
	kicked func()     // behind each kick
	before func()     // ahead of it
	wait   enettest.Clock
}

func newBench(t *testing.T) *bench { return newBenchWith(t, enettest.Options{}) }

func newBenchWith(t *testing.T, o enettest.Options) *bench {
	b := &bench{T: t, site: wiretest.DefaultSite(), kicked: func() {}, before: func() {}}
	rings := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice+5*pool)
	o.Base = 0x02188000
	b.nic = enettest.New(t, rings, o)
	var err error
	b.dev, err = divert.New(0, divert.Config{
		Name: "rt0", TickHz: 1_000_000,
		Driver: enet.Config{
			Name: "ENET1", Base: o.Base, ClkHz: 66_000_000, MAC: b.site.MAC,
			Desc: rings.Desc, DescBus: rings.DescBus, Memory: rings.Memory, Clock: &b.wait, TimerHz: 25_000_000,
		},
		Hooks: divert.Hooks{Kick: func() { divert.Kicked() }, Route: func(bool) {}},
	})
	b.ok(err)
	var c oob.Config
	d := &c.Device[0]
	d.MAC = b.site.MAC
	d.Ports[0] = oob.PortConfig{Addr: b.site.Addr, Prefix: 24, Rules: true}
	d.Ports[0].UDP.Add(7, 7)
	d.Ports[0].UDP.Add(5000, 5009)
	d.Ports[1] = oob.PortConfig{VID: b.site.VID, Addr: b.site.VAddr, Prefix: 24}
	b.ok(oob.Configure(&c, divert.Adopt))
	socket.Setup(rings.Memory, divert.Devices*divert.SlotsPerDevice, socket.Hooks{
		Bound: oob.Bind, GiveAfter: time.Hour, Kick: func() { b.before(); socket.Kicked(); b.kicked() },
		Join:    func(_ neigh.Port, group netip.Addr, member bool) error { return b.dev.Join(group, member) },
		JoinMAC: func(_ neigh.Port, group [6]byte, member bool) error { return b.dev.JoinMAC(group, member) },
		Consume: oob.Consume,
		Listen:  func(_ uint32, on bool) { b.dev.Listen(on) },
		Times:   func(uint32) bool { return b.dev.Stamped() != core.NoTime },
	})
	b.up(0)
	b.up(1)
	b.ok(neigh.SetRoutes([]neigh.Table{
		{Prefix: netip.PrefixFrom(netip.AddrFrom4(b.site.Addr), 24).Masked(), Port: untagged},
		{Prefix: netip.PrefixFrom(netip.AddrFrom4(b.site.VAddr), 24).Masked(), Port: vlan},
	}))
	b.peer = netip.AddrFrom4(b.site.From().SrcIP)
	b.dev.Serve(true)
	t.Cleanup(func() {
		for _, s := range socket.List() {
			b.ok(s.Socket.Close())
		}
		for i := range uint32(2) {
			socket.ShutDown(i)
			b.ok(socket.RemovePort(i))
		}
		neigh.Flush()
	})
	return b
}

// port describes port i of the bench.
func (b *bench) port(i uint32) socket.Port {
	c := socket.Port{Name: untagged, Addr: netip.PrefixFrom(netip.AddrFrom4(b.site.Addr), 24), MAC: b.site.MAC, Pool: pool}
	if i == 1 {
		c.Name, c.Addr = vlan, netip.PrefixFrom(netip.AddrFrom4(b.site.VAddr), 24)
	}
	return c
}

// up makes port i of the bench exist and takes it up.
func (b *bench) up(i uint32) {
	b.Helper()
	b.ok(socket.SetPort(oob.PortIndex(0, i), b.port(i)))
	socket.Up(oob.PortIndex(0, i))
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// open opens a UDP socket of task 0.
func (b *bench) open(o socket.Options) socket.Socket {
	b.Helper()
	s, err := socket.OpenUDP(o)
	b.ok(err)
	return s
}

// arrive lets a datagram from the peer's port come in, and serves it.
func (b *bench) arrive(h *wire.Header, from, to uint16, payload []byte) {
	b.Helper()
	b.nic.Inject(wire.AppendUDP(nil, h, from, to, payload))
	divert.Poll(0)
}

// payload returns what a message carries.
func payload(m *socket.Message) []byte {
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Add(nil, m.Data)), m.Len))
}

// write fills a composed message.
func write(m *socket.Message, b []byte) {
	for i, c := range b {
		m.SetByte(uint32(i), uint32(c))
	}
}

func numbered(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// checkPools checks that nothing is out of the pools but held buffers.
func (b *bench) checkPools(held ...uint32) {
	b.Helper()
	for i, n := range held {
		if t := socket.PoolStats(uint32(i)); t.Free+n != t.Size {
			b.Errorf("port %d: %d of %d buffers are free, want all but %d", i, t.Free, t.Size, n)
		}
	}
}

func local(a [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a), port)
}

var anywhere = [4]byte{}

// The socket bound to the address comes ahead of the one bound to any, the connected one ahead of both; a port binding holds.
// What a socket sends is the frame that an independent builder makes, byte for byte but for the identification.
// Each thing that can be in the way of sending has its name, and leaves no buffer behind.
// The queue is first in, first out, holds its limit, and drops by its policy; each message dropped is in one counter.
// A datagram is sent back in the slot it came in, turned round, shorter or longer, with tags as it had them.
// A raw socket gets the frames of its EtherType on its port, whole, and sends frames as they are.
// Groups and broadcasts reach the sockets that joined, or are bound to any address; and go out to their MAC addresses.
// A thousand times down and up under load: the pools are whole each time, nothing is lost of what another port carries.
// What is refused says what and why, and changes nothing.
// Nothing of a task's is allocated.
// So many sockets share a UDP port, no more.
