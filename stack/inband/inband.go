// Package inband is the in-band network stack: gVisor's netstack over links of our own, with the services that the
// firmware has by itself and Go's net package on top.
//
// Each device has one receiving goroutine. It copies a frame once, from the slot it arrived in into a gVisor buffer, and
// runs it through the stack to the end; the slot is free when the call returns. Sending copies once, from gVisor's buffer
// into a slot. A device has a gVisor interface for its untagged traffic and one for each VLAN port: tags are taken off
// and put on here.
//
// While the oob stage answers for a device, this stack holds its own answers to ARP and ICMP echo requests for oob
// addresses back, so that nothing is answered twice; when the stage has stopped, it answers them, and the oob echo
// service too. Each received frame is delivered or counted as dropped by exactly one name.
//
// Stage: in-band. Follows: RFC 826 (ARP), RFC 862 (echo), RFC 894 (IP over Ethernet), RFC 2236, 3376 (IGMP), RFC 5227 (address conflicts), IEEE
// Std 802.1Q-2018, 9.6 (tags). Does not support: IPv6, nested tags, IEEE 802.3 length-encoded frames, forwarding.
package inband

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"mortise/stack/gateway"
)

// Link is a device as this stack sees it, whatever drives it.
type Link interface {
	Name() string
	MAC() [6]byte
	// Receive calls f for up to max frames waiting, in order, and returns how many. The bytes lie in the slot: they are
	// valid during the call only. One goroutine at a time calls Receive.
	Receive(max int, f func(b []byte)) int
	// Send takes a free slot, lets fill write the frame of n bytes into it (b is n bytes long), pads it to the
	// smallest frame and queues it. It returns false, and counts, when there is no slot. One goroutine at a time calls
	// Send.
	Send(n int, fill func(b []byte)) bool
	// Notify returns a channel that has a value when frames wait, or have come since the last Receive.
	Notify() <-chan struct{}
	// OobAnswers tells whether the oob stage answers ARP and ICMP echo for the oob addresses of this device: for a frame that
	// Receive hands over, whether it could have been the one to answer that.
	OobAnswers() bool
	// Up tells whether the link is up.
	Up() bool
}

// Stack is the in-band stack of a gateway.
type Stack struct {
	net      *stack.Stack
	devices  []*Device
	changing sync.Mutex                // held while a port comes or goes
	ports    atomic.Pointer[[]*Port]   // index: tcpip.NICID; replaced whole
	own      atomic.Pointer[addresses] // of all ports; the same
	echoPort uint16
	nud      *nud
	groups   map[place]map[netip.Addr]int // joined: see Join; under changing
	stop     chan struct{}
	workers  sync.WaitGroup
}

// New builds the stack that cfg describes over links, of which each device of cfg needs the one with its name. Nothing
// is received before Start.
func New(cfg *gateway.Config, links ...Link) (*Stack, error) {
	s := &Stack{echoPort: cfg.Echo.Port, stop: make(chan struct{}), groups: map[place]map[netip.Addr]int{}}
	s.nud = &nud{stack: s}
	s.setPorts(nil)
	s.net = stack.New(stack.Options{
		NUDDisp:            s.nud,
		NetworkProtocols:   []stack.NetworkProtocolFactory{newIPv4, arp.NewProtocol, newNeighbours},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol, icmp.NewProtocol4, tcp.NewProtocol},
		// Not HandleLocal: it looks each packet's source up among all addresses, 2,000 instructions, to drop those from our
		// own. Device.deliver does it in a few. What it means besides is that in-band cannot connect to itself.
	})
	if err := s.setTCP(); err != nil {
		return nil, err
	}
	byName := map[string]Link{}
	for _, l := range links {
		byName[l.Name()] = l
	}
	for i := range cfg.Devices {
		d := &cfg.Devices[i]
		link := byName[d.Name]
		if link == nil {
			s.net.Close()
			return nil, fmt.Errorf("device %s: no link of this name among %d", d.Name, len(links))
		}
		if err := s.addDevice(d, link); err != nil {
			s.net.Close()
			return nil, fmt.Errorf("device %s: %w", d.Name, err)
		}
	}
	if cfg.Echo.Port != 0 {
		if _, err := s.serveEcho(tcpip.FullAddress{Port: cfg.Echo.Port}, nil); err != nil {
			s.net.Close()
			return nil, fmt.Errorf("UDP echo on port %d: %w", cfg.Echo.Port, err)
		}
	}
	return s, nil
}

// newIPv4 is gVisor's IPv4 with IGMP: a switch that snoops lets a group's frames through to who has reported it only.
var newIPv4 = ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: true}})

// TCP buffer sizes in bytes. What is sent waits in tens of KiB: a choice for a gateway that serves a few pages and shells,
// with room for a window of a 100 Mbit/s link at 20 ms (250 kB). For what is received gVisor's own default: with 64 KiB it
// tells the peer of room for more three times as often, 4 % of the instructions of a bulk transfer; the memory is used
// only while the application is behind.
const (
	tcpBufferMin     = 4 << 10
	tcpSendDefault   = 64 << 10
	tcpSendMax       = 256 << 10
	tcpReceiveBuffer = 1 << 20
)

func (s *Stack) setTCP() error {
	sack := tcpip.TCPSACKEnabled(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcpBufferMin, Default: tcpReceiveBuffer, Max: tcpReceiveBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcpBufferMin, Default: tcpSendDefault, Max: tcpSendMax}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &receive, &send} {
		if err := s.net.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("TCP option %T: %s", o, err)
		}
	}
	return nil
}

func (s *Stack) addDevice(cfg *gateway.Device, link Link) error {
	d := newDevice(cfg.Name, link)
	d.addresses = &s.own
	for i := range cfg.Ports {
		if err := s.addPort(d, &cfg.Ports[i], cfg.Ports[i].Oob != nil); err != nil {
			return fmt.Errorf("port %s: %w", cfg.Ports[i].Name(cfg.Name), err)
		}
	}
	s.devices = append(s.devices, d)
	return nil
}

// Start lets every device receive, each in a goroutine of its own.
func (s *Stack) Start() {
	for _, d := range s.devices {
		s.workers.Go(func() { d.receive(s.stop) })
	}
}

// Close ends receiving and every connection.
func (s *Stack) Close() {
	close(s.stop)
	s.workers.Wait()
	s.net.Close()
	s.net.Wait()
}

// Devices returns the devices in the order of the configuration.
func (s *Stack) Devices() []*Device { return s.devices }

// Netstack returns gVisor's stack, for what has no method here.
func (s *Stack) Netstack() *stack.Stack { return s.net }
