package admin

import "net/netip"

// Static returns the permanent neighbours of each port, those of ports that are off, too.
func (a *Admin) Static() map[string]map[netip.Addr]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]map[netip.Addr]string{}
	for _, p := range a.ports() {
		all[p.name] = map[netip.Addr]string{}
		for addr, mac := range p.static {
			all[p.name][addr] = macText(mac)
		}
	}
	return all
}
