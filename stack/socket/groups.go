package socket

import (
	"fmt"
	"net/netip"

	"mortise/stack/neigh"
)

// joined is what a socket has joined, and where: the port may have gone when the socket is closed.
type joined struct {
	port  neigh.Port
	group netip.Addr // not valid: none
	macs  [][6]byte
}

// join lets frames to a group in from a port, while socket s is open. What is sent on the loopback port needs no leave.
func join(s uint32, port neigh.Port, group netip.Addr) error {
	if port == neigh.Loopback {
		return nil
	}
	if err := state.join(port, group, true); err != nil {
		return err
	}
	state.joined[s] = joined{port: port, group: group}
	return nil
}

// joinMACs lets frames to Ethernet group addresses in from a port, while socket s is open: all of them, or none.
func joinMACs(s uint32, port neigh.Port, macs [][6]byte) error {
	if port == neigh.Loopback {
		return nil
	}
	j := &state.joined[s]
	j.port = port
	for _, mac := range macs {
		if err := state.joinMAC(port, mac, true); err != nil {
			leave(s)
			return fmt.Errorf("socket: group % x: %w: %w", mac, err, ErrOption)
		}
		j.macs = append(j.macs, mac)
	}
	return nil
}

// leave takes back what join and joinMACs have done for socket s. That frames no longer come in is no condition of anything.
func leave(s uint32) {
	j := state.joined[s]
	state.joined[s] = joined{}
	if j.group.IsValid() {
		_ = state.join(j.port, j.group, false)
	}
	for _, mac := range j.macs {
		_ = state.joinMAC(j.port, mac, false)
	}
}

// checkGroups refuses what is no Ethernet group address.
func (o *Options) checkGroups() error {
	if len(o.Groups) != 0 && state.joinMAC == nil {
		return fmt.Errorf("socket: Ethernet groups: nothing lets them in: %w", ErrOption)
	}
	for _, mac := range o.Groups {
		if mac[0]&1 == 0 || mac == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} {
			return fmt.Errorf("socket: group % x: want an Ethernet address whose first byte is odd, and not the broadcast: %w", mac, ErrOption)
		}
	}
	return nil
}
