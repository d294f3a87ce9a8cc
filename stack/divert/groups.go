package divert

import (
	"maps"
	"net/netip"
	"slices"
)

// Join lets frames to a multicast group in, or no longer: each Join of a member is to be taken back by one that is not.
func (p *Device) Join(group netip.Addr, member bool) error {
	p.groups.Lock()
	defer p.groups.Unlock()
	if p.groups.members == nil {
		p.groups.members = map[[6]byte]int{}
	}
	a := group.As4()
	mac := [6]byte{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]} // 6.4, RFC 1112
	if member {
		p.groups.members[mac]++
	} else if p.groups.members[mac]--; p.groups.members[mac] <= 0 {
		delete(p.groups.members, mac)
	}
	return p.setFilter()
}

// Promiscuous lets frames to other stations in, too, as rules that forward them need, or no longer.
func (p *Device) Promiscuous(on bool) error {
	p.groups.Lock()
	defer p.groups.Unlock()
	p.groups.all = on
	return p.setFilter()
}

// setFilter has the controller let in what Join and Promiscuous say. The caller holds p.groups.
func (p *Device) setFilter() error {
	return p.driver.SetFilter(slices.Collect(maps.Keys(p.groups.members)), p.groups.all)
}
