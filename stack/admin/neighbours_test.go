package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	if got, want := fmt.Sprint(b.forgot), "[0.0 10.0.0.254]"; got != want { // in-band is to ask anew, too
		t.Errorf("Flush made in-band forget %v, want %v", got, want)
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

// A permanent entry stays, whoever else is heard at its address: Solicit says what the cache has, and who answers; it is a conflict.
func TestPermanent(t *testing.T) {
	b := newBench(t)
	addr := netip.MustParseAddr("10.0.42.9")
	pinned, other := [6]byte{2, 0, 0, 0, 0, 9}, [6]byte{2, 0, 0, 0, 0, 10}
	b.ok(b.SetNeighbour("rt0.42", addr, pinned))
	if b.learn(0, 42, addr, pinned, false) {
		t.Error("a permanent neighbour is followed")
	}
	if !b.learn(0, 42, addr.Next(), other, false) {
		t.Error("a neighbour is not followed")
	}
	if c := b.Conflicts(); len(c) != 0 {
		t.Errorf("conflicts with who it is: %v", c)
	}
	if _, err := b.Learned(0, 42, addr, other, false); err == nil || !strings.Contains(err.Error(), "02:00:00:00:00:09") {
		t.Errorf("another at a permanent neighbour's address: %v", err)
	}
	b.learn(0, 42, addr, other, false) // said once
	b.ok(b.SetNeighbour("rt0.42", addr.Next(), pinned))
	if _, err := b.Learned(0, 42, addr.Next(), other, false); err == nil {
		t.Error("another at another permanent neighbour's address: not said")
	}
	own := netip.AddrFrom4(b.site.VAddr)
	if n := b.Conflicted(0, 42, own, other); n != 1 {
		t.Errorf("the first conflict about the port's own address is number %d", n)
	}
	want := []admin.Conflict{
		{Port: "rt0.42", Address: own, MAC: "02:00:00:00:00:0a", Seen: 1},
		{Port: "rt0.42", Address: addr, MAC: "02:00:00:00:00:0a", Seen: 2},
		{Port: "rt0.42", Address: addr.Next(), MAC: "02:00:00:00:00:0a", Seen: 1},
	}
	if got := b.Conflicts(); !slices.Equal(got, want) {
		t.Errorf("conflicts: %v, want %v", got, want)
	}
	b.answer = pinned
	n, err := b.Solicit(context.Background(), admin.Solicitation{Addr: addr})
	b.ok(err)
	if want := (admin.Neighbour{Port: "rt0.42", Address: addr, MAC: "02:00:00:00:00:09", Permanent: true}); n != want {
		t.Errorf("Solicit of who it is = %v, want %v", n, want)
	}
	b.answer = other
	n, err = b.Solicit(context.Background(), admin.Solicitation{Addr: addr})
	b.ok(err)
	if want := (admin.Neighbour{Port: "rt0.42", Address: addr, MAC: "02:00:00:00:00:09", Permanent: true, Heard: "02:00:00:00:00:0a"}); n != want {
		t.Errorf("Solicit = %v, want %v", n, want)
	}
	b.learn(0, 42, addr, [6]byte{}, true)
	if e, ok := neigh.Find(neigh.PortOf(0, 42), addr); !ok || e.MAC != pinned || !e.Permanent {
		t.Errorf("the front cache has %+v, %v", e, ok)
	}
	n, err = b.Solicit(context.Background(), admin.Solicitation{Addr: addr, Permanent: true})
	b.ok(err)
	if e, _ := neigh.Find(neigh.PortOf(0, 42), addr); e.MAC != other || n.MAC != "02:00:00:00:00:0a" || n.Heard != "" {
		t.Errorf("Solicit of a permanent one = %v, and the front cache has %+v", n, e)
	}
	b.ok(b.RemoveNeighbour("rt0.42", addr))
	if got, want := fmt.Sprint(b.forgot), "[0.42 10.0.42.9 0.42 10.0.42.10 0.42 10.0.42.9]"; got != want {
		t.Errorf("SetNeighbour and RemoveNeighbour made in-band forget %v, want %v", got, want)
	}
}

// What in-band learns while a port goes down is not in the front cache of a port that is down.
func TestLearnedWhileDown(t *testing.T) {
	b := newBench(t)
	addr := netip.MustParseAddr("10.0.42.9")
	var stop atomic.Bool
	var learns sync.WaitGroup
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // more than there are: some are stopped anywhere
	for range 7 {
		learns.Go(func() {
			for !stop.Load() {
				_, _ = b.Learned(0, 42, addr, [6]byte{2, 0, 0, 0, 0, 9}, false)
			}
		})
	}
	for range 100 {
		b.Link(0, false)
		time.Sleep(5 * time.Millisecond) // what was under way goes on
		if e, ok := neigh.Find(neigh.PortOf(0, 42), addr); ok {
			// One that is under way may still be: it takes itself back.
			time.Sleep(10 * time.Millisecond)
			if e, ok = neigh.Find(neigh.PortOf(0, 42), addr); ok {
				t.Errorf("the link is down, and the front cache has %+v", e)
				break
			}
		}
		b.Link(0, true)
	}
	stop.Store(true)
	learns.Wait()
}

// Neighbours that find no place in the front cache are not followed, which is said once.
func TestLearnedTooMany(t *testing.T) {
	b := newBench(t)
	t.Cleanup(func() { b.Flush() })
	var told, refused int
	for i := range 2 * neigh.Neighbours {
		followed, err := b.Learned(0, 0, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), [6]byte{2, 0, 0, 0, 0, 9}, false)
		if err != nil {
			told++
		}
		if !followed {
			refused++
		}
	}
	if told != 1 || refused < neigh.Neighbours {
		t.Errorf("%d of %d were refused, and %d times that was said", refused, 2*neigh.Neighbours, told)
	}
}
