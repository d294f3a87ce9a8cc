package neigh

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// mu is held while the tables change or are listed.
var mu sync.Mutex

// ErrFull says that the neighbour cache has no place where the neighbour's hash points to.
var ErrFull = errors.New("neigh: the front cache has no place for the neighbour")

// Entry is a neighbour, as List has it.
type Entry struct {
	Port      Port
	Addr      netip.Addr
	MAC       [6]byte
	Permanent bool
}

// Set makes mac the neighbour addr's MAC address on a port. A permanent entry stays until Remove, and only another
// permanent one replaces it.
//
//oob:stage inband
func Set(port Port, addr netip.Addr, mac [6]byte, pin bool) error {
	a := Wire(addr)
	if a == 0 || mac[0]&1 != 0 || mac == [6]byte{} {
		return fmt.Errorf("neigh: %v at %x can be no neighbour", addr, mac)
	}
	mu.Lock()
	defer mu.Unlock()
	n := find(port, a)
	if n == nil {
		if n = vacant(port, a); n == nil {
			return ErrFull
		}
	} else if n.flags&permanent != 0 && !pin {
		return nil
	}
	n.addr = 0
	n.port, n.flags = port, 0
	n.mac0 = uint32(mac[0]) | uint32(mac[1])<<8 | uint32(mac[2])<<16 | uint32(mac[3])<<24
	n.mac4 = uint32(mac[4]) | uint32(mac[5])<<8
	if pin {
		n.flags = permanent
	}
	publish(n, a)
	return nil
}

// Find returns what the front cache has for an address on a port.
//
//oob:stage inband
func Find(port Port, addr netip.Addr) (e Entry, ok bool) {
	mu.Lock()
	defer mu.Unlock()
	n := find(port, Wire(addr))
	if n == nil {
		return e, false
	}
	return n.entry(), true
}

func (n *neighbour) entry() Entry {
	return Entry{
		Port: n.port, Addr: Addr(n.addr), Permanent: n.flags&permanent != 0,
		MAC: [6]byte{byte(n.mac0), byte(n.mac0 >> 8), byte(n.mac0 >> 16), byte(n.mac0 >> 24), byte(n.mac4), byte(n.mac4 >> 8)},
	}
}

// publish makes an entry visible: its other words are written before.
//
//go:noinline
func publish(n *neighbour, addr uint32) { n.addr = addr }

// Remove takes a neighbour out, permanent or not, and reports whether it was there.
//
//oob:stage inband
func Remove(port Port, addr netip.Addr) bool {
	mu.Lock()
	defer mu.Unlock()
	n := find(port, Wire(addr))
	if n == nil {
		return false
	}
	n.addr = 0
	return true
}

// Forget takes a neighbour out that in-band's own cache no longer has. A permanent one stays.
//
//oob:stage inband
func Forget(port Port, addr netip.Addr) {
	mu.Lock()
	defer mu.Unlock()
	if n := find(port, Wire(addr)); n != nil && n.flags&permanent == 0 {
		n.addr = 0
	}
}

// Purge takes the neighbours of a port out, and returns how many there were: its link, device or address is gone. Permanent ones go only with all.
//
//oob:stage inband
func Purge(port Port, all bool) (removed int) {
	return len(purge(func(n *neighbour) bool { return n.port == port && (all || n.flags&permanent == 0) }))
}

// Flush takes out all that is not permanent, and returns it.
//
//oob:stage inband
func Flush() (removed []Entry) {
	return purge(func(n *neighbour) bool { return n.flags&permanent == 0 })
}

func purge(which func(n *neighbour) bool) (removed []Entry) {
	mu.Lock()
	defer mu.Unlock()
	for i := range neighbours {
		if n := &neighbours[i]; n.addr != 0 && which(n) {
			removed = append(removed, n.entry())
			n.addr = 0
		}
	}
	return removed
}

// List returns the neighbours, in the order of ports and addresses.
//
//oob:stage inband
func List() (list []Entry) {
	mu.Lock()
	defer mu.Unlock()
	for i := range neighbours {
		if n := &neighbours[i]; n.addr != 0 {
			list = append(list, n.entry())
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return a.Addr.Compare(b.Addr)
	})
	return list
}

// Table is a route as it is configured.
type Table struct {
	Prefix  netip.Prefix
	Port    Port
	Gateway netip.Addr // the zero value: the network is the port's own
}

// SetRoutes makes list the routes, all at once. Nothing changes when it returns an error.
//
//oob:stage inband
func SetRoutes(list []Table) error {
	mu.Lock()
	defer mu.Unlock()
	t := &routes[1-bank]
	if len(list) > len(t.route) {
		return fmt.Errorf("neigh: %d routes, want at most %d", len(list), len(t.route))
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Table) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	for i, e := range list {
		if !e.Prefix.IsValid() || !e.Prefix.Addr().Is4() {
			return fmt.Errorf("neigh: route to %v: want an IPv4 prefix", e.Prefix)
		}
		r := &t.route[i]
		r.mask = Mask(e.Prefix.Bits())
		r.net = Wire(e.Prefix.Addr()) & r.mask
		r.gateway, r.port = 0, e.Port
		if e.Gateway.IsValid() {
			r.gateway = Wire(e.Gateway)
		}
	}
	t.count = uint32(len(list))
	use(1 - bank)
	return nil
}

// use makes the oob stage look at another bank: what is in it is written before.
//
//go:noinline
func use(b uint32) { bank = b }

// RouteList returns the routes, longest prefix first.
//
//oob:stage inband
func RouteList() (list []Table) {
	mu.Lock()
	defer mu.Unlock()
	t := &routes[bank]
	for i := range t.count {
		r := &t.route[i]
		e := Table{Prefix: netip.PrefixFrom(Addr(r.net), ones(r.mask)), Port: r.port}
		if r.gateway != 0 {
			e.Gateway = Addr(r.gateway)
		}
		list = append(list, e)
	}
	return list
}

// find returns the entry of a neighbour, nil if there is none.
func find(port Port, addr uint32) *neighbour {
	if addr == 0 {
		return nil
	}
	return place(port, addr, func(n *neighbour) bool { return n.addr == addr && n.port == port })
}

// vacant returns an entry for a new neighbour, nil if there is no place.
func vacant(port Port, addr uint32) *neighbour {
	return place(port, addr, func(n *neighbour) bool { return n.addr == 0 })
}

// place returns the first entry that Resolve would look at and that is what is asked for.
func place(port Port, addr uint32, is func(n *neighbour) bool) *neighbour {
	at := hash(port, addr)
	for i := range uint32(probes) {
		if n := &neighbours[(at+i)%Neighbours]; is(n) {
			return n
		}
	}
	return nil
}

// Wire returns an IPv4 address as the oob stage has it, in wire order; 0 for what is none.
//
//oob:stage inband
func Wire(a netip.Addr) uint32 {
	if !a.Is4() {
		return 0
	}
	b := a.As4()
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// Addr is Wire's inverse.
//
//oob:stage inband
func Addr(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a), byte(a >> 8), byte(a >> 16), byte(a >> 24)})
}

// Mask returns the mask of a prefix of so many bits, in wire order.
//
//oob:stage inband
func Mask(length int) uint32 {
	m := ^uint32(0) << (32 - length)
	return m>>24 | m>>8&0xff00 | m<<8&0xff0000 | m<<24
}

// ones returns the number of bits of a mask.
func ones(m uint32) (n int) {
	for ; m != 0; m &= m - 1 {
		n++
	}
	return n
}
