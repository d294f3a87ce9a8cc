package inband

import (
	"context"
	"fmt"
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// backlog is how many connections wait to be accepted, or to be established, at most: a choice, to bound their memory.
const backlog = 64

// ListenTCP listens on port of every address.
func (s *Stack) ListenTCP(port uint16) (net.Listener, error) {
	return s.listen(tcpip.FullAddress{Port: port})
}

func (s *Stack) listen(local tcpip.FullAddress) (net.Listener, error) {
	var queue waiter.Queue
	ep, err := s.net.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &queue)
	if err != nil {
		return nil, fmt.Errorf("listen on TCP port %d: %s", local.Port, err)
	}
	if err = ep.Bind(local); err == nil {
		err = ep.Listen(backlog)
	}
	if err != nil {
		ep.Close()
		return nil, fmt.Errorf("listen on TCP port %d: %s", local.Port, err)
	}
	return gonet.NewTCPListener(s.net, &queue, ep), nil
}

// Socket opens a socket of Go's net package on this stack. It has the signature of net.SocketFunc on GOOS=tamago: the
// result is a net.Listener, a net.Conn or a net.PacketConn. Either address may be nil, or a typed nil.
func (s *Stack) Socket(ctx context.Context, network string, family, sotype int, laddr, raddr net.Addr) (any, error) {
	local, err := fullAddress(laddr)
	if err != nil {
		return nil, fmt.Errorf("local address: %w", err)
	}
	remote, err := fullAddress(raddr)
	if err != nil {
		return nil, fmt.Errorf("remote address: %w", err)
	}
	switch network {
	case "tcp", "tcp4":
		return s.socketTCP(ctx, local, remote)
	case "udp", "udp4":
		return s.socketUDP(local, remote)
	}
	return nil, net.UnknownNetworkError(network)
}

func (s *Stack) socketTCP(ctx context.Context, local, remote *tcpip.FullAddress) (any, error) {
	var from tcpip.FullAddress
	if local != nil {
		from = *local
	}
	if remote == nil {
		return s.listen(from)
	}
	c, err := gonet.DialTCPWithBind(ctx, s.net, from, *remote, ipv4.ProtocolNumber)
	if err != nil {
		return nil, err // and not c: a nil *TCPConn is not a nil interface
	}
	return c, nil
}

func (s *Stack) socketUDP(local, remote *tcpip.FullAddress) (any, error) {
	if local == nil && remote == nil {
		local = &tcpip.FullAddress{}
	}
	c, err := gonet.DialUDP(s.net, local, remote, ipv4.ProtocolNumber)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// fullAddress converts an address of Go's net package; nil stays nil, an unspecified IP address is any.
func fullAddress(a net.Addr) (*tcpip.FullAddress, error) {
	var ip net.IP
	var port int
	switch a := a.(type) {
	case nil:
		return nil, nil
	case *net.TCPAddr:
		if a == nil {
			return nil, nil
		}
		ip, port = a.IP, a.Port
	case *net.UDPAddr:
		if a == nil {
			return nil, nil
		}
		ip, port = a.IP, a.Port
	default:
		return nil, fmt.Errorf("%T: a TCP or UDP address is needed", a)
	}
	full := &tcpip.FullAddress{Port: uint16(port)}
	if ip == nil || ip.IsUnspecified() {
		return full, nil
	}
	ip4 := ip.To4()
	if ip4 == nil {
		return nil, fmt.Errorf("%s: only IPv4 is supported", ip)
	}
	full.Addr = tcpip.AddrFrom4Slice(ip4)
	return full, nil
}
