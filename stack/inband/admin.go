package inband

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

// SetOob says whether the oob stage answers for the address of a port, the one of device with VLAN ID vid, while it serves: this
// stack holds its own answers back then.
func (s *Stack) SetOob(device int, vid uint16, on bool) {
	if p, _, err := s.portOf(device, vid); err == nil {
		p.oob.Store(on)
	}
}

// ForgetNeighbours makes the stack ask anew for who it knows on a port: for addr only, if it is valid. OnNeighbour's function is told
// that they are gone.
func (s *Stack) ForgetNeighbours(device int, vid uint16, addr netip.Addr) {
	_, id, err := s.portOf(device, vid)
	switch {
	case err != nil:
	case addr.Is4():
		_ = s.net.RemoveNeighbor(id, ipv4.ProtocolNumber, tcpip.AddrFrom4(addr.As4())) // it may not be known
	default:
		_ = s.net.ClearNeighbors(id, ipv4.ProtocolNumber) // the interface exists
	}
}

// Traffic is what the stack received and sent on a port: packets, and their bytes.
type Traffic struct{ RxPackets, RxBytes, TxPackets, TxBytes uint64 }

// Traffic returns what the stack has received and sent on a port.
func (s *Stack) Traffic(device int, vid uint16) (t Traffic) {
	_, id, err := s.portOf(device, vid)
	if err != nil {
		return t
	}
	info, ok := s.net.NICInfo()[id]
	if !ok { // gone meanwhile
		return t
	}
	n := info.Stats
	return Traffic{n.Rx.Packets.Value(), n.Rx.Bytes.Value(), n.Tx.Packets.Value(), n.Tx.Bytes.Value()}
}
