//go:build tamago

package main

import (
	"fmt"

	"mortise/board/mx6ullevk"
	"mortise/drivers/enet"
	"mortise/drivers/gic"
	"mortise/stack/divert"
	"mortise/stack/frame"
	"mortise/stack/gateway"
	"mortise/stack/oob"
	"mortise/stack/stage"
)

// DMA memory: each device's descriptors first, then the slots of all.
const (
	slotsOffset = 64 << 10
	slots       = (mx6ullevk.CrashBase - mx6ullevk.DMABase - slotsOffset) / frame.SlotSize
)

// The slots are enough for the devices, and not too many for a pool.
const (
	_ = uint(slots - divert.Devices*divert.SlotsPerDevice)
	_ = uint(frame.MaxSlots - slots)
	_ = uint(slotsOffset - divert.Devices*enet.DescBytes)
)

// memory is the frames' memory.
var memory = frame.Memory{Base: mx6ullevk.DMABase + slotsOffset, Bus: mx6ullevk.DMABase + slotsOffset, Slots: slots}

// oobConfig is what the companion core goes by: static, because it is large.
var oobConfig oob.Config

// addDevices sets up the devices and ports that the tables name, with the companion core's part of it.
func (g *gatewayImage) addDevices() error {
	if n := len(g.tables.Devices); n > divert.Devices {
		return fmt.Errorf("%d devices configured, want at most %d", n, divert.Devices)
	}
	for i := range g.tables.Devices {
		if err := g.addDevice(uint32(i), &g.tables.Devices[i]); err != nil {
			return err
		}
	}
	if err := oob.Configure(&oobConfig, divert.Adopt); err != nil {
		return err
	}
	return g.addSockets()
}

// silence returns the writes that mask the devices of the oob stage when a fault has stopped it.
func (g *gatewayImage) silence() (w []stage.Write) {
	for _, t := range g.tables.Devices {
		if c, ok := mx6ullevk.ControllerByName(t.Controller); ok && t.Diverted {
			w = append(w, stage.Write{Addr: uint32(c.Base + enet.EIMR)})
		}
	}
	return w
}

func (g *gatewayImage) addDevice(n uint32, t *gateway.DeviceTable) error {
	c, ok := mx6ullevk.ControllerByName(t.Controller)
	if !ok {
		return fmt.Errorf("device %s: the board has no controller %s", t.Name, t.Controller)
	}
	desc := uintptr(mx6ullevk.DMABase) + uintptr(n)*enet.DescBytes
	d, err := divert.New(n, divert.Config{
		Name:   t.Name,
		TickHz: stage.TicksPerSecond(),
		Driver: enet.Config{
			Name: c.Name, Base: c.Base, ClkHz: c.ClkHz, MAC: t.MAC,
			Desc: desc, DescBus: uint32(desc),
			Memory:    memory,
			TxShift16: mx6ullevk.Native(), MIB: mx6ullevk.Native(),
		},
		Hooks: divert.Hooks{Kick: stage.Kick, Route: func(toOob bool) { route(c.IRQ, toOob) }},
	})
	if err != nil {
		return err
	}
	g.devices = append(g.devices, d)
	g.irqs = append(g.irqs, c.IRQ)
	oobIRQ[n] = c.IRQ
	oobPorts(&oobConfig, n, t)
	return nil
}

// route gives interrupt id to a stage. It stays disabled in between: see gic.Assign.
func route(id uint32, toOob bool) {
	group := gic.Inband
	if toOob {
		group = gic.Oob
	}
	mx6ullevk.GIC.Disable(id)
	mx6ullevk.GIC.Assign(id, group)
	mx6ullevk.GIC.Enable(id)
}

// oobPorts fills in what the companion core must know of a device: its oob ports, and the addresses of the others.
func oobPorts(c *oob.Config, n uint32, t *gateway.DeviceTable) {
	d := &c.Device[n]
	d.MAC, d.VLANs = t.MAC, t.OobVLANs
	oobs := 0
	for _, p := range t.Ports {
		addr := [4]byte{byte(p.Addr >> 24), byte(p.Addr >> 16), byte(p.Addr >> 8), byte(p.Addr)}
		if !p.Oob {
			c.Own[firstFree(&c.Own)] = addr
			continue
		}
		q := &d.Ports[oobs]
		oobs++
		q.VID, q.Addr, q.Prefix, q.Rules = p.VID, addr, p.Prefix, !p.AllIPv4
		for _, u := range p.UDP {
			q.UDP.Add(u.First, u.Last)
		}
	}
}

// firstFree returns the first place in own without an address. The configuration's checks leave room for all.
func firstFree(own *[oob.MaxOwn][4]byte) int {
	for i, a := range own {
		if a == ([4]byte{}) {
			return i
		}
	}
	panic("gateway: more in-band addresses than the companion core's table holds")
}
