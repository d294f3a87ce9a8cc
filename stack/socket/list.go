package socket

import (
	"net/netip"
	"slices"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
)

// Stats is a reading of a socket's state.
type Stats struct {
	Socket   Socket
	Raw      bool
	Task     uint32         // task.NoTask: a goroutine's
	Local    netip.AddrPort // of a raw socket: the port is its EtherType
	Peer     netip.AddrPort // the zero value: not connected
	Bound    bool           // to the oob port of index Port
	Port     uint32
	Queued   uint32
	Limit    uint32
	Stamps   Timestamps
	Counters [NumCounters]uint32
}

// List returns the open sockets.
//
//oob:stage inband
func List() (list []Stats) {
	state.Lock()
	defer state.Unlock()
	for i := range socks {
		q := &socks[i]
		if q.kind == closed {
			continue
		}
		t := Stats{
			Socket: Socket(i), Raw: q.kind >= raw, Task: q.reader(), Stamps: q.stamps, Limit: q.limit,
			Local:  netip.AddrPortFrom(neigh.Addr(q.addr), uint16(q.port)),
			Queued: mmio.Load(&q.tail) - mmio.Load(&q.head),
		}
		if t.Raw {
			t.Local = netip.AddrPortFrom(netip.Addr{}, uint16(q.port)>>8|uint16(q.port)<<8)
		}
		if q.device != 0 {
			t.Bound, t.Port = true, q.device-1
		}
		if q.peer != 0 {
			t.Peer = netip.AddrPortFrom(neigh.Addr(q.peer), uint16(q.peerPort))
		}
		for c := range t.Counters {
			t.Counters[c] = mmio.Load(&q.count[c])
		}
		if q.kind == rawAll {
			t.Counters[DroppedCopy] += missed(slices.Index(listeners[:], uint32(i)+1))
		}
		list = append(list, t)
	}
	return list
}

// Taker returns the socket that a datagram from src to dst is for, when it comes on the oob port of index port.
//
//oob:stage inband
func Taker(port uint32, src, dst netip.AddrPort) (s Socket, ok bool) {
	state.Lock()
	defer state.Unlock()
	list := slices.Index(state.lists[:], dst.Port())
	if list < 0 || dst.Port() == 0 {
		return 0, false
	}
	at, ok := Find(uint32(list), port, neigh.Wire(src.Addr()), neigh.Wire(dst.Addr()), uint32(src.Port())<<16|uint32(dst.Port()))
	return Socket(at), ok
}

// FragmentsSent is what is known of datagrams that are sent in fragments.
type FragmentsSent struct {
	Datagrams uint32 // sent in fragments
	Fragments uint32 // they were
	Busy      uint32 // datagrams that were not sent: the device had no room for all their fragments
	NoIdent   uint32 // datagrams that were not sent: their identification was used less than IdentLife ago
}

// FragmentStats returns what is known of datagrams that are sent in fragments.
//
//oob:stage inband
func FragmentStats() FragmentsSent {
	return FragmentsSent{
		Datagrams: mmio.Load(&long.datagrams), Fragments: mmio.Load(&long.fragments), Busy: mmio.Load(&long.busy), NoIdent: mmio.Load(&long.idents),
	}
}

// Error says what the status is about, for in-band; OK is none.
//
//oob:stage inband
func (s Status) Error() string { return "socket: " + statusText[s%NumStatuses] }
