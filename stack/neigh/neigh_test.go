package neigh

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func reset(t *testing.T) {
	t.Helper()
	neighbours = [Neighbours]neighbour{}
	if err := SetRoutes(nil); err != nil {
		t.Fatal(err)
	}
}

func ip(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

func mac(n int) [6]byte { return [6]byte{2, 0, 0, 0, byte(n >> 8), byte(n)} }

// resolved returns what the oob stage has of a neighbour.
func resolved(port Port, a netip.Addr) (m [6]byte, ok bool) {
	m0, m4, ok := Resolve(port, Wire(a))
	return [6]byte{byte(m0), byte(m0 >> 8), byte(m0 >> 16), byte(m0 >> 24), byte(m4), byte(m4 >> 8)}, ok
}

// All hosts of two ports' /24 networks fit, and the cache is what a map would be.
func TestNeighbours(t *testing.T) {
	reset(t)
	type key struct {
		port Port
		addr netip.Addr
	}
	model := map[key][6]byte{}
	pinned := map[key]bool{}
	rnd := rand.New(rand.NewPCG(3, 4))
	ports := []Port{PortOf(0, 0), PortOf(1, 42)}
	for step := range 20_000 {
		k := key{ports[rnd.IntN(2)], ip(1 + rnd.IntN(254))}
		switch rnd.IntN(8) {
		case 0:
			if _, have := model[k]; Remove(k.port, k.addr) != have {
				t.Fatalf("step %d: Remove(%v) = %v, want %v", step, k, !have, have)
			}
			delete(model, k)
			delete(pinned, k)
		case 1:
			Forget(k.port, k.addr)
			if !pinned[k] {
				delete(model, k)
			}
		case 2:
			if err := Set(k.port, k.addr, mac(step), true); err != nil {
				t.Fatal(err)
			}
			model[k], pinned[k] = mac(step), true
		default:
			if err := Set(k.port, k.addr, mac(step), false); err != nil {
				t.Fatal(err)
			}
			if !pinned[k] {
				model[k] = mac(step)
			}
		}
		want, have := model[k]
		if got, ok := resolved(k.port, k.addr); ok != have || ok && got != want {
			t.Fatalf("step %d: Resolve(%v) = %x, %v, want %x, %v", step, k, got, ok, want, have)
		}
	}
	if got := len(List()); got != len(model) {
		t.Errorf("List has %d entries, want %d", got, len(model))
	}
	for _, e := range List() {
		if k := (key{e.Port, e.Addr}); model[k] != e.MAC || pinned[k] != e.Permanent {
			t.Errorf("List has %+v, want %x, permanent %v", e, model[k], pinned[k])
		}
	}

	gone := 0
	for k := range model {
		if k.port == ports[0] && !pinned[k] {
			gone++
		}
	}
	if got := Purge(ports[0], false); got != gone {
		t.Errorf("Purge = %d, want %d", got, gone)
	}
	left := len(pinned)
	Flush()
	if got := len(List()); got != left {
		t.Errorf("%d entries after Flush, want the %d permanent ones", got, left)
	}
	for _, p := range ports {
		Purge(p, true)
	}
	if got := len(List()); got != 0 {
		t.Errorf("%d entries after Purge of all", got)
	}
}

func TestNoNeighbour(t *testing.T) {
	reset(t)
	for _, c := range []struct {
		addr netip.Addr
		mac  [6]byte
	}{
		{netip.MustParseAddr("::1"), mac(1)}, {netip.Addr{}, mac(1)}, {ip(1), [6]byte{}}, {ip(1), [6]byte{1, 2, 3, 4, 5, 6}},
	} {
		if err := Set(0, c.addr, c.mac, false); err == nil {
			t.Errorf("Set(%v, %x) = nil, want an error", c.addr, c.mac)
		}
	}
	if _, _, ok := Resolve(0, 0); ok {
		t.Error("Resolve of address 0 finds somebody")
	}
}

// More neighbours with one hash than there are places are refused by name, and change nothing.
func TestFull(t *testing.T) {
	reset(t)
	n := 0
	for i := range 64 {
		// The same last octet, and third octets that differ where the hash does not look.
		err := Set(0, netip.AddrFrom4([4]byte{byte(i + 1), 0, 0, 7}), mac(i), false)
		if err == nil {
			n++
		} else if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	if n != probes || len(List()) != probes {
		t.Errorf("%d neighbours of one hash, want %d", n, probes)
	}
}

func TestRoutes(t *testing.T) {
	reset(t)
	if _, ok := Lookup(Wire(ip(1))); ok {
		t.Error("Lookup finds a route where there is none")
	}
	err := SetRoutes([]Table{
		{netip.MustParsePrefix("0.0.0.0/0"), 1, ip(0x0101)},
		{netip.MustParsePrefix("10.0.0.0/24"), 2, netip.Addr{}},
		{netip.MustParsePrefix("10.0.0.128/25"), 3, ip(9)},
		{netip.MustParsePrefix("10.0.0.130/32"), 4, netip.Addr{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dst  string
		port Port
		next string
	}{
		{"10.0.0.5", 2, "10.0.0.5"}, {"10.0.0.129", 3, "10.0.0.9"}, {"10.0.0.130", 4, "10.0.0.130"},
		{"192.0.2.1", 1, "10.0.1.1"},
	} {
		r, ok := Lookup(Wire(netip.MustParseAddr(c.dst)))
		if !ok || r.Port != c.port || Addr(r.NextHop).String() != c.next {
			t.Errorf("Lookup(%s) = port %d, next hop %v, %v; want %d, %s", c.dst, r.Port, Addr(r.NextHop), ok, c.port, c.next)
		}
	}
	if got := fmt.Sprint(RouteList()); got != "[{10.0.0.130/32 4 invalid IP} {10.0.0.128/25 3 10.0.0.9} {10.0.0.0/24 2 invalid IP} {0.0.0.0/0 1 10.0.1.1}]" {
		t.Errorf("RouteList = %v", got)
	}
	for _, bad := range [][]Table{{{Prefix: netip.MustParsePrefix("2001:db8::/32")}}, {{}}, make([]Table, 100)} {
		if SetRoutes(bad) == nil {
			t.Errorf("SetRoutes(%d routes, %v) = nil, want an error", len(bad), bad[0])
		}
	}
	if got := len(RouteList()); got != 4 {
		t.Errorf("%d routes after refused ones, want the 4 from before", got)
	}
}

// 01:00:5e and the low 23 bits of the group (6.4, RFC 1112).
func TestMulticast(t *testing.T) {
	m0, m4 := Multicast(Wire(netip.MustParseAddr("239.129.2.3")))
	got := fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", byte(m0), byte(m0>>8), byte(m0>>16), byte(m0>>24), byte(m4), byte(m4>>8))
	if want := "01:00:5e:01:02:03"; got != want {
		t.Errorf("Multicast(239.129.2.3) = %s, want %s", got, want)
	}
}

func TestNoAllocation(t *testing.T) {
	reset(t)
	if n := testing.AllocsPerRun(100, func() { Lookup(1); Resolve(1, 2); Multicast(3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
