package inband

import (
	"net/netip"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"mortise/stack/gateway"
)

// mtu is the largest IP packet in bytes: a tagged frame with one fits into a slot.
const mtu = 1500

// Port is an interface of the stack: the untagged traffic of a device, or one VLAN of it. It is gVisor's link endpoint.
type Port struct {
	device  *Device
	name    string
	vid     uint16
	address netip.Prefix
	oob     atomic.Bool // the oob stage answers for the address, while it serves
	headers uint16      // bytes of Ethernet header and tag

	echo       *echoServer // stands in for the oob stage's; nil: none
	neighbours stack.NetworkInterface
	attached   atomic.Pointer[stack.NetworkDispatcher]
	onClose    func()
}

var _ stack.LinkEndpoint = (*Port)(nil)

func newPort(d *Device, cfg *gateway.Port) *Port {
	p := &Port{
		device: d, name: cfg.Name(d.name), vid: cfg.VID, address: cfg.Address, headers: etherLen,
	}
	if p.vid != 0 {
		p.headers += tagLen
	}
	return p
}

// Name returns the port's name, "rt0" or "rt0.42".
func (p *Port) Name() string { return p.name }

// VID returns the port's VLAN identifier, 0 for untagged traffic.
func (p *Port) VID() uint16 { return p.vid }

// Address returns the port's address and prefix.
func (p *Port) Address() netip.Prefix { return p.address }

// Oob reports whether the port is an oob port.
func (p *Port) Oob() bool { return p.oob.Load() }

// deliver copies payload into a packet and runs it through the stack.
func (p *Port) deliver(proto tcpip.NetworkProtocolNumber, kind tcpip.PacketType, payload []byte) {
	attached := p.attached.Load()
	if attached == nil {
		return
	}
	view := buffer.NewView(len(payload))
	_, _ = view.Write(payload)
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
	pkt.PktType = kind
	(*attached).DeliverNetworkPacket(proto, pkt)
	pkt.DecRef()
}

// WritePackets queues pkts on the device's link and returns how many it took.
func (p *Port) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	n := 0
	for _, pkt := range pkts.AsSlice() {
		if !p.device.send(pkt) {
			return n, &tcpip.ErrNoBufferSpace{}
		}
		n++
	}
	return n, nil
}

// AddHeader puts the Ethernet header in front of pkt, with the port's tag if it has one.
func (p *Port) AddHeader(pkt *stack.PacketBuffer) {
	b := pkt.LinkHeader().Push(int(p.headers))
	copy(b, pkt.EgressRoute.RemoteLinkAddress)
	copy(b[6:], pkt.EgressRoute.LocalLinkAddress)
	rest := b[12:]
	if p.vid != 0 {
		putUint16(rest, ctag)
		putUint16(rest[2:], p.vid)
		rest = rest[tagLen:]
	}
	putUint16(rest, uint16(pkt.NetworkProtocolNumber))
}

func putUint16(b []byte, v uint16) { b[0], b[1] = byte(v>>8), byte(v) }

// ParseHeader reports whether pkt has a link header; packets come here without.
func (p *Port) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(int(p.headers))
	return ok
}

// Attach gives the port the stack's side of it; nil takes it away.
func (p *Port) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		p.attached.Store(nil)
		return
	}
	p.attached.Store(&d)
}

// IsAttached reports whether the port belongs to a stack.
func (p *Port) IsAttached() bool { return p.attached.Load() != nil }

// MTU returns the largest IP packet in bytes.
func (p *Port) MTU() uint32 { return mtu }

// SetMTU does nothing: the slots' size is fixed.
func (p *Port) SetMTU(uint32) {}

// MaxHeaderLength returns the bytes of Ethernet header and tag.
func (p *Port) MaxHeaderLength() uint16 { return p.headers }

// LinkAddress returns the device's MAC address.
func (p *Port) LinkAddress() tcpip.LinkAddress { return p.device.mac }

// SetLinkAddress does nothing: the address is the controller's.
func (p *Port) SetLinkAddress(tcpip.LinkAddress) {}

// Capabilities says that neighbours must be resolved; checksums are ours to make and to check.
func (p *Port) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityResolutionRequired
}

// ARPHardwareType returns Ethernet's.
func (p *Port) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// Wait returns at once: the port has no goroutine, its device has.
func (p *Port) Wait() {}

// Close runs what SetOnCloseAction set.
func (p *Port) Close() {
	if p.onClose != nil {
		p.onClose()
	}
}

// SetOnCloseAction sets what Close runs.
func (p *Port) SetOnCloseAction(f func()) { p.onClose = f }
