package inband

import (
	"fmt"
	"maps"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

// place is where a port lies: it may go, and come back.
type place struct {
	device int
	vid    uint16
}

// Join makes the port of a device with VLAN ID vid a member of an IPv4 group, or no longer: each Join of a member is to be taken back by one
// that is not. This stack then reports the group and answers routers' and switches' queries (IGMP), for whoever takes its datagrams. A port that does not
// exist is a member as soon as it does.
func (s *Stack) Join(device int, vid uint16, group netip.Addr, member bool) error {
	if !group.Is4() || !group.IsMulticast() {
		return fmt.Errorf("in-band: join %v: want an IPv4 group", group)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	at := place{device, vid}
	of := s.groups[at]
	if of == nil {
		of = map[netip.Addr]int{}
		s.groups[at] = of
	}
	change := s.net.JoinGroup
	switch {
	case member:
		of[group]++
		if of[group] != 1 {
			return nil
		}
	case of[group] > 1:
		of[group]--
		return nil
	case of[group] == 0:
		return fmt.Errorf("in-band: leave %v: not joined", group)
	default:
		delete(of, group)
		change = s.net.LeaveGroup
	}
	_, id, err := s.portOf(device, vid)
	if err != nil {
		return nil // see joinAll
	}
	if err := change(ipv4.ProtocolNumber, id, tcpip.AddrFrom4(group.As4())); err != nil {
		return fmt.Errorf("in-band: group %v: %s", group, err)
	}
	return nil
}

// joinAll makes a port that has come into being, as interface id, a member of the groups of its place.
func (s *Stack) joinAll(at place, id tcpip.NICID) error {
	for group := range maps.Keys(s.groups[at]) {
		if err := s.net.JoinGroup(ipv4.ProtocolNumber, id, tcpip.AddrFrom4(group.As4())); err != nil {
			return fmt.Errorf("group %v: %s", group, err)
		}
	}
	return nil
}

// Report has the groups of a device's ports reported anew, as its link has come up: who is at the other end need not know of them.
func (s *Stack) Report(device int) {
	s.changing.Lock()
	defer s.changing.Unlock()
	for at, groups := range s.groups {
		_, id, err := s.portOf(at.device, at.vid)
		if at.device != device || err != nil {
			continue
		}
		for group := range maps.Keys(groups) {
			a := tcpip.AddrFrom4(group.As4())
			_ = s.net.LeaveGroup(ipv4.ProtocolNumber, id, a) // it is a member
			_ = s.net.JoinGroup(ipv4.ProtocolNumber, id, a)
		}
	}
}
