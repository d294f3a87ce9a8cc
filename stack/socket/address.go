package socket

import (
	"fmt"
	"maps"
	"net/netip"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
)

// SetAddresses says which ports there are, oob ports now or not, with their addresses and networks: UDP sockets may be bound to these, and to
// those that SetPort has brought. What is bound already stays, whatever goes.
//
//oob:stage inband
func SetAddresses(list map[neigh.Port]netip.Prefix) {
	state.Lock()
	defer state.Unlock()
	state.addresses = maps.Clone(list)
	origins()
}

// addresses returns the ports that there are, with their addresses and networks. The caller holds state.
func addresses() map[neigh.Port]netip.Prefix {
	all := make(map[neigh.Port]netip.Prefix, len(state.addresses)+MaxPorts)
	maps.Copy(all, state.addresses)
	for i := range MaxPorts {
		if state.networks[i].IsValid() {
			all[ports[i].name] = state.networks[i]
		}
	}
	return all
}

// has reports whether datagrams to addr may be for the port of a name with the address and network of p.
func has(name neigh.Port, p netip.Prefix, addr netip.Addr) bool {
	if name == neigh.Loopback {
		return p.Contains(addr)
	}
	return addr == p.Addr() || isBroadcast(p, addr)
}

// isBroadcast reports whether addr is the broadcast on p's network: networks of 31 bits have none (RFC 3021).
func isBroadcast(p netip.Prefix, addr netip.Addr) bool {
	return p.Bits() < 31 && neigh.Wire(addr) == neigh.Wire(p.Addr())|^neigh.Mask(p.Bits())
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// checkLocal refuses an address that nothing is sent to, as far as the socket would hear. A port's may be sent to by the loopback port, too.
func (o *Options) checkLocal() error {
	addr := o.Local.Addr()
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr == limitedBroadcast || o.FreeBind {
		return nil
	}
	elsewhere := false
	for name, p := range addresses() {
		if !has(name, p, addr) {
			continue
		}
		if o.Device == nil || *o.Device == name || *o.Device == neigh.Loopback && !isBroadcast(p, addr) {
			return nil
		}
		elsewhere = true
	}
	switch {
	case elsewhere:
		return fmt.Errorf("%v is another port's address than the one's that the socket is bound to: %w", addr, ErrAddress)
	case addr.IsLoopback():
		return fmt.Errorf("%v is the loopback port's, and there is none: %w", addr, ErrAddress)
	}
	return fmt.Errorf("%v is no address of an oob port, up or down: %w", addr, ErrAddress)
}

// origin returns where messages of a socket that is bound to addr, in wire order, are from, as far as that follows: 0, if it does not, for a
// group or a broadcast is nobody's.
func origin(addr uint32) uint32 {
	if isGroup(addr) || addr == ^uint32(0) {
		return 0
	}
	for name, p := range addresses() {
		if name != neigh.Loopback && isBroadcast(p, neigh.Addr(addr)) {
			return 0
		}
	}
	return addr
}

// origins finds the origins anew: what an address is changes as ports come and go.
func origins() {
	for i := range socks {
		if q := &socks[i]; q.kind == udp {
			mmio.Store(&q.from, origin(q.addr))
		}
	}
}
