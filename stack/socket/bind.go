package socket

import (
	"fmt"
	"net/netip"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
)

// OpenUDP opens a UDP socket, bound to o.Local: its address may be none (any) or a port's of those that there are, a group's that it joins, or
// a broadcast; its UDP port is not 0. An address of no port is refused (ErrAddress) unless o.FreeBind asks for it.
//
//oob:stage inband
func OpenUDP(o Options) (Socket, error) {
	var err error
	if o.Local, err = ipv4(o.Local); err != nil {
		return 0, fmt.Errorf("socket: bind to %w", err)
	}
	state.Lock()
	defer state.Unlock()
	q, s, err := open(o)
	if err != nil {
		return 0, err
	}
	if err := o.checkLocal(); err != nil {
		return 0, fmt.Errorf("socket: bind to %v: %w", o.Local, err)
	}
	q.addr, q.port = neigh.Wire(o.Local.Addr()), uint32(o.Local.Port())
	q.from = origin(q.addr)
	if len(o.Groups) != 0 {
		return 0, fmt.Errorf("socket: Ethernet groups are for raw sockets: a UDP socket joins the group that it is bound to: %w", ErrOption)
	}
	if o.Local.Port() == 0 {
		return 0, fmt.Errorf("socket: UDP port 0: %w", ErrOption)
	}
	sharing := 1
	for i := range socks {
		other := &socks[i]
		if other.kind != udp || other.port != q.port {
			continue
		}
		if other.addr == q.addr && other.device == q.device && other.peer == 0 {
			return 0, fmt.Errorf("socket: %v: %w", o.Local, ErrInUse)
		}
		sharing++
	}
	if sharing > MaxSharing {
		return 0, fmt.Errorf("socket: %v: %d sockets have this UDP port: %w", o.Local, MaxSharing, ErrFull)
	}
	if isGroup(q.addr) {
		if o.Device == nil {
			return 0, fmt.Errorf("socket: group %v: name the port to join it on: %w", o.Local.Addr(), ErrOption)
		}
		if err := join(s, *o.Device, o.Local.Addr()); err != nil {
			return 0, err
		}
	}
	if err := link(s, o.Local.Port()); err != nil {
		leave(s)
		return 0, err
	}
	q.kind = udp
	watch()
	judge(listOf(s))
	return Socket(s), nil
}

// ipv4 returns an address as IPv4 has it, and refuses what is none. The zero address stays.
func ipv4(a netip.AddrPort) (netip.AddrPort, error) {
	if a.Addr().IsValid() && !a.Addr().Unmap().Is4() {
		return a, fmt.Errorf("%v: want an IPv4 address: %w", a, ErrOption)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// link puts socket s into the list of its UDP port.
func link(s uint32, udpPort uint16) error {
	list := -1
	for i, p := range state.lists {
		if p == udpPort {
			list = i
			break
		}
		if p == 0 && list < 0 {
			list = i
		}
	}
	// There are as many lists as sockets.
	binds[s] = bind{next: first[list], sock: s}
	if state.lists[list] == 0 {
		if err := state.bound(udpPort, list); err != nil {
			return err
		}
		state.lists[list] = udpPort
	}
	mmio.Store(&sole[list], 0)
	mmio.Store(&first[list], s+1)
	lists[udpPort] = uint8(list + 1)
	return nil
}

// judge says whether the sockets of a list have to be weighed.
func judge(list uint32) {
	at := first[list]
	if at == 0 || binds[at-1].next != 0 {
		mmio.Store(&sole[list], 0)
		return
	}
	s := binds[at-1].sock
	if q := &socks[s]; q.kind == udp && q.addr|q.peer == 0 {
		mmio.Store(&sole[list], 1<<31|q.device<<8|s)
		return
	}
	mmio.Store(&sole[list], 0)
}

// listOf returns the list that socket s is in.
func listOf(s uint32) uint32 {
	for list, port := range state.lists {
		if port == uint16(socks[s].port) {
			return uint32(list)
		}
	}
	panic("socket: bound, and in no list")
}

// unlink takes socket s out of its list.
func unlink(s uint32) {
	list := listOf(s)
	mmio.Store(&sole[list], 0)
	at := &first[list]
	for *at != s+1 {
		at = &binds[*at-1].next
	}
	mmio.Store(at, binds[s].next)
	if first[list] == 0 {
		_ = state.bound(state.lists[list], -1)
		lists[state.lists[list]] = 0
		state.lists[list] = 0
	}
	judge(list)
}

// Connect makes peer the one that the socket sends to, and takes datagrams from; the zero value takes that back. It is done in
// the oob stage, between frames and tasks: none finds a part of a peer, or a socket that is connected anew without one.
//
//oob:stage inband
func (s Socket) Connect(peer netip.AddrPort) error {
	peer, err := ipv4(peer)
	if err != nil {
		return fmt.Errorf("socket: connect to %w", err)
	}
	state.Lock()
	defer state.Unlock()
	q := &socks[s%Max]
	if q.kind != udp {
		return fmt.Errorf("socket: connect to %v: %w", peer, q.notUDP())
	}
	if peer.IsValid() && (neigh.Wire(peer.Addr()) == 0 || peer.Port() == 0) {
		return fmt.Errorf("socket: connect to %v: want an IPv4 address and a port: %w", peer, ErrOption)
	}
	if !peer.IsValid() {
		for i := range socks {
			if other := &socks[i]; other != q && other.kind == udp && other.port == q.port && other.addr == q.addr && other.device == q.device && other.peer == 0 {
				return fmt.Errorf("socket: for everybody again: UDP port %d: %w", q.port, ErrInUse)
			}
		}
	}
	mmio.Store(&sole[listOf(uint32(s%Max))], 0)
	ask(request{op: opConnect, sock: uint32(s % Max), peer: neigh.Wire(peer.Addr()), peerPort: uint32(peer.Port())})
	judge(listOf(uint32(s % Max)))
	return nil
}
