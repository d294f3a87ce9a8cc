package neigh

// Route is how an address is reached.
type Route struct {
	Port    Port
	NextHop uint32 // IPv4, wire order: the neighbour to send to
}

// Lookup returns the route to the IPv4 address dst (wire order), by the longest prefix that holds it. Multicast and broadcast
// have none: who sends there names the port.
//
//oob:stage oob
func Lookup(dst uint32) (r Route, ok bool) {
	t := &routes[bank%uint32(len(routes))]
	for i := uint32(0); i < uint32(len(t.route)) && i < t.count; i++ {
		e := &t.route[i]
		if dst&e.mask == e.net {
			r.Port, r.NextHop = e.port, e.gateway
			if r.NextHop == 0 {
				r.NextHop = dst
			}
			return r, true
		}
	}
	return r, false
}

// Resolve returns the MAC address of the neighbour addr (IPv4, wire order) on a port: bytes 0 to 3, and 4 and 5 in the low half.
// false: it is not known, in-band must solicit it.
//
//oob:stage oob
func Resolve(port Port, addr uint32) (mac0, mac4 uint32, ok bool) {
	if addr == 0 { // what a vacant place has
		return 0, 0, false
	}
	at := hash(port, addr)
	for i := uint32(0); i < probes; i++ {
		n := &neighbours[(at+i)%Neighbours]
		if n.addr == addr && n.port == port {
			return n.mac0, n.mac4, true
		}
	}
	return 0, 0, false
}

// Multicast returns the MAC address of a multicast group (6.4, RFC 1112), as Resolve does.
//
//oob:stage any
func Multicast(group uint32) (mac0, mac4 uint32) {
	return 0x005e0001 | group>>8&0x7f<<24, group >> 16
}

// hash spreads the hosts of a network: the last octet of an address in wire order is the highest.
//
//oob:stage any
func hash(port Port, addr uint32) uint32 {
	return addr>>24 ^ addr>>15&0x1fe ^ uint32(port)*probes
}
