package inband

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"mortise/stack/gateway"
)

// What of ports the receiving goroutines and gVisor's look at is replaced whole, so that they take no lock for it.

// addresses are those of all ports.
type addresses struct {
	set   map[tcpip.Address]bool
	words []uint32 // as they lie in a packet
}

// AddPort makes a port on a device at run time: an interface with an address, of the VLAN vid or of the device's untagged frames (0). This
// stack's UDP echo stands in for the oob stage's on it; SetOob says when that stage answers.
func (s *Stack) AddPort(device int, vid uint16, name string, address netip.Prefix) error {
	if device < 0 || device >= len(s.devices) {
		return fmt.Errorf("in-band: device %d of %d", device, len(s.devices))
	}
	cfg := &gateway.Port{Label: name, VID: vid, Address: address, Oob: &gateway.Oob{}}
	if err := s.addPort(s.devices[device], cfg, false); err != nil {
		return fmt.Errorf("in-band: port %s: %w", name, err)
	}
	return nil
}

// RemovePort takes a port away, with what gVisor knows of it. Connections over it break.
func (s *Stack) RemovePort(device int, vid uint16) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	p, id, err := s.portOf(device, vid)
	if err != nil {
		return err
	}
	d := p.device
	d.setPorts(slices.DeleteFunc(slices.Clone(d.Ports()), func(q *Port) bool { return q == p }))
	ports := slices.Clone(*s.ports.Load())
	ports[id] = nil
	s.setPorts(ports)
	p.drop(s.net, id)
	return nil
}

// drop takes the interface of a port away.
func (p *Port) drop(net *stack.Stack, id tcpip.NICID) {
	if p.echo != nil {
		p.echo.ep.Close()
	}
	_ = net.RemoveNIC(id) // it exists; its routes go with it
}

// addPort makes a port; answered: by the oob stage, while it serves.
func (s *Stack) addPort(d *Device, cfg *gateway.Port, answered bool) (err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if d.port(cfg.VID) != nil {
		return errors.New("configured twice")
	}
	ports := slices.Clone(*s.ports.Load())
	id := tcpip.NICID(1) // 0 is none; the number of one that has gone is free
	for int(id) < len(ports) && ports[id] != nil {
		id++
	}
	for int(id) >= len(ports) {
		ports = append(ports, nil)
	}
	p := newPort(d, cfg)
	p.oob.Store(answered)
	if err := s.net.CreateNICWithOptions(id, p, stack.NICOptions{Name: p.name}); err != nil {
		return fmt.Errorf("create interface: %s", err)
	}
	defer func() {
		if err != nil {
			p.drop(s.net, id)
		}
	}()
	p.attachNeighbours(s.net, id)
	address := tcpip.ProtocolAddress{
		Protocol: ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{
			Address: tcpip.AddrFrom4(cfg.Address.Addr().As4()), PrefixLen: cfg.Address.Bits(),
		},
	}
	if err := s.net.AddProtocolAddress(id, address, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("add address %s: %s", cfg.Address, err)
	}
	s.net.AddRoute(tcpip.Route{Destination: address.AddressWithPrefix.Subnet(), NIC: id})
	if cfg.Gateway.IsValid() {
		s.net.AddRoute(tcpip.Route{
			Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4(cfg.Gateway.As4()), NIC: id,
		})
	}
	if cfg.Oob != nil && cfg.Oob.Accepts(gateway.EchoPort) {
		local := tcpip.FullAddress{NIC: id, Addr: address.AddressWithPrefix.Address, Port: gateway.EchoPort}
		if p.echo, err = s.serveEcho(local, p); err != nil {
			return fmt.Errorf("fallback of the oob UDP echo: %w", err)
		}
	}
	if err := s.joinAll(place{slices.Index(s.devices, d), p.vid}, id); err != nil {
		return err
	}
	ports[id] = p
	s.setPorts(ports)
	d.setPorts(append(slices.Clone(d.Ports()), p))
	return nil
}

// setPorts makes ports those of the stack.
func (s *Stack) setPorts(ports []*Port) {
	own := &addresses{set: map[tcpip.Address]bool{}}
	for _, p := range ports {
		if p == nil {
			continue
		}
		a := tcpip.AddrFrom4(p.address.Addr().As4())
		own.set[a] = true
		own.words = append(own.words, binary.NativeEndian.Uint32(a.AsSlice()))
	}
	s.own.Store(own)
	s.ports.Store(&ports)
}

// byNIC returns the port that is interface id, nil when it is none of ours.
func (s *Stack) byNIC(id tcpip.NICID) *Port {
	ports := *s.ports.Load()
	if id < 0 || int(id) >= len(ports) {
		return nil
	}
	return ports[id]
}

// deviceOf returns the device that interface id lies on, nil when it is none of ours.
func (s *Stack) deviceOf(id tcpip.NICID) *Device {
	if p := s.byNIC(id); p != nil {
		return p.device
	}
	return nil
}

// owns reports whether a is an address of one of the ports.
func (s *Stack) owns(a tcpip.Address) bool { return s.own.Load().set[a] }
