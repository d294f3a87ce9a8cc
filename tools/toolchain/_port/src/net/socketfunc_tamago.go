// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package net

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// SocketFunc is the network: package net calls it for each socket, with the
// constants of package syscall for family (AF_INET, AF_INET6, AF_UNIX) and
// sotype (SOCK_STREAM, SOCK_DGRAM, SOCK_RAW). An address that the caller did
// not give is nil.
//
// It returns a [Conn] where raddr is given; else a [Listener] for a stream and
// a [PacketConn] for anything else. A packet socket with raddr may be a
// PacketConn too.
var SocketFunc func(ctx context.Context, net string, family, sotype int, laddr, raddr Addr) (interface{}, error)

var errNoSocketFunc = errors.New("net.SocketFunc is nil")

func socket(ctx context.Context, net string, family, sotype, proto int, ipv6only bool, laddr, raddr sockaddr, ctrlCtxFn func(context.Context, string, string, syscall.RawConn) error) (*netFD, error) {
	if SocketFunc == nil {
		return nil, errNoSocketFunc
	}

	// An address of another family than the socket's.
	for _, a := range []sockaddr{laddr, raddr} {
		if givenAddr(a) != nil {
			if _, err := a.sockaddr(family); err != nil {
				return nil, err
			}
		}
	}
	local, remote := givenAddr(laddr), givenAddr(raddr)

	s, err := SocketFunc(ctx, net, family, sotype, local, remote)
	if err != nil {
		return nil, err
	}

	fd := &netFD{family: family, sotype: sotype, net: net, isConnected: remote != nil}

	switch s := s.(type) {
	case Listener:
		fd.listener = s
		fd.setAddr(fd.concrete(s.Addr(), local), nil)
	case Conn:
		fd.conn = s
		fd.packet, _ = s.(PacketConn)
		fd.setAddr(fd.concrete(s.LocalAddr(), local), nil)
		if fd.isConnected {
			fd.raddr = fd.concrete(s.RemoteAddr(), remote)
		}
	case PacketConn:
		fd.packet = s
		fd.setAddr(fd.concrete(s.LocalAddr(), local), nil)
		if fd.isConnected {
			fd.raddr = fd.concrete(nil, remote)
		}
	default:
		return nil, fmt.Errorf("net.SocketFunc returned a %T", s)
	}

	wantListener := sotype == syscall.SOCK_STREAM && !fd.isConnected
	if wantListener != (fd.listener != nil) {
		fd.Close()
		return nil, fmt.Errorf("net.SocketFunc returned a %T for %s", s, net)
	}

	return fd, nil
}

// givenAddr is a without the pointers to nothing that package net makes of an
// address not given.
func givenAddr(a sockaddr) Addr {
	switch a := a.(type) {
	case nil:
		return nil
	case *TCPAddr:
		if a == nil {
			return nil
		}
	case *UDPAddr:
		if a == nil {
			return nil
		}
	case *IPAddr:
		if a == nil {
			return nil
		}
	case *UnixAddr:
		if a == nil {
			return nil
		}
	}
	return a
}

// concrete returns the first address that is known as the type that package
// net has for the socket: it asserts that type without a check.
func (fd *netFD) concrete(addrs ...Addr) Addr {
	for _, a := range addrs {
		switch a := a.(type) {
		case nil:
			continue
		case *TCPAddr:
			if a != nil && fd.sotype == syscall.SOCK_STREAM {
				return a
			}
		case *UDPAddr:
			if a != nil && fd.sotype == syscall.SOCK_DGRAM {
				return a
			}
		case *IPAddr:
			if a != nil && fd.sotype == syscall.SOCK_RAW {
				return a
			}
		case *UnixAddr:
			if a != nil && fd.family == syscall.AF_UNIX {
				return a
			}
		default:
			if ap, err := netip.ParseAddrPort(a.String()); err == nil {
				if fd.sotype == syscall.SOCK_STREAM {
					return TCPAddrFromAddrPort(ap)
				}
				return UDPAddrFromAddrPort(ap)
			}
		}
	}

	switch {
	case fd.family == syscall.AF_UNIX:
		return &UnixAddr{Net: fd.net}
	case fd.sotype == syscall.SOCK_STREAM:
		return &TCPAddr{}
	case fd.sotype == syscall.SOCK_DGRAM:
		return &UDPAddr{}
	default:
		return &IPAddr{}
	}
}

// inner takes off the error's own OpError: package net puts one on.
func inner(err error) error {
	if e, ok := err.(*OpError); ok && e.Err != nil {
		return e.Err
	}
	return err
}

func unsupported(op string) error {
	return os.NewSyscallError(op, syscall.ENOTSUP)
}

// sysSocket would probe a kernel for what it supports.
func sysSocket(family, sotype, proto int) (int, error) {
	return -1, unsupported("socket")
}
