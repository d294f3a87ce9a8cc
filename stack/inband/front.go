package inband

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Neighbour is what this stack knows of somebody on a port's network: what the front cache of the oob stage follows.
type Neighbour struct {
	Device int    // number in the configuration
	VID    uint16 // the port's, 0: untagged
	Addr   netip.Addr
	MAC    [6]byte
	Gone   bool // no longer known, or no longer answering
}

// OnNeighbour calls f for each change of a neighbour on any port, from now on. f reports whether the neighbour is followed: whoever is
// is verified. It is called before Start. f is called on gVisor's goroutines, and must not wait.
func (s *Stack) OnNeighbour(f func(Neighbour) (followed bool)) { s.nud.tell = f }

// ErrNoNeighbour says that nobody answered for an address.
var ErrNoNeighbour = errors.New("no answer")

// Solicit asks, on the port of device with VLAN ID vid, who has addr, until somebody answers or ctx ends: on the wire, whatever is
// known already. What it finds comes to OnNeighbour's function, too, before Solicit returns; that nobody answers, when three
// requests have not been answered (3 s).
func (s *Stack) Solicit(ctx context.Context, device int, vid uint16, addr netip.Addr) (mac [6]byte, err error) {
	p, id, err := s.portOf(device, vid)
	if err != nil {
		return mac, err
	}
	if !addr.Is4() || !p.address.Masked().Contains(addr) {
		return mac, fmt.Errorf("solicit %v on %s: not an address of its network %v", addr, p.name, p.address.Masked())
	}
	unanswered := func() error {
		return fmt.Errorf("solicit %v on %s: %w: %w", addr, p.name, ErrNoNeighbour, ctx.Err())
	}
	if ctx.Err() != nil {
		return mac, unanswered()
	}
	s.nud.doubt(id, tcpip.AddrFrom4(addr.As4()))
	for asked := false; !asked || ctx.Err() == nil; asked = true {
		found := make(chan stack.LinkResolutionResult, 1)
		switch e := s.net.GetLinkAddress(id, tcpip.AddrFrom4(addr.As4()), tcpip.Address{}, ipv4.ProtocolNumber,
			func(r stack.LinkResolutionResult) { found <- r }); e.(type) {
		case nil, *tcpip.ErrWouldBlock:
		default:
			s.nud.tellOf(id, tcpip.AddrFrom4(addr.As4()), "", true) // nobody asks any more
			return mac, fmt.Errorf("solicit %v on %s: %s", addr, p.name, e)
		}
		select {
		case r := <-found:
			if r.Err != nil {
				select { // gVisor has asked three times; the caller decides for how long
				case <-time.After(solicitPause):
				case <-ctx.Done():
				}
				continue
			}
			copy(mac[:], r.LinkAddress)
			s.nud.tellOf(id, tcpip.AddrFrom4(addr.As4()), r.LinkAddress, false)
			return mac, nil
		case <-ctx.Done():
		}
	}
	return mac, unanswered()
}

// solicitPause is between two rounds of requests: a choice, a tenth of a round.
const solicitPause = 300 * time.Millisecond

// portOf returns the port of a device with a VLAN ID, and its interface.
func (s *Stack) portOf(device int, vid uint16) (*Port, tcpip.NICID, error) {
	for id, p := range *s.ports.Load() {
		if p != nil && p.vid == vid && device >= 0 && device < len(s.devices) && p.device == s.devices[device] {
			return p, tcpip.NICID(id), nil
		}
	}
	return nil, 0, fmt.Errorf("device %d has no port with VLAN ID %d", device, vid)
}

// nud follows the neighbours of gVisor's interfaces (neighbour unreachability detection, RFC 4861 7.3, which gVisor applies to ARP).
// tell may be nil.
//
// gVisor verifies only whom this stack itself sends to. To those that the oob stage follows it sends, unseen. So each of them is verified
// when gVisor is no longer sure of it (15 to 45 s after it was heard last): after 5 s it is asked up to three times, 1 s apart, and is
// gone when it does not answer.
type nud struct {
	stack *Stack
	tell  func(Neighbour) (followed bool)

	mu      sync.Mutex                 // held while an entry is doubted
	doubted atomic.Pointer[doubtedFor] // whose removal is not told
}

type doubtedFor struct {
	id   tcpip.NICID
	addr tcpip.Address
}

var _ stack.NUDDispatcher = (*nud)(nil)

// doubt makes gVisor ask for a neighbour anew. What is known of it elsewhere stays until somebody answers, or nobody.
func (n *nud) doubt(id tcpip.NICID, addr tcpip.Address) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doubted.Store(&doubtedFor{id, addr})
	_ = n.stack.net.RemoveNeighbor(id, ipv4.ProtocolNumber, addr) // it may not be known
	n.doubted.Store(nil)
}

// OnNeighborAdded is gVisor's.
func (n *nud) OnNeighborAdded(id tcpip.NICID, e stack.NeighborEntry) { n.changed(id, e) }

// OnNeighborChanged is gVisor's.
func (n *nud) OnNeighborChanged(id tcpip.NICID, e stack.NeighborEntry) { n.changed(id, e) }

// OnNeighborRemoved is gVisor's.
func (n *nud) OnNeighborRemoved(id tcpip.NICID, e stack.NeighborEntry) {
	if d := n.doubted.Load(); d == nil || *d != (doubtedFor{id, e.Addr}) {
		n.tellOf(id, e.Addr, "", true)
	}
}

// changed is called with the entry locked.
func (n *nud) changed(id tcpip.NICID, e stack.NeighborEntry) {
	if e.State == stack.Delay || e.State == stack.Probe {
		return // being verified: nothing was heard
	}
	if n.tellOf(id, e.Addr, e.LinkAddr, e.State == stack.Unreachable) && e.State == stack.Stale {
		go n.stack.net.GetLinkAddress(id, e.Addr, tcpip.Address{}, ipv4.ProtocolNumber, nil)
	}
}

func (n *nud) tellOf(id tcpip.NICID, addr tcpip.Address, link tcpip.LinkAddress, gone bool) (followed bool) {
	p := n.stack.byNIC(id)
	if n.tell == nil || p == nil || addr.Len() != header.IPv4AddressSize {
		return false
	}
	v := Neighbour{VID: p.vid, Addr: netip.AddrFrom4(addr.As4()), Gone: gone}
	if copy(v.MAC[:], link); len(link) != len(v.MAC) && !gone {
		return false // being asked for
	}
	for i, d := range n.stack.devices {
		if d == p.device {
			v.Device = i
			return n.tell(v)
		}
	}
	return false
}
