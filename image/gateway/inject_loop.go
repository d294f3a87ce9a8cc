//go:build tamago && inject

package main

import (
	"fmt"
	"net/netip"
	"time"

	"mortise/stack/socket"
)

// loopMessages is how many messages go around.
const loopMessages = 1000

// around sends messages from one goroutine's oob socket to another's by the loopback port, and back, and says how that went.
func around() {
	a, err := socket.ListenPacket(socket.Options{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), 5900)})
	if err != nil {
		fmt.Printf("loopback: %v\n", err)
		return
	}
	defer a.Close()
	there := netip.AddrPortFrom(netip.IPv4Unspecified(), 5901)
	b, err := socket.ListenPacket(socket.Options{Local: there})
	if err != nil {
		fmt.Printf("loopback: %v\n", err)
		return
	}
	defer b.Close()
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := b.ReadFromAddrPort(buf)
			if err != nil || b.WriteToAddrPort(buf[:n], from) != nil {
				return
			}
		}
	}()
	for _, to := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.AddrFrom4([4]byte{10, 0, 42, 1})} {
		if err := turns(a, netip.AddrPortFrom(to, there.Port())); err != nil {
			fmt.Printf("loopback: %v: %v\n", to, err)
			continue
		}
		fmt.Printf("loopback: %v: %d messages and answers, in order\n", to, loopMessages)
	}
}

// turns has the messages go to a peer and come back, one after the other.
func turns(a *socket.Conn, to netip.AddrPort) error {
	if err := a.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	buf := make([]byte, 64)
	for i := range loopMessages {
		text := fmt.Sprintf("message %d", i)
		if err := a.WriteToAddrPort([]byte(text), to); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		n, from, err := a.ReadFromAddrPort(buf)
		if err != nil || string(buf[:n]) != text || from != to {
			return fmt.Errorf("%s: %q from %v, %v", text, buf[:n], from, err)
		}
	}
	return nil
}
