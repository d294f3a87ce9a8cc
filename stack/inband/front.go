package inband

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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

// OnNeighbour calls f for each change of a neighbour on any port, from now on. It is called before Start. f is called on
// gVisor's goroutines, and must not wait.
func (s *Stack) OnNeighbour(f func(Neighbour)) { s.nud.tell = f }

// ErrNoNeighbour says that nobody answered for an address.
var ErrNoNeighbour = errors.New("no answer")

// Solicit asks, on the port of device with VLAN ID vid, who has addr, until somebody answers or ctx ends. What it finds comes to
// OnNeighbour's function, too, before Solicit returns.
func (s *Stack) Solicit(ctx context.Context, device int, vid uint16, addr netip.Addr) (mac [6]byte, err error) {
	p, id, err := s.portOf(device, vid)
	if err != nil {
		return mac, err
	}
	if !addr.Is4() || !p.address.Masked().Contains(addr) {
		return mac, fmt.Errorf("solicit %v on %s: not an address of its network %v", addr, p.name, p.address.Masked())
	}
	for ctx.Err() == nil {
		found := make(chan stack.LinkResolutionResult, 1)
		switch e := s.net.GetLinkAddress(id, tcpip.AddrFrom4(addr.As4()), tcpip.Address{}, ipv4.ProtocolNumber,
			func(r stack.LinkResolutionResult) { found <- r }); e.(type) {
		case nil, *tcpip.ErrWouldBlock:
		default:
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
			s.nud.tellOf(id, addr, mac, false)
			return mac, nil
		case <-ctx.Done():
		}
	}
	return mac, fmt.Errorf("solicit %v on %s: %w: %w", addr, p.name, ErrNoNeighbour, ctx.Err())
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

// nud follows the neighbours of gVisor's interfaces (neighbour unreachability detection). tell may be nil.
type nud struct {
	stack *Stack
	tell  func(Neighbour)
}

var _ stack.NUDDispatcher = (*nud)(nil)

// OnNeighborAdded is gVisor's.
func (n *nud) OnNeighborAdded(id tcpip.NICID, e stack.NeighborEntry) { n.changed(id, e) }

// OnNeighborChanged is gVisor's.
func (n *nud) OnNeighborChanged(id tcpip.NICID, e stack.NeighborEntry) { n.changed(id, e) }

// OnNeighborRemoved is gVisor's.
func (n *nud) OnNeighborRemoved(id tcpip.NICID, e stack.NeighborEntry) {
	n.tellOf(id, netip.AddrFrom4(e.Addr.As4()), [6]byte{}, true)
}

func (n *nud) changed(id tcpip.NICID, e stack.NeighborEntry) {
	if e.Addr.Len() != header.IPv4AddressSize || len(e.LinkAddr) != header.EthernetAddressSize {
		return // being asked for
	}
	n.tellOf(id, netip.AddrFrom4(e.Addr.As4()), [6]byte([]byte(e.LinkAddr)), e.State == stack.Unreachable)
}

func (n *nud) tellOf(id tcpip.NICID, addr netip.Addr, mac [6]byte, gone bool) {
	p := n.stack.byNIC(id)
	if n.tell == nil || p == nil {
		return
	}
	for i, d := range n.stack.devices {
		if d == p.device {
			n.tell(Neighbour{Device: i, VID: p.vid, Addr: addr, MAC: mac, Gone: gone})
		}
	}
}
