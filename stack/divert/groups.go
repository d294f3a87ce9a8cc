package divert

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// groups is what the controller is to let in besides what is its own.
type groups struct {
	sync.Mutex
	members map[[6]byte]int
	all     bool // see Promiscuous
}

// allSystems is where a router asks who is in which group.
var allSystems = [6]byte{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}

// Join lets frames to a multicast group in, or no longer: each Join of a member is to be taken back by one that is not. With them the
// questions come in that in-band answers for the group.
func (p *Device) Join(group netip.Addr, member bool) error {
	a := group.As4()
	mac := [6]byte{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]} // 6.4, RFC 1112
	return p.joinAll(member, mac, allSystems)
}

// JoinMAC is Join for an Ethernet group address of whatever protocol.
func (p *Device) JoinMAC(group [6]byte, member bool) error { return p.joinAll(member, group) }

// joinAll lets frames to groups in, to all or none, or no longer.
func (p *Device) joinAll(member bool, macs ...[6]byte) error {
	p.groups.Lock()
	defer p.groups.Unlock()
	p.groups.count(member, macs)
	err := p.setFilter()
	if err != nil && member {
		p.groups.count(false, macs)
	}
	return err
}

// Promiscuous lets frames to other stations in, too, as rules that forward them need, or no longer.
func (p *Device) Promiscuous(on bool) error {
	p.groups.Lock()
	defer p.groups.Unlock()
	p.groups.all = on
	return p.setFilter()
}

// count counts members of groups, or those that are no more.
func (g *groups) count(member bool, macs [][6]byte) {
	if g.members == nil {
		g.members = map[[6]byte]int{}
	}
	for _, mac := range macs {
		if member {
			g.members[mac]++
		} else if g.members[mac]--; g.members[mac] <= 0 {
			delete(g.members, mac)
		}
	}
}

// setFilter has the controller let in what Join, JoinMAC and Promiscuous say. The caller holds p.groups.
func (p *Device) setFilter() error {
	return p.driver.SetFilter(slices.Collect(maps.Keys(p.groups.members)), p.groups.all)
}
