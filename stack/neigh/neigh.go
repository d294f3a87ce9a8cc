// Package neigh has the front caches of the oob stage: who answers to an IPv4 address on an oob port, and by which port and
// neighbour an address is reached. In-band feeds them from its own ARP and routes, the oob stage only reads: to send never
// waits for an answer from the wire.
//
// A peer that is not in the cache is a named error of who sends (socket.ErrUnsolicited), never a silent detour: solicit it
// before real-time traffic begins. Entries are pinned (static, from the configuration or by command) or follow in-band's
// cache, and go when the neighbour, the port or the link goes.
//
// How both stages may use a table without a lock: on the one core, no activation is under way when in-band code runs, and the
// oob stage never waits for in-band. So in-band makes an entry invisible by its first word, changes it, and makes it
// visible: the oob stage meets it whole or not at all.
//
// Stage: oob (oob.go), in-band (inband.go). Follows: RFC 826 (ARP, 1982), RFC 1112 (multicast over Ethernet, 1989), RFC 1122
// 3.3.1 (routing of hosts, 1989). Does not support: IPv6, policy routes, more than one route of the same prefix.
package neigh

// Limits of the tables, a choice: more than a subnet of /24.
const (
	Neighbours = 512 // of all ports, a power of two
	Routes     = 32  // beside those that the ports' own networks are
	// probes is how many places a neighbour may be away from where its hash points to: what a look-up costs at most.
	probes = 8
)

// Port names an oob port: the number of its device, and its VLAN ID (0: the device itself).
type Port uint32

// PortOf returns the name of the port of device dev with VLAN ID vid.
//
//oob:stage any
func PortOf(dev, vid uint32) Port { return Port(dev<<16 | vid&0xfff) }

// Dev returns the device's number.
//
//oob:stage any
func (p Port) Dev() uint32 { return uint32(p) >> 16 }

// VID returns the port's VLAN ID.
//
//oob:stage any
func (p Port) VID() uint32 { return uint32(p) & 0xfff }

// neighbour is an entry of the neighbour cache.
type neighbour struct {
	addr  uint32 // IPv4, wire order; 0: nobody
	port  Port
	mac0  uint32 // bytes 0 to 3 of the MAC address
	mac4  uint32 // bytes 4 and 5
	flags uint32
}

// Flags of an entry.
const (
	permanent = 1 << iota // stays until it is taken out by name
)

// route is an entry of the route table, sorted by the length of the prefix, longest first.
type route struct {
	mask    uint32 // wire order
	net     uint32 // wire order
	gateway uint32 // wire order; 0: the address itself is the neighbour
	port    Port
}

var (
	neighbours [Neighbours]neighbour
	// routes has the first count of each bank; the bank in use is one word.
	routes [2]struct {
		count uint32
		route [Routes + MaxPorts]route
	}
	bank uint32
)

// MaxPorts is the number of ports whose own networks are routes: all oob ports of all devices, and the loopback port.
const MaxPorts = 17

// Loopback is the loopback port's name: of no device.
const Loopback = Port(0xffff << 16)
