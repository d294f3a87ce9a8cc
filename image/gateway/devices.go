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
	"mortise/stack/socket"
	"mortise/stack/stage"
)

// DMA memory: each device's descriptors first, then the slots of all.
const (
	slotsOffset = divert.SlotsOffset
	slots       = (mx6ullevk.CrashBase - mx6ullevk.DMABase - slotsOffset) / frame.SlotSize
)

// The slots are enough for the devices, and not too many for a pool.
const (
	_ = uint(slots - divert.Devices*divert.SlotsPerDevice)
	_ = uint(frame.MaxSlots - slots)
	_ = uint(slotsOffset - divert.Devices*(enet.DescBytes+enet.FarRegisters))
)

// memory is the frames' memory.
var memory = frame.Memory{Base: mx6ullevk.DMABase + slotsOffset, Bus: mx6ullevk.DMABase + slotsOffset, Slots: slots}

// addDevices sets up the devices that the tables name, then the ports on them.
func (g *gatewayImage) addDevices() error {
	if n := len(g.tables.Devices); n > divert.Devices {
		return fmt.Errorf("%d devices configured, want at most %d", n, divert.Devices)
	}
	for i := range g.tables.Devices {
		if err := g.addDevice(uint32(i), &g.tables.Devices[i]); err != nil {
			return err
		}
	}
	return g.addPorts()
}

// silence returns the writes that mask the devices when a fault has stopped the oob stage: any may be its own by then. See
// unsilence.
func (g *gatewayImage) silence() (w []stage.Write) {
	for _, t := range g.tables.Devices {
		// The interrupt of a controller with a stock driver is never the oob stage's.
		if c, ok := mx6ullevk.ControllerByName(t.Controller); ok && !t.Stock {
			w = append(w, stage.Write{Addr: uint32(c.Base + enet.EIMR)})
		}
	}
	return w
}

// unsilence lets a device that was in-band's go on after a fault.
func unsilence(d *divert.Device) { d.Interrupt() }

func (g *gatewayImage) addDevice(n uint32, t *gateway.DeviceTable) error {
	c, ok := mx6ullevk.ControllerByName(t.Controller)
	if !ok {
		return fmt.Errorf("device %s: the board has no controller %s", t.Name, t.Controller)
	}
	desc := uintptr(mx6ullevk.DMABase) + uintptr(n)*enet.DescBytes
	config := divert.Config{
		Name:   t.Name,
		TickHz: stage.TicksPerSecond(),
		Driver: enet.Config{
			Name: c.Name, Base: c.Base, ClkHz: c.ClkHz, TimerHz: c.TimerHz, MAC: t.MAC,
			Desc: desc, DescBus: uint32(desc),
			Memory:    memory,
			TxShift16: mx6ullevk.Native(), MIB: mx6ullevk.Native(),
		},
		Hooks: divert.Hooks{Kick: stage.Kick, Route: func(toOob bool) { route(c.IRQ, toOob) }},
	}
	oobIRQ[n] = c.IRQ
	if t.Stock {
		if err := useStock(&config, n, c, t.MAC); err != nil {
			return fmt.Errorf("device %s: %w", t.Name, err)
		}
		oobIRQ[n] = stockSGI + n
	}
	d, err := divert.New(n, config)
	if err != nil {
		return err
	}
	if !d.RealTime() {
		fmt.Printf("%s: %s: %s\n", t.Name, c.Name, gateway.StockDriver)
		go d.Carry()
	}
	if err := noteTimes(d, t); err != nil {
		return err
	}
	g.devices = append(g.devices, d)
	g.irqs = append(g.irqs, c.IRQ)
	return nil
}

// noteTimes has the device note times as the tables say, and tells what by.
func noteTimes(d *divert.Device, t *gateway.DeviceTable) error {
	if t.Timestamps == gateway.NoTimestamps {
		return nil
	}
	source, err := d.Stamp(true, t.Timestamps == gateway.HardwareTimestamps, stage.TicksPerSecond())
	if err != nil {
		return err
	}
	text := socket.Source(source).String()
	if string(t.Timestamps) != text {
		text += ": the controller's timer does not count"
	}
	fmt.Printf("%s: timestamps by %s\n", t.Name, text)
	return nil
}

// stockSGI is the software interrupt of the first device if its driver is a stock one; each has its own, in the place of its
// controller's interrupt, which stays in-band's.
const stockSGI = stage.KickSGI + 1

// useStock has device n driven by TamaGo's driver.
func useStock(config *divert.Config, n uint32, c mx6ullevk.Controller, mac [6]byte) (err error) {
	if config.Stock, err = mx6ullevk.StartStock(c, mac); err != nil {
		return err
	}
	config.Driver.Base = mx6ullevk.DMABase + divert.Devices*enet.DescBytes + uintptr(n)*enet.FarRegisters
	mx6ullevk.GIC.Assign(stockSGI+n, gic.Oob)
	route(c.IRQ, false)
	config.Hooks.Route = func(toOob bool) {
		if toOob {
			mx6ullevk.GIC.Enable(stockSGI + n)
		}
	}
	config.Hooks.Raise = func() { raise(stockSGI + n) }
	return nil
}

// raiseLimit bounds the wait for an activation to begin, in looks: it begins within some cycles.
const raiseLimit = 1000

// raise has the oob stage run for software interrupt id, and waits for it: the device must not change hands before.
func raise(id uint32) {
	if !stage.Running() {
		return
	}
	before := stage.Activations()
	mx6ullevk.GIC.RaiseOob(id)
	for i := 0; i < raiseLimit && stage.Activations() == before && stage.Running(); i++ {
	}
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
