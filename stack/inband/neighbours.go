package inband

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The oob stage consumes the ARP of oob ports and tells this stack, by events, what it saw. gVisor lets a network
// protocol, and nobody else, report to an interface's neighbour cache. So there is one here: a protocol that carries no
// packets and is asked for its interface.

// neighbourProtocol is the protocol's number: an EtherType for local experiments (IEEE Std 802-2014, 9.2.4), which is
// dropped on ingress like every other one that is not IPv4 or ARP.
const neighbourProtocol tcpip.NetworkProtocolNumber = 0x88b5

// Learn tells the stack that the neighbour with address ip was just heard from at mac, on the port vid (0: untagged) of
// the device with this number (its place in the configuration). A frame told so that the oob stage consumed: the
// neighbour's request for our address, or its answer to our request. It returns false, and counts, when the addresses
// cannot be those of a neighbour on that port.
func (s *Stack) Learn(device int, vid uint16, ip [4]byte, mac [6]byte) bool {
	if device < 0 || device >= len(s.devices) {
		return false
	}
	d := s.devices[device]
	p, id, err := s.portOf(device, vid)
	if err != nil || !p.probed(ip, mac) {
		d.count.learnRefused.Add(1)
		return false
	}
	// The probe has made an entry or changed its MAC address. In-band's own requests may be what the neighbour answered:
	// without a confirmation gVisor would go on asking and then give the neighbour up.
	p.neighbours.HandleNeighborConfirmation(header.IPv4ProtocolNumber, tcpip.AddrFrom4(ip), tcpip.LinkAddress(mac[:]),
		stack.ReachabilityConfirmationFlags{Solicited: true, Override: true})
	// gVisor tells of changes; who must know of the neighbour may have forgotten it since the last one.
	s.nud.tellOf(id, tcpip.AddrFrom4(ip), tcpip.LinkAddress(mac[:]), false)
	d.count.learned.Add(1)
	return true
}

// probed enters a neighbour that asked for the port's address, and reports whether it can be one: a unicast MAC address
// that is not ours, and an address of the port's subnet that is not ours (RFC 5227: a probe's sender has address 0).
func (p *Port) probed(ip [4]byte, mac [6]byte) bool {
	addr := tcpip.AddrFrom4(ip)
	own := tcpip.AddrFrom4(p.address.Addr().As4())
	subnet := tcpip.AddressWithPrefix{Address: own, PrefixLen: p.address.Bits()}.Subnet()
	if mac[0]&1 != 0 || mac == [6]byte{} || string(mac[:]) == string(p.device.mac) {
		return false
	}
	if addr == own || !subnet.Contains(addr) || subnet.IsBroadcast(addr) {
		return false
	}
	p.neighbours.HandleNeighborProbe(header.IPv4ProtocolNumber, addr, tcpip.LinkAddress(mac[:]))
	return true
}

// attachNeighbours finds the interface that gVisor made for the port.
func (p *Port) attachNeighbours(s *stack.Stack, id tcpip.NICID) {
	ep, err := s.GetNetworkEndpoint(id, neighbourProtocol)
	if err != nil {
		panic("inband: no neighbour protocol on an interface: " + err.String())
	}
	p.neighbours = ep.(*neighbourEndpoint).nic
}

type neighbours struct{}

func newNeighbours(*stack.Stack) stack.NetworkProtocol { return neighbours{} }

func (neighbours) Number() tcpip.NetworkProtocolNumber            { return neighbourProtocol }
func (neighbours) MinimumPacketSize() int                         { return 0 }
func (neighbours) ParseAddresses([]byte) (src, dst tcpip.Address) { return src, dst }
func (neighbours) Close()                                         {}
func (neighbours) Wait()                                          {}

func (neighbours) NewEndpoint(nic stack.NetworkInterface, _ stack.TransportDispatcher) stack.NetworkEndpoint {
	return &neighbourEndpoint{nic: nic}
}

func (neighbours) SetOption(tcpip.SettableNetworkProtocolOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}

func (neighbours) Option(tcpip.GettableNetworkProtocolOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}

func (neighbours) Parse(*stack.PacketBuffer) (proto tcpip.TransportProtocolNumber, hasTransport, ok bool) {
	return 0, false, false
}

type neighbourEndpoint struct {
	nic   stack.NetworkInterface
	stats neighbourStats
}

// neighbourStats are none: the protocol has no packets.
type neighbourStats struct{}

func (neighbourStats) IsNetworkEndpointStats() {}

func (e *neighbourEndpoint) Enable() tcpip.Error               { return nil }
func (e *neighbourEndpoint) Enabled() bool                     { return true }
func (e *neighbourEndpoint) Disable()                          {}
func (e *neighbourEndpoint) DefaultTTL() uint8                 { return 0 }
func (e *neighbourEndpoint) MTU() uint32                       { return e.nic.MTU() }
func (e *neighbourEndpoint) EndpointHeaderSize() uint32        { return 0 }
func (e *neighbourEndpoint) MaxHeaderLength() uint16           { return e.nic.MaxHeaderLength() }
func (e *neighbourEndpoint) HandlePacket(*stack.PacketBuffer)  {}
func (e *neighbourEndpoint) Close()                            {}
func (e *neighbourEndpoint) Stats() stack.NetworkEndpointStats { return e.stats }
func (e *neighbourEndpoint) NetworkProtocolNumber() tcpip.NetworkProtocolNumber {
	return neighbourProtocol
}

func (e *neighbourEndpoint) WritePacket(*stack.Route, stack.NetworkHeaderParams, *stack.PacketBuffer) tcpip.Error {
	return &tcpip.ErrNotSupported{}
}

func (e *neighbourEndpoint) WriteHeaderIncludedPacket(*stack.Route, *stack.PacketBuffer) tcpip.Error {
	return &tcpip.ErrNotSupported{}
}
