package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// up gives the interface its addresses and its neighbour, for good, and brings it up.
func (s *settings) up(name string) error {
	if s.threaded {
		if err := os.WriteFile("/sys/class/net/"+name+"/threaded", []byte("1"), 0); err != nil {
			return err
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	mask := net.CIDRMask(s.own.Bits(), 32)
	for _, step := range []struct {
		what    string
		request uintptr
		value   sockaddr
	}{
		{"MAC address", unix.SIOCSIFHWADDR, hardware(s.mac)},
		{"address", unix.SIOCSIFADDR, inet(s.own.Addr())},
		{"netmask", unix.SIOCSIFNETMASK, inet(netip.AddrFrom4([4]byte(mask)))},
	} {
		r := addressRequest{value: step.value}
		copy(r.name[:unix.IFNAMSIZ-1], name)
		if err := ioctl(fd, step.request, unsafe.Pointer(&r)); err != nil {
			return fmt.Errorf("%s: set the %s: %w", name, step.what, err)
		}
	}
	up := flagsRequest{flags: unix.IFF_UP | unix.IFF_RUNNING}
	copy(up.name[:unix.IFNAMSIZ-1], name)
	if err := ioctl(fd, unix.SIOCSIFFLAGS, unsafe.Pointer(&up)); err != nil {
		return fmt.Errorf("%s: bring up: %w", name, err)
	}
	entry := neighbourRequest{address: inet(s.peer), mac: hardware(s.peerMAC), flags: atfPermanent | atfComplete}
	copy(entry.name[:unix.IFNAMSIZ-1], name)
	if err := ioctl(fd, unix.SIOCSARP, unsafe.Pointer(&entry)); err != nil {
		return fmt.Errorf("%s: neighbour %v: %w", name, s.peer, err)
	}
	return nil
}

// Flags of a neighbour (arp(7); Linux, include/uapi/linux/if_arp.h).
const (
	atfComplete  = 2
	atfPermanent = 4
)

// The kernel's structures: netdevice(7) and arp(7).
type (
	sockaddr struct {
		family uint16
		data   [14]byte
	}
	addressRequest struct {
		name  [unix.IFNAMSIZ]byte
		value sockaddr
		_     [16]byte
	}
	flagsRequest struct {
		name  [unix.IFNAMSIZ]byte
		flags int16
		_     [22]byte
	}
	neighbourRequest struct {
		address, mac sockaddr
		flags        int32
		netmask      sockaddr
		name         [unix.IFNAMSIZ]byte
	}
)

func inet(a netip.Addr) (s sockaddr) {
	s.family = unix.AF_INET
	copy(s.data[2:], a.AsSlice())
	return s
}

func hardware(a net.HardwareAddr) (s sockaddr) {
	s.family = unix.ARPHRD_ETHER
	copy(s.data[:], a)
	return s
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
