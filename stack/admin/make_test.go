package admin_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/console"
	"mortise/stack/divert"
	"mortise/stack/gateway"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
)

// made is a port of the VLAN that no configuration names.
func made(vid int) admin.NewPort {
	return admin.NewPort{
		Name: fmt.Sprintf("rt0.%d", vid), Address: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.1/24", vid)), Pool: 20,
	}
}

// A port that is made is as one of the configuration, and gone when it is off.
func TestMake(t *testing.T) {
	b := newBench(t)
	before := fmt.Sprint(b.Ports())
	b.want(77, "in-band")
	b.ok(b.Make(made(77)))
	b.ok(b.Make(made(77))) // is there: no error
	larger := made(77)
	if larger.Pool++; !errors.Is(b.Make(larger), admin.ErrRefused) {
		t.Error("another size than it has is not refused")
	}
	b.want(77, "oob")
	p, err := b.Port("rt0.77")
	if err != nil || !p.Made || !p.Oob || !p.Up || !p.RealTime || p.Device != "rt0" || p.VID != 77 || p.Address != "10.0.77.1/24" ||
		p.Accepts != "all IPv4" || p.Pool.Size != 20 || p.Stage.RxPackets == 0 {
		t.Errorf("rt0.77: %+v, pool %+v, %v", p, p.Pool, err)
	}
	if b.added[77] != "rt0.77 10.0.77.1/24" || !b.answers[77] {
		t.Errorf("in-band has %v, answers %v", b.added, b.answers[77])
	}
	if d, _ := b.Device("rt0"); !strings.Contains(fmt.Sprint(d.For, d.Ports), "rt0.77") {
		t.Errorf("rt0 is diverted for %v, has %v", d.For, d.Ports)
	}
	if !strings.Contains(fmt.Sprint(b.Routes()), "10.0.77.0/24") {
		t.Errorf("routes: %v", b.Routes())
	}
	peer := netip.MustParseAddr("10.0.77.9")
	b.learn(0, 77, peer, [6]byte{2, 0, 0, 0, 0, 9}, false)
	b.ok(b.SetNeighbour("rt0.77", netip.MustParseAddr("10.0.77.10"), [6]byte{2, 0, 0, 0, 0, 10}))
	if n := b.Conflicted(0, 77, p77(), [6]byte{2}); n != 1 {
		t.Errorf("%d conflicts", n)
	}
	// The link takes it down and up.
	b.Link(0, false)
	if p, _ := b.Port("rt0.77"); p.Up || p.Neighbour != 1 {
		t.Errorf("with the link down: %+v", p)
	}
	b.Link(0, true)
	if !strings.Contains(fmt.Sprint(b.known), peer.String()) {
		t.Errorf("asked for %v when the link came back, want %v, too", b.known, peer)
	}
	b.want(77, "oob")
	if _, err := b.Disable("rt0.77"); err != nil {
		t.Fatal(err)
	}
	b.want(77, "in-band")
	if list, _ := b.Neighbours(""); len(list) != 1 || len(b.added) != 0 || b.answers[77] {
		t.Errorf("left behind: neighbours %v, in-band %v, answers %v", list, b.added, b.answers[77])
	}
	if _, err := b.Port("rt0.77"); !errors.Is(err, admin.ErrUnknown) {
		t.Errorf("the port that has gone: %v", err)
	}
	if _, err := b.Disable("rt0.77"); !errors.Is(err, admin.ErrUnknown) {
		t.Errorf("off again: %v", err)
	}
	for _, p := range b.Ports() {
		if strings.Contains(before, p.Name) == false {
			t.Errorf("%s is still there", p.Name)
		}
	}
}

func p77() netip.Addr { return netip.MustParseAddr("10.0.77.1") }

// Diversion follows ports that are made, by reference.
func TestMakeDiverts(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"rt0", "rt0.42"} {
		_, err := b.Disable(name)
		b.ok(err)
	}
	for _, vid := range []int{77, 78} {
		b.ok(b.Make(made(vid)))
	}
	for i, vid := range []int{77, 78} {
		if d, _ := b.Device("rt0"); !d.Diverted || len(d.For) != 2-i || !divert.Diverted(0) {
			t.Errorf("rt0: %+v", d)
		}
		_, err := b.Disable(made(vid).Name)
		b.ok(err)
	}
	if d, _ := b.Device("rt0"); d.Diverted || divert.Diverted(0) {
		t.Errorf("rt0 without ports: %+v", d)
	}
}

// What cannot be says what and why, and changes nothing.
func TestMakeRefusals(t *testing.T) {
	b := newBench(t)
	b.ok(b.SetVLANs("rt0", "100"))
	b.ok(b.Make(made(80)))
	with := func(f func(n *admin.NewPort)) admin.NewPort {
		n := made(77)
		f(&n)
		return n
	}
	address := func(s string) admin.NewPort {
		return with(func(n *admin.NewPort) { n.Address = netip.MustParsePrefix(s) })
	}
	for _, tc := range []struct {
		name string
		port admin.NewPort
		is   error
		text string
	}{
		{"no such device", with(func(n *admin.NewPort) { n.Name = "rt9.77" }), admin.ErrUnknown, `device "rt9"`},
		{"no VLAN ID", with(func(n *admin.NewPort) { n.Name = "rt0.x" }), admin.ErrInvalid, "VLAN ID"},
		{"two numbers", with(func(n *admin.NewPort) { n.Name = "rt0.7.7" }), admin.ErrInvalid, "VLAN ID"},
		{"leading zero", with(func(n *admin.NewPort) { n.Name = "rt0.077" }), admin.ErrInvalid, "VLAN ID"},
		{"VLAN 0", with(func(n *admin.NewPort) { n.Name = "rt0.0" }), admin.ErrInvalid, "priority tag"},
		{"VLAN 1", with(func(n *admin.NewPort) { n.Name = "rt0.1" }), admin.ErrInvalid, "default VLAN"},
		{"VLAN 4095", with(func(n *admin.NewPort) { n.Name = "rt0.4095" }), admin.ErrInvalid, "reserved"},
		{"VLAN 65613", with(func(n *admin.NewPort) { n.Name = "rt0.65613" }), admin.ErrInvalid, "65613"},
		{"the loopback port", with(func(n *admin.NewPort) { n.Name = "lo" }), admin.ErrUnknown, `device "lo"`},
		{"a port of the configuration", with(func(n *admin.NewPort) { n.Name = "rt0.43" }), admin.ErrRefused, "10.0.43.1/24; enable that"},
		{"the device's own", with(func(n *admin.NewPort) { n.Name = "rt0" }), admin.ErrRefused, "the configuration has it"},
		{"there with another address", with(func(n *admin.NewPort) { n.Name = "rt0.80" }), admin.ErrRefused, "10.0.80.1/24"},
		{"no address", with(func(n *admin.NewPort) { n.Address = netip.Prefix{} }), admin.ErrInvalid, "IPv4"},
		{"IPv6", address("fd00::1/64"), admin.ErrInvalid, "IPv4"},
		{"the network itself", address("10.0.77.0/24"), admin.ErrInvalid, "the subnet itself"},
		{"a broadcast", address("10.0.77.255/24"), admin.ErrInvalid, "broadcast"},
		{"a group", address("224.0.0.1/24"), admin.ErrInvalid, "224.0.0.0/3"},
		{"a loopback address", address("127.0.0.2/8"), admin.ErrInvalid, "127.0.0.0/8"},
		{"a short prefix", address("77.0.0.1/7"), admin.ErrInvalid, "8 to 32"},
		{"a network that is another's", address("10.0.43.7/24"), admin.ErrRefused, "overlaps that of rt0.43, 10.0.43.0/24"},
		{"a network that has another's", address("10.0.77.1/16"), admin.ErrRefused, "overlaps"},
		{"one of a port that was made", address("10.0.80.9/30"), admin.ErrRefused, "rt0.80"},
		{"VLAN of the rule", with(func(n *admin.NewPort) { n.Name = "rt0.100" }), admin.ErrRefused, "VLAN rule"},
		{"pool too large", with(func(n *admin.NewPort) { n.Pool = 32769 }), admin.ErrInvalid, "1 to 32768"},
		{"pool below 0", with(func(n *admin.NewPort) { n.Pool = -1 }), admin.ErrInvalid, "1 to 32768"},
		{"buffer too small", with(func(n *admin.NewPort) { n.Buffer = 2047 }), admin.ErrInvalid, "2048 to 32768"},
		{"buffer too large", with(func(n *admin.NewPort) { n.Buffer = 32769 }), admin.ErrInvalid, "2048 to 32768"},
		{"more than there is", with(func(n *admin.NewPort) { n.Pool = buffers }), admin.ErrRefused, "at most"},
		{"one buffer for fragments", with(func(n *admin.NewPort) { n.Pool, n.Buffer = 1, 4096 }), admin.ErrRefused, "at least 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := fmt.Sprint(b.Devices()[0].For, b.Devices()[0].Ports, b.Devices()[0].VLANs, b.Routes(), b.added)
			if err := b.Make(tc.port); !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v, want %v with %q", err, tc.is, tc.text)
			}
			if after := fmt.Sprint(b.Devices()[0].For, b.Devices()[0].Ports, b.Devices()[0].VLANs, b.Routes(), b.added); after != before {
				t.Errorf("changed: %s, was %s", after, before)
			}
			b.want(77, "in-band")
		})
	}
	b.Link(0, false)
	if err := b.Make(made(77)); !errors.Is(err, admin.ErrDown) || len(b.added) != 1 {
		t.Errorf("link down: %v, in-band %v", err, b.added)
	}
	b.Link(0, true)
	if err := b.SetVLANs("rt0", "80"); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("VLAN rule with the VLAN of a port that was made: %v", err)
	}
	next := b.tables()
	b.ok(b.SetVLANs("rt0", ""))
	next.Devices[0].OobVLANs.Add(80)
	if err := b.Reload(next); !errors.Is(err, admin.ErrRefused) || !strings.Contains(err.Error(), "rt0.80; disable that first") {
		t.Errorf("a configuration whose VLAN rule has the VLAN of a port that was made: %v", err)
	}
	b.want(80, "oob")
}

// A configuration that is taken over leaves ports alone that were made.
func TestMakeOutlastsReload(t *testing.T) {
	b := newBench(t)
	b.ok(b.Make(made(77)))
	next := b.tables()
	next.Devices[0].Ports[0].UDP = []gateway.PortRange{{First: 9, Last: 9}}
	b.ok(b.Reload(next))
	b.want(77, "oob")
	b.want(0, "in-band")
	b.ok(b.Reload(b.tables()))
	b.want(77, "oob")
}

// When a step fails, those before it are taken back.
func TestMakeRollBack(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"rt0", "rt0.42"} {
		_, err := b.Disable(name)
		b.ok(err)
	}
	check := func(when string, want error, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
		if _, err := b.Port("rt0.77"); err == nil || len(b.added) != 0 || len(b.Routes()) != 0 || divert.Diverted(0) {
			t.Errorf("%s: left behind: in-band %v, routes %v", when, b.added, b.Routes())
		}
		b.want(77, "in-band")
	}
	b.deny = errors.New("in-band has no room")
	check("in-band refuses", b.deny, b.Make(made(77)))
	b.deny, b.refuse = nil, errors.New("the controller does not answer")
	check("diversion fails", b.refuse, b.Make(made(77)))
	b.refuse = nil
	b.ok(b.Make(made(77)))
	b.refuse = errors.New("the controller does not answer")
	if _, err := b.Disable("rt0.77"); !errors.Is(err, b.refuse) {
		t.Errorf("off: %v, want %v", err, b.refuse)
	}
	b.want(77, "oob")
	if p, err := b.Port("rt0.77"); err != nil || !p.Up || p.Pool.Size != 20 || b.added[77] == "" {
		t.Errorf("rt0.77 after a change that was taken back: %+v, %v", p, err)
	}
	b.refuse = nil
}

// A device has so many oob ports, whoever named them; a place is free again when its port has gone and no socket is bound to it.
func TestMakePlaces(t *testing.T) {
	b := newBench(t)
	for vid := 70; vid < 70+oob.MaxPorts-2; vid++ {
		b.ok(b.Make(made(vid)))
	}
	if err := b.Make(made(90)); !errors.Is(err, admin.ErrRefused) || !strings.Contains(err.Error(), "8 oob ports") || b.added[90] != "" {
		t.Errorf("one more: %v, in-band %v", err, b.added)
	}
	name := neigh.PortOf(0, 70)
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000"), Device: &name})
	b.ok(err)
	_, err = b.Disable("rt0.70")
	b.ok(err)
	if err := b.Make(made(90)); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("in the place of a port that a socket is bound to: %v", err)
	}
	if list := b.Sockets(); len(list) != 1 || list[0].Port != "rt0.70" {
		t.Errorf("sockets: %+v", list)
	}
	// Made again it has its socket.
	b.ok(b.Make(made(70)))
	b.hear(70, 5000)
	if m, status := s.Receive(); status != socket.OK {
		t.Errorf("a datagram for the port that was made again: %v", status)
	} else {
		m.Release()
	}
	_, err = b.Disable("rt0.70")
	b.ok(err)
	b.ok(s.Close())
	b.ok(b.Make(made(90)))
	b.want(90, "oob")
	b.want(70, "in-band")
}

// hear lets a datagram to a UDP port come in on a VLAN.
func (b *bench) hear(vid, port uint16) {
	b.nic.Inject(wire.AppendUDP(nil, b.header(vid), 40000, port, []byte("hello")))
	b.poll(func([]byte) {})
}

// A socket of any port, and one of the address, that were open before the port was made get what comes on it; so do raw sockets behind.
func TestMakeUnderSockets(t *testing.T) {
	b := newBench(t)
	wild, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000")})
	b.ok(err)
	address := socket.Options{Local: netip.MustParseAddrPort("10.0.77.1:5001")}
	if _, err := socket.OpenUDP(address); !errors.Is(err, socket.ErrAddress) {
		t.Errorf("a socket of an address that no port has: %v", err)
	}
	address.FreeBind = true
	exact, err := socket.OpenUDP(address)
	b.ok(err)
	name := neigh.PortOf(0, 77)
	if _, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5002"), Device: &name}); !errors.Is(err, socket.ErrNoPort) {
		t.Errorf("a socket of a port that there is not: %v", err)
	}
	for range 3 {
		b.ok(b.Make(made(77)))
		behind, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("10.0.77.1:5003")})
		b.ok(err)
		b.ok(behind.Close())
		raw, err := socket.OpenRaw(0x8892, socket.Options{Device: &name})
		b.ok(err)
		if named, err := socket.Named("rt0.77"); err != nil || *named != name {
			t.Errorf("the port by its name: %v, %v", named, err)
		}
		b.hear(77, 5000)
		b.hear(77, 5001)
		b.nic.Inject(append(wire.AppendEthernet(nil, b.header(77), 0x8892), make([]byte, 60)...))
		b.poll(func([]byte) {})
		for _, s := range []socket.Socket{wild, exact, raw} {
			m, status := s.Receive()
			if status != socket.OK {
				t.Fatalf("socket %d: %v", s, status)
			}
			m.Release()
		}
		b.ok(raw.Close())
		_, err = b.Disable("rt0.77")
		b.ok(err)
	}
}

// A socket of the address of a port that is in-band's gets what comes there once the port is an oob port; one of a port that has gone is refused.
func TestBindToPorts(t *testing.T) {
	b := newBench(t)
	at := func(s string) socket.Options { return socket.Options{Local: netip.MustParseAddrPort(s)} }
	s, err := socket.OpenUDP(at("10.0.43.1:5000"))
	b.ok(err)
	b.hear(43, 5000)
	if s.Readable() != 0 {
		t.Error("the socket got what is in-band's")
	}
	b.ok(b.Enable("rt0.43", 16))
	b.hear(43, 5000)
	if m, status := s.Receive(); status != socket.OK {
		t.Errorf("the port's first datagram: %v", status)
	} else {
		m.Release()
	}
	b.ok(b.Make(made(77)))
	_, err = b.Disable("rt0.77")
	b.ok(err)
	for _, gone := range []string{"10.0.77.1:5000", "10.0.77.255:5000"} {
		if _, err := socket.OpenUDP(at(gone)); !errors.Is(err, socket.ErrAddress) || !strings.Contains(err.Error(), "is no address of an oob port") {
			t.Errorf("bind to %s, whose port has gone: %v", gone, err)
		}
	}
	for _, there := range []string{"10.0.44.255:5000", "10.0.52.1:5000", "127.0.0.1:5000"} {
		s, err := socket.OpenUDP(at(there))
		if err != nil {
			t.Errorf("bind to %s: %v", there, err)
			continue
		}
		b.ok(s.Close())
	}
}

// Buffers that a task has in its hands when the port goes are told of, and come back; the port can be made with another size behind that.
func TestMakeHeld(t *testing.T) {
	b := newBench(t)
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000")})
	b.ok(err)
	b.ok(b.Make(made(77)))
	b.hear(77, 5000)
	b.hear(77, 5000)
	m, status := s.Receive()
	if status != socket.OK {
		t.Fatal(status)
	}
	hand := *m
	if held, err := b.Disable("rt0.77"); held != 1 || err != nil {
		t.Errorf("off: %d held, %v, want 1", held, err)
	}
	larger := made(77)
	larger.Pool = 30
	if err := b.Make(larger); !errors.Is(err, admin.ErrRefused) || !strings.Contains(err.Error(), "in use") || len(b.added) != 0 {
		t.Errorf("with another size: %v", err)
	}
	hand.Release()
	b.ok(b.Make(larger))
	if p, _ := b.Port("rt0.77"); p.Pool.Size != 30 || p.Pool.Free != 30 {
		t.Errorf("pool %+v", p.Pool)
	}
}

// 1,000 times up and down while frames come in at every step: none lost, no buffer either.
func TestMakeUnderTraffic(t *testing.T) {
	b := newBench(t)
	cycles := 1_000
	if testing.Short() || raceEnabled {
		cycles = 100
	}
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000"), Queue: 8, Policy: socket.DropOldest})
	b.ok(err)
	random := rand.New(rand.NewPCG(20261122, 77))
	var number, answered, left, queued uint32
	traffic := func() {
		b.nic.Discard()
		was := oob.Snapshot(0)
		const frames = 3
		for range frames {
			number++
			port := uint16(7)
			if random.IntN(3) == 0 {
				port = 5000
			}
			vid := []uint16{0, 42, 77, 78}[random.IntN(4)]
			b.nic.Inject(wire.AppendUDP(nil, b.header(vid), 40000, port, binary.BigEndian.AppendUint32(nil, number)))
		}
		n := uint32(0)
		b.poll(func([]byte) { n++ })
		left += n
		a := uint32(len(b.nic.Sent()))
		answered += a
		now := oob.Snapshot(0)
		q := now[oob.SocketQueued] - was[oob.SocketQueued] + now[oob.SocketFull] - was[oob.SocketFull]
		queued += q
		if n+a+q != frames {
			t.Fatalf("%d frames: %d left to in-band, %d answered, %d for the socket", frames, n, a, q)
		}
		if random.IntN(4) == 0 {
			if m, status := s.Receive(); status == socket.OK {
				m.Release()
			}
		}
	}
	b.moving = traffic
	for i := range cycles {
		n := made(77 + i%2)
		n.Pool = 1 + random.IntN(40)
		b.ok(b.Make(n))
		traffic()
		held, err := b.Disable(n.Name)
		if err != nil || held != 0 {
			t.Fatalf("cycle %d: %d buffers held, %v", i, held, err)
		}
		traffic()
	}
	b.moving = func() {}
	t.Logf("%d cycles, %d frames: %d answered, %d in-band, %d for a socket, 0 lost", cycles, number, answered, left, queued)
	if answered == 0 || left == 0 || queued == 0 || len(b.added) != 0 {
		t.Error("some fate never occurred, or in-band has a port left")
	}
}

func TestMakeCommands(t *testing.T) {
	b := newBench(t)
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net enable -i rt0.77", `port "rt0.77": no such port or device, want one of rt0 rt0.42`},
		{"net enable -i rt0.77", "a new one needs an address"},
		{"net enable -i rt0.77 -a 10.0.77.1", `address "10.0.77.1": invalid: want an IPv4 address with the length`},
		{"net enable -i rt0.77 -a 10.0.77.1/24 -p 20 -b 4096", "rt0.77: oob port, 60 buffers of 2048 bytes, for datagrams of up to 4096 bytes"},
		{"net query", "rt0.77  10.0.77.1/24  oob"},
		{"net query -i rt0.77", "port rt0.77: 10.0.77.1/24 on rt0, oob, made at run time, takes all IPv4"},
		{"net query -i rt0", "diverted, for rt0, rt0.42, rt0.77"},
		{"net disable -i rt0.77", "rt0.77: gone\n"},
		{"net disable -i rt0.77", "no such port"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
	for _, tc := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"enable", `{"port": "rt0.77", "address": "10.0.77.1/24", "pool": 20}`, 200, `"made": true`},
		{"enable", `{"port": "rt0.78", "address": "10.0.77.2/24"}`, 409, "overlaps that of rt0.77"},
		{"enable", `{"port": "rt0.78", "address": "here"}`, 400, `address \"here\"`},
		{"disable", `{"port": "rt0.77"}`, 200, `"gone": true`},
		{"disable", `{"port": "rt0.77"}`, 404, "no such port"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", admin.Path+tc.path, strings.NewReader(tc.body))
		r.Header.Set("Content-Type", "application/json")
		b.Handler(true).ServeHTTP(w, r)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", tc.path, tc.body, w.Code, w.Body, tc.code, tc.want)
		}
	}
}
