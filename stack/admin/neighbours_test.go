package admin_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/neigh"
)

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
	if r, ok := neigh.Lookup(neigh.Wire(far)); ok {
		t.Errorf("route to %v after Flush: %v", far, r)
	}
	if got := b.Flush(); got != 0 {
		t.Errorf("another Flush = %d, want 0", got)
	}
}

// What Solicit cannot enter, it enters no part of: neither the gateway without the route, nor the route without the gateway.
func TestSolicitRefused(t *testing.T) {
	b := newBench(t)
	t.Cleanup(func() { b.Flush() })
	by := func(n int, permanent bool) error {
		_, err := b.Solicit(context.Background(), admin.Solicitation{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), Gateway: true, Permanent: permanent})
		return err
	}
	b.answer = [6]byte{3, 0, 0, 0, 0, 9} // a group's: nobody's
	before := b.settings()
	if err := by(1, false); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a gateway with a group's MAC address: %v", err)
	}
	if after := b.settings(); after != before {
		t.Errorf("a gateway with a group's MAC address: it was\n%s, and is\n%s", before, after)
	}
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	room := neigh.Routes + neigh.MaxPorts - len(b.Routes())
	for n := range room {
		b.ok(by(n, false))
	}
	before = b.settings()
	if err := by(room, true); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("a route beyond the last: %v", err)
	}
	if after := b.settings(); after != before {
		t.Errorf("a route beyond the last: it was\n%s, and is\n%s", before, after)
	}
	b.ok(by(room-1, true)) // the route that is there
}
