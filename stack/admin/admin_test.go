package admin_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/admin"
	"mortise/stack/console"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/filter"
	"mortise/stack/forward"
	"mortise/stack/gateway"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

var changes = flag.Int("changes", 0, "changes of TestChangesUnderTraffic; 0: 10,000, 600 with -short or the race detector")

// buffers is the number that the pools of the bench have together.
const buffers = 512

// bench is the model over a fake controller, the companion core, sockets and front caches.
type bench struct {
	*testing.T
	*admin.Admin
	site    wiretest.Site
	dev     *divert.Device
	nic     *enettest.ENET
	refuse  error           // what Divert says
	moving  func()          // called whenever a step of a change has been done
	known   []admin.Peer    // who Ask was called for
	answer  [6]byte         // of whoever is solicited; zero: nobody answers
	answers map[uint16]bool // by VID, what in-band was told
	files   map[string][]byte
}

// numbers of the bench's in-band ports: more than there are places for oob ports.
const firstVID, lastVID = 43, 52

func newBench(t *testing.T) *bench {
	b := &bench{T: t, site: wiretest.DefaultSite(), moving: func() {}, answers: map[uint16]bool{}}
	rings := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice+buffers)
	b.nic = enettest.New(t, rings, enettest.Options{Base: 0x02188000})
	var err error
	b.dev, err = divert.New(0, divert.Config{
		Name: "rt0", TickHz: 1_000_000, CapPerMS: 1 << 30,
		Driver: enet.Config{
			Name: "ENET1", Base: 0x02188000, ClkHz: 66_000_000, MAC: b.site.MAC,
			Desc: rings.Desc, DescBus: rings.DescBus, Memory: rings.Memory, Clock: &enettest.Clock{},
		},
		Hooks: divert.Hooks{Kick: func() { divert.Kicked() }, Route: func(bool) {}},
	})
	b.ok(err)
	socket.Setup(rings.Memory, divert.Devices*divert.SlotsPerDevice, socket.Hooks{
		Bound: oob.Bind, Kick: socket.Kicked, Join: func(neigh.Port, netip.Addr, bool) error { return nil },
	})
	b.Admin, err = admin.New(b.tables(), admin.Hooks{
		Adopt: func(dev uint32, d core.Device) { b.moving(); divert.Adopt(dev, d); b.moving() },
		Divert: func(_ uint32, on bool) error {
			if b.refuse != nil {
				return b.refuse
			}
			b.moving()
			b.dev.Divert(on)
			b.moving()
			return nil
		},
		Answers: func(_ uint32, vid uint16, on bool) { b.answers[vid] = on; b.moving() },
		File: func(name string) ([]byte, error) {
			if b.files == nil {
				return nil, errors.New("there are none here")
			}
			if f, ok := b.files[name]; ok {
				return f, nil
			}
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		},
		Ask: func(p admin.Peer) { b.known = append(b.known, p) },
		Solicit: func(ctx context.Context, _ uint32, _ uint16, addr netip.Addr) ([6]byte, error) {
			if b.answer == [6]byte{} {
				<-ctx.Done()
				return b.answer, ctx.Err()
			}
			return b.answer, nil
		},
	})
	b.ok(err)
	b.ok(b.Start())
	b.dev.Serve(b.Diverted(0))
	t.Cleanup(func() {
		b.moving = func() {}
		for _, s := range socket.List() {
			b.ok(s.Socket.Close())
		}
		b.Link(0, true)
		for _, p := range b.Ports() {
			if _, err := b.Disable(p.Name); err != nil {
				t.Error(err)
			}
		}
		b.whole()
	})
	return b
}

// tables are those of a device with two oob ports, one of them with rules, and in-band ports beside them.
func (b *bench) tables() *gateway.Tables {
	addr := func(a [4]byte) uint32 { return binary.BigEndian.Uint32(a[:]) }
	d := gateway.DeviceTable{Name: "rt0", MAC: b.site.MAC, Diverted: true, Ports: []gateway.PortTable{
		{
			Name: "rt0", Addr: addr(b.site.Addr), Prefix: 24, Oob: true, Echo: true, Pool: 16,
			UDP:     []gateway.PortRange{{First: 7, Last: 7}, {First: 5000, Last: 5009}},
			Gateway: netip.AddrFrom4([4]byte{10, 0, 0, 254}), Solicit: []netip.Addr{netip.MustParseAddr("10.0.0.9")},
		},
		{
			Name: "rt0.42", VID: b.site.VID, Addr: addr(b.site.VAddr), Prefix: 24, Oob: true, AllIPv4: true, Echo: true, Pool: 16,
			Neighbours: []gateway.Neighbour{{Address: netip.MustParseAddr("10.0.42.77"), MAC: gateway.MAC{2, 0, 0, 0, 0, 77}}},
		},
	}}
	for vid := uint16(firstVID); vid <= lastVID; vid++ {
		d.Ports = append(d.Ports, gateway.PortTable{
			Name: fmt.Sprintf("rt0.%d", vid), VID: vid, Addr: 10<<24 | uint32(vid)<<8 | 1, Prefix: 24, Pool: 16,
		})
	}
	return &gateway.Tables{Devices: []gateway.DeviceTable{d}}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// whole checks that no slot of the device and no buffer is missing, with all ports off.
func (b *bench) whole() {
	b.Helper()
	sum := uint32(0)
	for _, p := range b.dev.Slots() {
		if p.Place != "free_lowest" {
			sum += p.Slots
		}
	}
	if sum != divert.SlotsPerDevice {
		b.Errorf("slots in all places = %d, want %d", sum, divert.SlotsPerDevice)
	}
	if err := b.Enable("rt0", buffers); err != nil {
		b.Errorf("buffers are missing: %v", err)
	}
	_, err := b.Disable("rt0")
	b.ok(err)
}

// header is that of a frame from the peer to a port.
func (b *bench) header(vid uint16) *wire.Header {
	switch vid {
	case 0:
		return b.site.From()
	case b.site.VID:
		return b.site.VFrom()
	}
	h := b.site.From()
	h.Tags = []wire.VLAN{{VID: vid}}
	h.SrcIP, h.DstIP = [4]byte{10, 0, byte(vid), 2}, [4]byte{10, 0, byte(vid), 1}
	return h
}

// poll lets the stage that drives the device serve it; in-band's frames go to inband.
func (b *bench) poll(inband func(f []byte)) {
	if divert.Diverted(0) {
		divert.Poll(0)
	}
	for b.dev.Receive(64, inband) > 0 {
	}
	for {
		if _, ok := oob.PopEvent(); !ok {
			break
		}
	}
}

// fates sends an echo request to each port and tells who answered: "oob", "in-band", or what else.
func (b *bench) fate(vid uint16) string {
	request, _ := wiretest.Echo(b.header(vid), 40000, wiretest.Payload(32, 1))
	b.nic.Discard()
	b.nic.Inject(request)
	left := 0
	b.poll(func([]byte) { left++ })
	return map[[2]int]string{{1, 0}: "oob", {0, 1}: "in-band", {0, 0}: "nobody"}[[2]int{len(b.nic.Sent()), left}]
}

func (b *bench) want(vid uint16, who string) {
	b.Helper()
	if got := b.fate(vid); got != who {
		b.Errorf("VLAN %d: answered by %q, want %q", vid, got, who)
	}
}

func TestEnableDisable(t *testing.T) {
	b := newBench(t)
	b.want(0, "oob")
	b.want(42, "oob")
	b.want(43, "in-band")
	b.ok(b.Enable("rt0.43", 20))
	b.ok(b.Enable("rt0.43", 30)) // is on: no error, nothing changes
	b.want(43, "oob")
	if p, _ := b.Port("rt0.43"); !p.Oob || !p.Up || p.Pool.Size != 20 || p.Pool.Free != 20 || !b.answers[43] {
		t.Errorf("rt0.43: %+v, pool %+v", p, p.Pool)
	}
	_, err := b.Disable("rt0.43")
	b.ok(err)
	_, err = b.Disable("rt0.43")
	b.ok(err)
	b.want(43, "in-band")
	if p, _ := b.Port("rt0.43"); p.Oob || p.Pool != nil || b.answers[43] {
		t.Errorf("rt0.43: %+v", p)
	}
	// The device is diverted as long as one port needs it to be.
	for i, name := range []string{"rt0", "rt0.42"} {
		if d, _ := b.Device("rt0"); !d.Diverted || len(d.For) != 2-i {
			t.Errorf("rt0: %+v", d)
		}
		_, err := b.Disable(name)
		b.ok(err)
	}
	if d, _ := b.Device("rt0"); d.Diverted || divert.Diverted(0) || len(d.For) != 0 {
		t.Errorf("rt0 without ports: %+v", d)
	}
	b.want(0, "in-band")
	on, err := b.Divert("rt0", true)
	if !on || err != nil || !divert.Diverted(0) {
		t.Errorf("Divert = %v, %v", on, err)
	}
	b.want(0, "in-band")
	b.ok(b.Enable("rt0", 0))
	if on, err := b.Divert("rt0", false); !on || err != nil {
		t.Errorf("Divert off with a port on = %v, %v, want still diverted", on, err)
	}
	b.want(0, "oob")
	b.ok(b.Enable("rt0.42", 0))
	if list, _ := b.Neighbours("rt0.42"); len(list) != 1 || !list[0].Permanent {
		t.Errorf("permanent neighbours of rt0.42 = %v", list)
	}
}

// A refusal says what and why, and changes nothing.
func TestRefusals(t *testing.T) {
	b := newBench(t)
	b.ok(b.SetVLANs("rt0", "100,200-210"))
	for _, tc := range []struct {
		name string
		do   func() error
		is   error
		text string
	}{
		{"unknown port", func() error { return b.Enable("rt1", 0) }, admin.ErrUnknown, "rt0.42"},
		{"unknown port off", func() error { _, err := b.Disable("rt1"); return err }, admin.ErrUnknown, "rt1"},
		{"pool too large", func() error { return b.Enable("rt0.43", 32769) }, admin.ErrInvalid, "1 to 32768"},
		{"pool below 0", func() error { return b.Enable("rt0.43", -1) }, admin.ErrInvalid, "1 to 32768"},
		{"more than there is", func() error { return b.Enable("rt0.43", buffers) }, admin.ErrRefused, "at most 480"},
		{"unknown device", func() error { return b.SetVLANs("rt0.42", "100") }, admin.ErrUnknown, "rt0"},
		{"VLAN with a port", func() error { return b.SetVLANs("rt0", "100,43") }, admin.ErrRefused, "rt0.43"},
		{"VLAN 1", func() error { return b.SetVLANs("rt0", "1") }, admin.ErrInvalid, "default VLAN"},
		{"neighbour elsewhere", func() error {
			return b.SetNeighbour("rt0", netip.MustParseAddr("10.9.0.1"), [6]byte{2})
		}, admin.ErrInvalid, "10.0.0.0/24"},
		{"group MAC", func() error {
			return b.SetNeighbour("rt0", netip.MustParseAddr("10.0.0.3"), [6]byte{3})
		}, admin.ErrInvalid, "10.0.0.3"},
		{"neighbour of an in-band port", func() error {
			return b.SetNeighbour("rt0.43", netip.MustParseAddr("10.0.43.3"), [6]byte{2})
		}, admin.ErrNotOob, "rt0.43"},
		{"no such neighbour", func() error {
			return b.RemoveNeighbour("rt0", netip.MustParseAddr("10.0.0.3"))
		}, admin.ErrUnknown, "10.0.0.3"},
		{"link down", func() error { b.Link(0, false); return b.Enable("rt0.43", 0) }, admin.ErrDown, "rt0.43"},
		{"solicit while down", func() error {
			_, err := b.Solicit(context.Background(), admin.Solicitation{Addr: netip.MustParseAddr("10.0.0.3")})
			return err
		}, admin.ErrDown, "rt0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := fmt.Sprint(b.Devices()[0].For, b.Devices()[0].VLANs, b.Routes())
			err := tc.do()
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v, want %v with %q", err, tc.is, tc.text)
			}
			if after := fmt.Sprint(b.Devices()[0].For, b.Devices()[0].VLANs, b.Routes()); after != before {
				t.Errorf("changed: %s, was %s", after, before)
			}
		})
	}
}

// When the last step of a change fails, the steps before it are taken back.
func TestRollBack(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"rt0", "rt0.42"} {
		_, err := b.Disable(name)
		b.ok(err)
	}
	b.refuse = errors.New("the controller does not answer")
	for _, do := range []func() error{
		func() error { return b.Enable("rt0.43", 0) },
		func() error { return b.SetVLANs("rt0", "100") },
		func() error { _, err := b.Divert("rt0", true); return err },
	} {
		if err := do(); !errors.Is(err, b.refuse) {
			t.Errorf("error %v, want %v", err, b.refuse)
		}
		if d, _ := b.Device("rt0"); d.Diverted || len(d.For) != 0 || divert.Diverted(0) || len(b.Routes()) != 0 {
			t.Errorf("left behind: %+v, routes %v", d, b.Routes())
		}
		b.want(43, "in-band")
	}
	b.refuse = nil
	b.ok(b.Enable("rt0.43", 0))
	b.refuse = errors.New("the controller does not answer")
	if _, err := b.Disable("rt0.43"); !errors.Is(err, b.refuse) {
		t.Errorf("error %v, want %v", err, b.refuse)
	}
	b.want(43, "oob")
	if p, _ := b.Port("rt0.43"); !p.Up || p.Pool == nil || p.Pool.Free != 16 || len(b.Routes()) != 1 {
		t.Errorf("rt0.43: %+v", p)
	}
	b.refuse = nil
}

// Reload takes rules over, and nothing else.
func TestReload(t *testing.T) {
	b := newBench(t)
	next := b.tables()
	next.Devices[0].Ports[0].UDP = []gateway.PortRange{{First: 9, Last: 9}}
	b.ok(b.Reload(next))
	b.want(0, "in-band")
	b.want(42, "oob")
	if p, _ := b.Port("rt0"); p.Accepts != "UDP ports 9" {
		t.Errorf("rt0 accepts %q", p.Accepts)
	}
	next.Devices[0].Ports = next.Devices[0].Ports[:1]
	if err := b.Reload(next); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("Reload with other ports: %v", err)
	}
	_, err := b.Disable("rt0.42")
	b.ok(err)
	b.ok(b.Reload(b.tables()))
	b.want(0, "oob")
	b.want(42, "in-band")
}

// A device has eight oob ports at most. A place is another port's only when nothing depends on it any more.
func TestPlaces(t *testing.T) {
	b := newBench(t)
	for vid := firstVID; vid < firstVID+6; vid++ {
		b.ok(b.Enable(fmt.Sprintf("rt0.%d", vid), 0))
	}
	if err := b.Enable("rt0.50", 0); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("the ninth port: %v", err)
	}
	name := neigh.PortOf(0, 43)
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000"), Device: &name})
	b.ok(err)
	_, err = b.Disable("rt0.43")
	b.ok(err)
	if err := b.Enable("rt0.50", 0); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("in the place of a port that a socket is bound to: %v", err)
	}
	b.ok(s.Close())
	b.ok(b.Enable("rt0.50", 0))
	b.want(50, "oob")
	b.want(43, "in-band")
}

// The link's going takes neighbours with it but for permanent ones; its coming asks for them, and for those of the
// configuration.
func TestLink(t *testing.T) {
	b := newBench(t)
	peer := netip.MustParseAddr("10.0.42.5")
	b.ok(b.Learned(0, 42, peer, [6]byte{2, 0, 0, 0, 0, 5}, false))
	b.Link(0, false)
	if list, _ := b.Neighbours(""); len(list) != 1 || !list[0].Permanent {
		t.Errorf("neighbours with the link down: %v", list)
	}
	b.ok(b.Learned(0, 42, peer, [6]byte{2, 0, 0, 0, 0, 5}, false)) // in-band is late: not taken
	if list, _ := b.Neighbours(""); len(list) != 1 {
		t.Errorf("neighbours with the link down: %v", list)
	}
	if p, _ := b.Port("rt0.42"); !p.Oob || p.Up {
		t.Errorf("rt0.42: %+v", p)
	}
	b.Link(0, true)
	want := []admin.Peer{{Port: "rt0", Addr: netip.MustParseAddr("10.0.0.9")}, {Port: "rt0.42", Addr: peer}}
	if fmt.Sprint(b.known) != fmt.Sprint(want) {
		t.Errorf("asked for %v, want %v", b.known, want)
	}
	b.want(42, "oob")
}

func TestSolicit(t *testing.T) {
	b := newBench(t)
	ask := func(s admin.Solicitation) (admin.Neighbour, error) { return b.Solicit(context.Background(), s) }
	addr := netip.MustParseAddr("10.0.42.9")
	if _, err := ask(admin.Solicitation{Addr: addr, Timeout: 1}); !errors.Is(err, admin.ErrTimeout) {
		t.Errorf("nobody answers: %v", err)
	}
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	n, err := ask(admin.Solicitation{Addr: addr, Permanent: true})
	if err != nil || n.Port != "rt0.42" || n.MAC != "02:00:00:00:00:09" {
		t.Errorf("Solicit = %v, %v", n, err)
	}
	far := netip.MustParseAddr("192.0.2.1")
	if _, err := ask(admin.Solicitation{Addr: far}); !errors.Is(err, admin.ErrRefused) || !strings.Contains(err.Error(), "-g") {
		t.Errorf("by a gateway, not asked for: %v", err)
	}
	if n, err := ask(admin.Solicitation{Addr: far, Gateway: true}); err != nil || n.Address != netip.MustParseAddr("10.0.0.254") {
		t.Errorf("by a gateway = %v, %v", n, err)
	}
	if r, ok := neigh.Lookup(neigh.Wire(far)); !ok || r.Port != neigh.PortOf(0, 0) {
		t.Errorf("route to %v = %v, %v", far, r, ok)
	}
	for name, s := range map[string]admin.Solicitation{
		"its own address": {Addr: netip.AddrFrom4(b.site.Addr)}, "IPv6": {Addr: netip.MustParseAddr("::1")},
		"no route": {Addr: netip.MustParseAddr("10.0.43.2")}, "another port": {Addr: addr, Port: "rt0"},
		"an in-band port": {Addr: netip.MustParseAddr("10.0.43.2"), Port: "rt0.43"}, "too long": {Addr: addr, Timeout: 1 << 40},
	} {
		if n, err := ask(s); err == nil {
			t.Errorf("%s: %v", name, n)
		}
	}
	if got := b.Flush(); got != 2 { // the gateway and the route through it
		t.Errorf("Flush = %d, want 2", got)
	}
	if list, _ := b.Neighbours("rt0.42"); len(list) != 2 {
		t.Errorf("permanent neighbours after Flush: %v", list)
	}
}

// TestChangesUnderTraffic: ports go on and off, VLAN rules and diversion change while frames come in at every step of each change.
// Each frame has one fate: none is lost, none goes to both stages, no buffer leaks.
func TestChangesUnderTraffic(t *testing.T) {
	b := newBench(t)
	n := *changes
	if n == 0 {
		if n = 10_000; raceEnabled || testing.Short() {
			n = 600
		}
	}
	random := rand.New(rand.NewPCG(20261122, 4))
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000"), Queue: 8, Policy: socket.DropOldest})
	b.ok(err)
	var (
		number, answered, left uint32
		fates                  = map[uint32]int{}
		hands                  []socket.Message
		vids                   = []uint16{0, 42, 43, 44, 45, 100}
	)
	before := oob.Snapshot(0)
	traffic := func() {
		clear(fates)
		b.nic.Discard()
		first := number
		for range 3 {
			h := b.header(vids[random.IntN(len(vids))])
			number++
			port := uint16(7)
			if random.IntN(3) == 0 {
				port = 5000
			}
			payload := binary.BigEndian.AppendUint32(nil, number)
			b.nic.Inject(wire.AppendUDP(nil, h, 40000, port, payload))
		}
		was := oob.Snapshot(0)
		fate := func(f []byte) {
			at := wiretest.L3(f) + 28
			fates[binary.BigEndian.Uint32(f[at:])]++
		}
		b.poll(func(f []byte) { left++; fate(f) })
		for _, f := range b.nic.Sent() {
			answered++
			fate(f)
		}
		now := oob.Snapshot(0)
		// What a socket takes, and what comes on an oob VLAN without a port, has its fate there.
		consumed := uint32(0)
		for _, c := range []int{oob.SocketQueued, oob.SocketFull, oob.IPv4Destination, oob.ProgramDrop, oob.RuleDrop} {
			consumed += now[c] - was[c]
		}
		for i, times := range fates {
			if times != 1 || i <= first {
				t.Fatalf("frame %d of %d to %d: %d fates", i, first+1, number, times)
			}
		}
		if got := uint32(len(fates)) + consumed; got != 3 {
			t.Fatalf("frames %d to %d: %d have a fate, want 3; consumed %d", first+1, number, got, consumed)
		}
		if m, status := receive(s, len(hands) < 3); status == socket.OK {
			hands = append(hands, m)
		} else if len(hands) != 0 && random.IntN(2) == 0 {
			hands[0].Release()
			hands = hands[1:]
		}
	}
	b.moving = traffic
	programs := []admin.Program{
		always(filter.Drop), always(filter.Accept), always(filter.Skip), always(filter.VLAN), {Name: "gateway.o", Content: object(t, "gateway.o")},
		{Name: "whole.o", Content: object(t, "whole.o")},
	}
	classifiers := []*forward.Classifier{nil, ruled(t, "drop"), ruled(t, "accept"), ruled(t, "skip"), ruled(t, "vlan")}
	refused, beyond := 0, admin.Program{Content: object(t, "refused/beyond.o")}
	for range n {
		name := []string{"rt0", "rt0.42", "rt0.43", "rt0.44", "rt0.45"}[random.IntN(5)]
		switch random.IntN(10) {
		case 0, 1:
			if err := b.Enable(name, 1+random.IntN(40)); err != nil && !strings.Contains(err.Error(), "in use") {
				t.Fatal(err)
			}
		case 2, 3:
			_, err = b.Disable(name)
			b.ok(err)
		case 4:
			b.ok(b.SetVLANs("rt0", []string{"", "100", "100-110"}[random.IntN(3)]))
		case 5:
			_, err = b.Divert("rt0", random.IntN(2) == 0)
			b.ok(err)
		case 6:
			b.ok(b.SetFilter("rt0", programs[random.IntN(len(programs))]))
		case 7:
			b.ok(b.RemoveFilter("rt0"))
		case 8:
			b.ok(b.Update(func(c *oob.Config) error {
				c.Device[0].Rules = classifiers[random.IntN(len(classifiers))]
				return nil
			}))
		case 9:
			if b.SetFilter("rt0", beyond) == nil {
				t.Fatal("a program that is not safe was taken")
			}
			refused++
		}
		traffic()
	}
	b.moving = func() {}
	for i := range hands {
		hands[i].Release()
	}
	b.ok(b.SetVLANs("rt0", ""))
	b.ok(b.RemoveFilter("rt0"))
	b.ok(b.Update(func(c *oob.Config) error { c.Device[0].Rules = nil; return nil }))
	_, err = b.Divert("rt0", false)
	b.ok(err)
	after := oob.Snapshot(0)
	moved := func(counter int) uint32 { return after[counter] - before[counter] }
	t.Logf("%d changes, %d of them refused, %d frames: %d answered by the oob stage, %d in-band (%d by programs, %d by rules), %d queued for a socket, "+
		"%d dropped by programs, %d by rules, 0 lost", n, refused, number, answered, left, moved(oob.InbandProgram), moved(oob.InbandRule),
		moved(oob.SocketQueued), moved(oob.ProgramDrop), moved(oob.RuleDrop))
	if answered == 0 || left == 0 || moved(oob.SocketQueued) == 0 || moved(oob.ProgramDrop) == 0 || moved(oob.RuleDrop) == 0 ||
		moved(oob.InbandProgram) == 0 || moved(oob.InbandRule) == 0 {
		t.Error("some fate never occurred")
	}
}

// receive takes a message from a socket, if there is room for it.
func receive(s socket.Socket, room bool) (socket.Message, socket.Status) {
	if !room {
		return socket.Message{}, socket.Empty
	}
	m, status := s.Receive()
	if status != socket.OK {
		return socket.Message{}, status
	}
	return *m, status
}

func TestCommands(t *testing.T) {
	b := newBench(t)
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net enable -i rt0.43 -p 20", "rt0.43: oob port, 20 buffers of 2048 bytes"},
		{"net enable -i rt0.44 -p 0", "net enable: a pool of 0 buffers: invalid"},
		{"net enable -i rt0.44 -p x", `invalid value "x"`},
		{"net enable", "name the port: -i NAME"},
		{"net enable rt0.44", "1 words behind the flags, want 0 to 0"},
		{"net enable -i rt9", `port "rt9": no such port or device, want one of rt0 rt0.42`},
		{"net query -i rt0.43", "port rt0.43: 10.0.43.1/24 on rt0, oob, takes all IPv4"},
		{"net query -i rt0", "link up, oob-capable, diverted, for rt0, rt0.42, rt0.43"},
		{"net query", "rt0.44  10.0.44.1/24  in-band"},
		{"net disable -i rt0.43", "rt0.43: in-band only"},
		{"net divert -i rt0 on", "rt0: diverted, for rt0, rt0.42, request"},
		{"net divert -i rt0 maybe", `"maybe": want on or off`},
		{"net divert -i rt0 off", "rt0: diverted, for rt0, rt0.42\n"},
		{"net vlans -i rt0 100,200-210", "rt0: VLANs that are oob without a port: 100,200-210"},
		{"net vlans -i rt0 4095", "4095 is reserved"},
		{"net vlans -i rt0 none", "rt0: VLANs that are oob without a port: none"},
		{"net solicit -s 10.0.42.9", "rt0.42: 10.0.42.9 is at 02:00:00:00:00:09, permanent"},
		{"net solicit nobody", "unable to parse IP"},
		{"net neigh", "2 neighbours"},
		{"net neigh set -i rt0 10.0.0.3 02:00:00:00:00:03", "rt0: 10.0.0.3 is at 02:00:00:00:00:03, permanent"},
		{"net neigh set -i rt0 10.0.0.3 02:00", `"02:00": invalid, want a MAC address`},
		{"net neigh remove -i rt0 10.0.0.3", "rt0: 10.0.0.3 forgotten"},
		{"net neigh flush", "0 entries forgotten"},
		{"net routes", "10.0.42.0/24: rt0.42"},
		{"net sockets", "0 sockets"},
		{"net conflicts", "0 conflicts"},
		{"help", "net solicit"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
}

func TestHTTP(t *testing.T) {
	b := newBench(t)
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	for _, tc := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "ports", "", 200, `"name": "rt0.42"`},
		{"GET", "ports/rt0.42", "", 200, `"size": 16`},
		{"GET", "ports/rt9", "", 404, "no such port"},
		{"GET", "devices", "", 200, `"diverted": true`},
		{"GET", "devices/rt0", "", 200, `"udp_echo"`},
		{"GET", "neighbours?port=rt0.42", "", 200, `"address": "10.0.42.77"`},
		{"GET", "routes", "", 200, `"prefix": "10.0.0.0/24"`},
		{"GET", "sockets", "", 200, "[]"},
		{"GET", "conflicts", "", 200, "[]"},
		{"GET", "enable", "", 405, ""},
		{"GET", "nothing", "", 404, ""},
		{"POST", "enable", `{"port": "rt0.43", "pool": 20}`, 200, `"oob": true`},
		{"POST", "enable", `{"port": "rt0.44", "pool": 0}`, 400, "a pool of 0 buffers"},
		{"POST", "enable", `{"port": "rt0.44", "pool": 40000}`, 400, "1 to 32768"},
		{"POST", "enable", `{"port": "rt0.44", "pool": 500}`, 409, "no more slots"},
		{"POST", "enable", `{"port": "rt9"}`, 404, "no such port"},
		{"POST", "enable", `{"ports": "rt0.43"}`, 400, "unknown field"},
		{"POST", "enable", `{"port": "rt0.43"} {}`, 400, "more than one"},
		{"POST", "enable", `{`, 400, "JSON"},
		{"POST", "enable", `{"port": "` + strings.Repeat("x", 9000) + `"}`, 400, "too large"},
		{"POST", "disable", `{"port": "rt0.43"}`, 200, `"oob": false`},
		{"POST", "divert", `{"device": "rt0", "on": true}`, 200, `"request"`},
		{"POST", "divert", `{"device": "rt0"}`, 400, "missing"},
		{"POST", "vlans", `{"device": "rt0", "list": "100"}`, 200, `"vlans": "100"`},
		{"POST", "vlans", `{"device": "rt0", "list": "0"}`, 400, "priority tag"},
		{"POST", "solicit", `{"address": "10.0.42.9", "permanent": true}`, 200, `"mac": "02:00:00:00:00:09"`},
		{"POST", "solicit", `{"address": "10.0.43.9"}`, 409, "by the gateway 10.0.0.254 only"},
		{"POST", "solicit", `{"address": "10.0.42.9", "timeout_ms": 9000}`, 400, "1 to 8000"},
		{"POST", "neighbours", `{"port": "rt0", "address": "10.0.0.3", "mac": "02:00:00:00:00:03"}`, 200, `"10.0.0.3"`},
		{"POST", "neighbours/remove", `{"port": "rt0", "address": "10.0.0.3"}`, 200, "[]"},
		{"POST", "neighbours/flush", `{}`, 200, `"forgotten": 0`},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, admin.Path+tc.path, strings.NewReader(tc.body))
		r.Header.Set("Content-Type", "application/json")
		b.Handler(true).ServeHTTP(w, r)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d with %q", tc.method, tc.path, tc.body, w.Code, w.Body, tc.code, tc.want)
		}
	}
	// A browser's form, and a configuration that allows no changes.
	for _, tc := range []struct {
		control bool
		kind    string
		code    int
	}{{true, "text/plain", http.StatusUnsupportedMediaType}, {false, "application/json", http.StatusForbidden}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", admin.Path+"disable", strings.NewReader(`{"port": "rt0"}`))
		r.Header.Set("Content-Type", tc.kind)
		b.Handler(tc.control).ServeHTTP(w, r)
		if p, _ := b.Port("rt0"); w.Code != tc.code || !p.Oob {
			t.Errorf("control %v, %s: %d, want %d and nothing changed", tc.control, tc.kind, w.Code, tc.code)
		}
	}
	b.ok(b.SetVLANs("rt0", ""))
}
