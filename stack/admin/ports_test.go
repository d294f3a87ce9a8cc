package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/socket"
)

func TestEnableDisable(t *testing.T) {
	b := newBench(t)
	b.want(0, "oob")
	b.want(42, "oob")
	b.want(43, "in-band")
	b.ok(b.Enable("rt0.43", 20))
	b.ok(b.Enable("rt0.43", 20)) // is on: no error, nothing changes
	b.ok(b.Enable("rt0.43", 0))
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
		{"neighbour with the broadcast address", func() error {
			return b.SetNeighbour("rt0", netip.MustParseAddr("10.0.0.255"), [6]byte{2})
		}, admin.ErrInvalid, "broadcast"},
		{"neighbour of an in-band port", func() error {
			return b.SetNeighbour("rt0.43", netip.MustParseAddr("10.0.43.3"), [6]byte{2})
		}, admin.ErrNotOob, "rt0.43"},
		{"on with another pool", func() error { return b.Enable("rt0.42", 17) }, admin.ErrRefused, "rt0.42: refused: it is on, with 16 buffers of 2048 bytes; disable it first"},
		{"on with another limit", func() error { return b.EnableSized("rt0.42", 16, 4096) }, admin.ErrRefused, "disable it first"},
		{"on, a pool too large", func() error { return b.Enable("rt0.42", 32769) }, admin.ErrInvalid, "1 to 32768"},
		{"no such neighbour", func() error {
			return b.RemoveNeighbour("rt0", netip.MustParseAddr("10.0.0.3"))
		}, admin.ErrUnknown, "10.0.0.3"},
		{"no such neighbour of a port that is off", func() error {
			return b.RemoveNeighbour("rt0.43", netip.MustParseAddr("10.0.43.3"))
		}, admin.ErrUnknown, "the front cache has none"},
		{"link down", func() error { b.Link(0, false); return b.Enable("rt0.43", 0) }, admin.ErrDown, "rt0.43"},
		{"solicit while down", func() error {
			_, err := b.Solicit(context.Background(), admin.Solicitation{Addr: netip.MustParseAddr("10.0.0.3")})
			return err
		}, admin.ErrDown, "rt0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := func() string {
				list, err := b.Neighbours("")
				b.ok(err)
				return fmt.Sprint(b.Devices()[0].For, b.Devices()[0].VLANs, b.Routes(), list, b.Static())
			}
			before := settings()
			err := tc.do()
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v, want %v with %q", err, tc.is, tc.text)
			}
			if after := settings(); after != before {
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
		// Nor does the companion core know of it: what it would take shows once the device is diverted.
		refuse := b.refuse
		b.refuse = nil
		_, err := b.Divert("rt0", true)
		b.ok(err)
		for _, vid := range []uint16{43, 100} {
			b.want(vid, "in-band")
		}
		_, err = b.Divert("rt0", false)
		b.ok(err)
		b.refuse = refuse
	}
	b.refuse = nil
	b.ok(b.Enable("rt0.43", 0))
	b.refuse = errors.New("the controller does not answer")
	if _, err := b.Disable("rt0.43"); !errors.Is(err, b.refuse) {
		t.Errorf("error %v, want %v", err, b.refuse)
	}
	b.want(43, "oob")
	if p, _ := b.Port("rt0.43"); !p.Up || p.Pool == nil || p.Pool.Free != 16 || len(b.Routes()) != 1 || !b.answers[43] {
		t.Errorf("rt0.43: %+v, in-band leaves its answers to the oob stage: %v", p, b.answers[43])
	}
	b.refuse = nil
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
	peer, pinned := netip.MustParseAddr("10.0.42.5"), netip.MustParseAddr("10.0.42.77")
	b.learn(0, 42, peer, [6]byte{2, 0, 0, 0, 0, 5}, false)
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000")})
	b.ok(err)
	compose := func(addr netip.Addr, want socket.Status) {
		t.Helper()
		var m socket.Message
		got := s.Compose(&m, neigh.Wire(addr), 5001)
		if got != want {
			t.Errorf("Compose to %v: %v, want %v", addr, got, want)
		}
		if got == socket.OK {
			m.Release()
		}
	}
	compose(peer, socket.OK)
	compose(pinned, socket.OK)
	b.Link(0, false)
	compose(peer, socket.Unsolicited)
	compose(pinned, socket.Down)
	if list, _ := b.Neighbours(""); len(list) != 1 || !list[0].Permanent {
		t.Errorf("neighbours with the link down: %v", list)
	}
	if got, want := fmt.Sprint(b.forgot), "[0.0 all 0.42 all]"; got != want { // in-band is to ask anew, too
		t.Errorf("in-band forgot the neighbours of %s, want %s", got, want)
	}
	b.learn(0, 42, peer, [6]byte{2, 0, 0, 0, 0, 5}, false) // in-band is late: not taken
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
	compose(pinned, socket.OK)
	b.want(42, "oob")
}

// A neighbour that is solicited for good, or set, is there again when its port has been off and on.
func TestPermanentOutlivesItsPort(t *testing.T) {
	b := newBench(t)
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	asked, set, passing := netip.MustParseAddr("10.0.42.9"), netip.MustParseAddr("10.0.42.8"), netip.MustParseAddr("10.0.42.7")
	_, err := b.Solicit(context.Background(), admin.Solicitation{Addr: asked, Permanent: true})
	b.ok(err)
	_, err = b.Solicit(context.Background(), admin.Solicitation{Addr: passing})
	b.ok(err)
	b.ok(b.SetNeighbour("rt0.42", set, [6]byte{2, 0, 0, 0, 0, 8}))
	for range 2 {
		_, err = b.Disable("rt0.42")
		b.ok(err)
		if list, _ := b.Neighbours(""); len(list) != 0 {
			t.Errorf("neighbours of ports that are off: %v", list)
		}
		b.ok(b.Enable("rt0.42", 0))
	}
	list, _ := b.Neighbours("rt0.42")
	want := "[rt0.42: 10.0.42.8 is at 02:00:00:00:00:08, permanent rt0.42: 10.0.42.9 is at 02:00:00:00:00:09, permanent " +
		"rt0.42: 10.0.42.77 is at 02:00:00:00:00:4d, permanent]"
	if got := fmt.Sprint(list); got != want {
		t.Errorf("neighbours = %s, want %s", got, want)
	}
	b.ok(b.RemoveNeighbour("rt0.42", asked))
	_, err = b.Disable("rt0.42")
	b.ok(err)
	b.ok(b.Enable("rt0.42", 0))
	if list, _ := b.Neighbours("rt0.42"); len(list) != 2 {
		t.Errorf("one that was taken out came back: %v", list)
	}
	// One of a port that is off is taken out all the same.
	_, err = b.Disable("rt0.42")
	b.ok(err)
	b.ok(b.RemoveNeighbour("rt0.42", set))
	if err := b.RemoveNeighbour("rt0.42", set); !errors.Is(err, admin.ErrUnknown) {
		t.Errorf("taken out twice: %v", err)
	}
	b.ok(b.Enable("rt0.42", 0))
	if list, _ := b.Neighbours("rt0.42"); len(list) != 1 || list[0].Address != netip.MustParseAddr("10.0.42.77") {
		t.Errorf("of those that are left came back %v", list)
	}
}

// Another host with a port's address is told of, by port, with how often it was seen and where last.
func TestConflicts(t *testing.T) {
	b := newBench(t)
	if got := b.Conflicts(); got == nil || len(got) != 0 {
		t.Errorf("Conflicts = %v, want an empty list", got)
	}
	for i := range 3 {
		if n := b.Conflicted(0, 42, netip.AddrFrom4(b.site.VAddr), [6]byte{2, 0, 0, 0, 0, byte(5 + i)}); n != uint64(i+1) {
			t.Errorf("Conflicted = %d, want %d", n, i+1)
		}
	}
	if n := b.Conflicted(0, 99, netip.AddrFrom4(b.site.VAddr), [6]byte{2}); n != 0 {
		t.Errorf("on a VLAN without a port: %d", n)
	}
	if got, want := fmt.Sprint(b.Conflicts()), "[{rt0.42 10.0.42.1 02:00:00:00:00:07 3}]"; got != want {
		t.Errorf("Conflicts = %s, want %s", got, want)
	}
	if p, _ := b.Port("rt0.42"); p.Conflicts != 3 {
		t.Errorf("rt0.42: %d conflicts, want 3", p.Conflicts)
	}
}
