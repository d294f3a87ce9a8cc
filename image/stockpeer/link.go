//go:build tamago

package main

import (
	"encoding/binary"
	"errors"

	"github.com/usbarmory/tamago/soc/nxp/enet"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	nicID     = 1
	queueSize = 256
	etherLen  = 14
	frameSize = 1518
)

// link carries frames between the driver and gVisor's channel endpoint.
type link struct {
	nic   *enet.ENET
	end   *channel.Endpoint
	stack *stack.Stack
	in    [frameSize]byte
}

func newLink(nic *enet.ENET) (*link, error) {
	l := &link{nic: nic, end: channel.New(queueSize, enet.MTU, tcpip.LinkAddress(mac))}
	l.end.LinkEPCapabilities |= stack.CapabilityResolutionRequired
	l.end.AddNotify(l)
	l.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol, icmp.NewProtocol4, tcp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	if err := l.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return nil, errors.New(err.String())
	}
	if err := l.stack.CreateNIC(nicID, l.end); err != nil {
		return nil, errors.New(err.String())
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: 24}}
	if err := l.stack.AddProtocolAddress(nicID, own, stack.AddressProperties{}); err != nil {
		return nil, errors.New(err.String())
	}
	l.stack.AddRoute(tcpip.Route{Destination: own.AddressWithPrefix.Subnet(), NIC: nicID})
	return l, nil
}

// receive gives every frame that waits in the ring to gVisor.
func (l *link) receive() {
	for {
		n, err := l.nic.Receive(l.in[:])
		if err != nil || n == 0 {
			return
		}
		if n < etherLen {
			continue
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(l.in[etherLen:n])})
		l.end.InjectInbound(tcpip.NetworkProtocolNumber(binary.BigEndian.Uint16(l.in[12:])), pkt)
		pkt.DecRef()
	}
}

// WriteNotify sends a packet that gVisor has queued.
func (l *link) WriteNotify() {
	pkt := l.end.Read()
	if pkt == nil {
		return
	}
	defer pkt.DecRef()
	frame := make([]byte, 0, frameSize)
	frame = append(frame, pkt.EgressRoute.RemoteLinkAddress...)
	frame = append(frame, mac...)
	frame = binary.BigEndian.AppendUint16(frame, uint16(pkt.NetworkProtocolNumber))
	for _, b := range pkt.AsSlices() {
		frame = append(frame, b...)
	}
	_ = l.nic.Transmit(frame)
}
