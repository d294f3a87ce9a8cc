//go:build tamago

package main

import (
	"log"
	"net/netip"

	"mortise/stack/divert"
	"mortise/stack/gateway"
	"mortise/stack/inband"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/stage"
)

// addSockets tells package socket which oob ports there are, and the front caches which networks they lead to.
func (g *gatewayImage) addSockets() error {
	socket.Setup(memory, divert.Devices*divert.SlotsPerDevice, socket.Hooks{Bound: oob.Bind, Kick: kickSockets, Join: g.joinGroup})
	var routes []neigh.Table
	for n := range g.tables.Devices {
		t := &g.tables.Devices[n]
		number := uint32(0)
		for i := range t.Ports {
			p := &t.Ports[i]
			if !p.Oob {
				continue
			}
			c := socket.Port{Name: neigh.PortOf(uint32(n), uint32(p.VID)), Addr: prefixOf(p), MAC: t.MAC}
			index := oob.PortIndex(uint32(n), number)
			number++
			if err := socket.SetPort(index, c); err != nil {
				return err
			}
			socket.Up(index)
			routes = append(routes, neigh.Table{Prefix: c.Addr.Masked(), Port: c.Name})
		}
	}
	if err := neigh.SetRoutes(routes); err != nil {
		return err
	}
	return nil
}

// prefixOf returns a port's address with its prefix length.
func prefixOf(p *gateway.PortTable) netip.Prefix {
	a := netip.AddrFrom4([4]byte{byte(p.Addr >> 24), byte(p.Addr >> 16), byte(p.Addr >> 8), byte(p.Addr)})
	return netip.PrefixFrom(a, int(p.Prefix))
}

// kickSockets has the oob stage do what in-band has asked the sockets for, or does it while that stage is down: nobody else
// does then.
func kickSockets() {
	for stage.Running() && socket.Asked() {
		stage.Kick()
	}
	socket.Kicked()
}

// joinGroup lets the frames of a multicast group in.
func (g *gatewayImage) joinGroup(port neigh.Port, group netip.Addr, member bool) error {
	return g.devices[port.Dev()].Join(group, member)
}

// neighbour keeps the front cache of the oob stage as in-band's cache is.
func (g *gatewayImage) neighbour(n inband.Neighbour) {
	port := neigh.PortOf(uint32(n.Device), uint32(n.VID))
	if n.Gone {
		neigh.Forget(port, n.Addr)
		return
	}
	if err := neigh.Set(port, n.Addr, n.MAC, false); err != nil {
		log.Printf("%s: %v", g.tables.Devices[n.Device].Name, err)
	}
}
