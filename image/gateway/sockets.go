//go:build tamago

package main

import (
	"context"
	"errors"
	"log"
	"net/netip"
	"time"

	"mortise/stack/admin"
	"mortise/stack/capture"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/inband"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/stage"
)

// addPorts sets up the oob ports that the tables name: for the companion core, for sockets, and the front caches.
func (g *gatewayImage) addPorts() (err error) {
	socket.Setup(memory, divert.Devices*divert.SlotsPerDevice, socket.Hooks{
		Bound: oob.Bind, Kick: kickSockets, Join: g.joinGroup, JoinMAC: g.joinMAC, Consume: oob.Consume,
		Listen: func(dev uint32, on bool) { g.devices[dev].Listen(on) },
		Times:  func(dev uint32) bool { return g.devices[dev].Stamped() != core.NoTime },
	})
	g.admin, err = admin.New(g.tables, admin.Hooks{
		Adopt: divert.Adopt, Divert: g.divert, Answers: g.answers, Ask: func(p admin.Peer) { go g.ask(p) },
		AddPort: func(dev uint32, vid uint16, name string, address netip.Prefix) error {
			return g.stack.AddPort(int(dev), vid, name, address)
		},
		RemovePort: func(dev uint32, vid uint16) { _ = g.stack.RemovePort(int(dev), vid) }, // it is there
		Solicit: func(ctx context.Context, dev uint32, vid uint16, addr netip.Addr) ([6]byte, error) {
			return g.stack.Solicit(ctx, int(dev), vid, addr)
		},
		Forget: func(dev uint32, vid uint16, addr netip.Addr) {
			g.stack.ForgetNeighbours(int(dev), vid, addr)
		},
		Inband:         func(dev uint32, vid uint16) admin.Traffic { return admin.Traffic(g.stack.Traffic(int(dev), vid)) },
		Promiscuous:    func(dev uint32, on bool) error { return g.devices[dev].Promiscuous(on) },
		TicksPerSecond: stage.TicksPerSecond(),
		Counters:       g.deviceCounters, Traffic: g.deviceTraffic,
		File:     program,
		Captures: capture.New(g),
		Tap: func(dev uint32, vid uint16, received bool, f func(b []byte)) (func(), error) {
			return g.stack.Tap(int(dev), vid, received, f)
		},
		Times: func(dev uint32) string { return socket.Source(g.devices[dev].Stamped()).String() },
	})
	if err != nil {
		return err
	}
	if err := g.admin.Start(); err != nil {
		return err
	}
	return nil
}

// divert gives a device to the oob stage or to in-band, at run time. While that stage is down in-band has all devices.
func (g *gatewayImage) divert(dev uint32, on bool) error {
	g.supervise.Lock()
	defer g.supervise.Unlock()
	if stage.Running() {
		return g.devices[dev].Divert(on)
	}
	return nil
}

// answerAfter bounds the wait for in-band to have answered what came before a port was the oob stage's: all that waits for it at most,
// which takes 0.1 s at 125 MIPS when each is an echo request, with garbage collected meanwhile. A choice: in-band that is as far
// behind as that answers nothing in time.
const answerAfter = 5 * time.Second

// answers tells in-band whether the oob stage answers for a port: not before it has itself answered what was left to it.
func (g *gatewayImage) answers(dev uint32, vid uint16, on bool) {
	behind := g.devices[dev].Behind()
	for end := time.Now().Add(answerAfter); on && behind() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	g.stack.SetOob(int(dev), vid, on)
}

// ask solicits a peer until it answers, or its port is no longer one that can ask.
func (g *gatewayImage) ask(p admin.Peer) {
	for told := false; ; told = true {
		_, err := g.admin.Solicit(context.Background(), admin.Solicitation{Addr: p.Addr, Port: p.Port})
		if err == nil {
			return
		}
		if !told {
			log.Print(err)
		}
		if !errors.Is(err, admin.ErrTimeout) {
			return
		}
	}
}

// deviceCounters returns what the driver and the crossing count for a device.
func (g *gatewayImage) deviceCounters(dev uint32) (list []admin.Counter) {
	d := g.devices[dev]
	for _, c := range d.Driver().Stats(nil) {
		list = append(list, admin.Counter{Name: c.Name, Value: c.Value})
	}
	for _, c := range d.Counters() {
		list = append(list, admin.Counter{Name: c.Name, Value: uint64(c.Value)})
	}
	for _, s := range d.Slots() {
		list = append(list, admin.Counter{Name: "slots_" + s.Place, Value: uint64(s.Slots)})
	}
	return list
}

// kickSockets has the oob stage do what in-band has asked the sockets for, or does it while that stage is down: nobody else
// does then.
func kickSockets() {
	for stage.Running() && socket.Asked() {
		stage.Kick()
	}
	socket.Kicked()
}

// joinGroup lets the frames of a multicast group in, and has in-band report it. Sockets that are opened before there is in-band are reported
// when there is: see reportGroups.
func (g *gatewayImage) joinGroup(port neigh.Port, group netip.Addr, member bool) error {
	d := g.devices[port.Dev()]
	if err := d.Join(group, member); err != nil {
		return err
	}
	if g.stack == nil {
		g.early = append(g.early, func() error { return g.stack.Join(int(port.Dev()), uint16(port.VID()), group, member) })
		return nil
	}
	err := g.stack.Join(int(port.Dev()), uint16(port.VID()), group, member)
	if err != nil && member {
		_ = d.Join(group, false)
	}
	return err
}

// reportGroups has in-band report the groups that have been joined before there was in-band.
func (g *gatewayImage) reportGroups() error {
	for _, f := range g.early {
		if err := f(); err != nil {
			return err
		}
	}
	g.early = nil
	return nil
}

// joinMAC lets the frames of an Ethernet group address in.
func (g *gatewayImage) joinMAC(port neigh.Port, group [6]byte, member bool) error {
	return g.devices[port.Dev()].JoinMAC(group, member)
}

// neighbour keeps the front cache of the oob stage as in-band's cache is.
func (g *gatewayImage) neighbour(n inband.Neighbour) (followed bool) {
	followed, err := g.admin.Learned(n.Device, n.VID, n.Addr, n.MAC, n.Gone)
	if err != nil {
		log.Printf("%s: %v", g.tables.Devices[n.Device].Name, err)
	}
	return followed
}
