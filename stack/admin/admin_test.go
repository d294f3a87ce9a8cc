package admin_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"
	"testing"
	"time"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/admin"
	"mortise/stack/capture"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/frame"
	"mortise/stack/gateway"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// buffers is the number that the pools of the bench have together.
const buffers = 512

// bench is the model over a fake controller, the companion core, sockets and front caches.
type bench struct {
	*testing.T
	*admin.Admin
	site   wiretest.Site
	dev    *divert.Device
	nic    *enettest.ENET
	memory frame.Memory
	refuse error // what Divert says
	// selective is what Promiscuous says.
	selective error
	moving    func()          // called whenever a step of a change has been done
	known     []admin.Peer    // who Ask was called for
	answer    [6]byte         // of whoever is solicited; zero: nobody answers
	answers   map[uint16]bool // by VID, what in-band was told
	files     map[string][]byte
	added     map[uint16]string         // in-band's ports that were made at run time, by VID
	deny      error                     // what AddPort says
	taps      map[uint16]func(b []byte) // of in-band's ports, by VID
	stored    map[string][]byte         // files of captures
	storing   sync.Mutex
	forgot    []string       // the ports that Forget was called for
	asked     map[uint32]int // by device, how often Traffic was
}

// Put and Remove keep files of captures.
func (b *bench) Put(path string, text []byte) error {
	b.storing.Lock()
	defer b.storing.Unlock()
	b.stored[path] = text
	return nil
}

func (b *bench) Remove(path string) error {
	b.storing.Lock()
	defer b.storing.Unlock()
	delete(b.stored, path)
	return nil
}

// numbers of the bench's in-band ports: more than there are places for oob ports.
const firstVID, lastVID = 43, 52

// learn has in-band learn of a neighbour.
func (b *bench) learn(dev int, vid uint16, addr netip.Addr, mac [6]byte, gone bool) (followed bool) {
	b.Helper()
	followed, err := b.Admin.Learned(dev, vid, addr, mac, gone)
	b.ok(err)
	return followed
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, site: wiretest.DefaultSite(), moving: func() {}, answers: map[uint16]bool{}, added: map[uint16]string{}, taps: map[uint16]func([]byte){}, stored: map[string][]byte{}, asked: map[uint32]int{}}
	rings := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice+buffers)
	b.memory = rings.Memory
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
		Bound: oob.Bind, GiveAfter: time.Hour, Consume: oob.Consume, Kick: socket.Kicked, Join: func(neigh.Port, netip.Addr, bool) error { return nil },
		Listen: func(_ uint32, on bool) { b.dev.Listen(on) },
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
		Promiscuous: func(uint32, bool) error { b.moving(); return b.selective },
		Answers:     func(_ uint32, vid uint16, on bool) { b.answers[vid] = on; b.moving() },
		File: func(name string) ([]byte, error) {
			if b.files == nil {
				return nil, errors.New("there are none here")
			}
			if f, ok := b.files[name]; ok {
				return f, nil
			}
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		},
		AddPort: func(_ uint32, vid uint16, name string, address netip.Prefix) error {
			if b.deny != nil {
				return b.deny
			}
			b.added[vid] = name + " " + address.String()
			b.moving()
			return nil
		},
		RemovePort: func(_ uint32, vid uint16) { delete(b.added, vid); b.moving() },
		Ask:        func(p admin.Peer) { b.known = append(b.known, p) },
		Forget: func(dev uint32, vid uint16, addr netip.Addr) {
			who := "all"
			if addr.IsValid() {
				who = addr.String()
			}
			b.forgot = append(b.forgot, fmt.Sprintf("%d.%d %s", dev, vid, who))
		},
		Traffic: func(dev uint32) admin.DeviceTraffic {
			b.asked[dev]++
			return admin.DeviceTraffic{}
		},
		Captures: capture.New(b),
		Tap: func(_ uint32, vid uint16, _ bool, f func([]byte)) (func(), error) {
			if b.deny != nil {
				return nil, b.deny
			}
			b.taps[vid] = f
			return func() { delete(b.taps, vid) }, nil
		},
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
		for _, c := range b.CaptureList() {
			b.ok(b.RemoveCapture(c.Name))
		}
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
