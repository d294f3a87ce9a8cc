//go:build tamago

package main

import (
	"log"
	"net/netip"

	"mortise/board/mx6ullevk"
	"mortise/drivers/tick"
	"mortise/stack/gateway"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// startStage lets interrupts come in, then starts the oob stage and every device.
func (g *gatewayImage) startStage() {
	tick.Start(mx6ullevk.CPU, &mx6ullevk.GIC, g.interrupt)
	task.Restart()
	stage.Start()
	for i, d := range g.devices {
		d.Serve(g.admin.Diverted(i))
	}
}

// interrupt serves every in-band interrupt that is pending.
func (g *gatewayImage) interrupt() {
	for {
		id, ok := tick.Take()
		if !ok {
			return
		}
		switch id {
		case stage.WakeSGI:
			g.woken()
		case mx6ullevk.ConsoleIRQ:
			mx6ullevk.ConsoleInterrupt()
		}
		for i, irq := range g.irqs {
			if id == irq {
				g.devices[i].Interrupt()
			}
		}
	}
}

// woken does what the oob stage woke in-band for. Events come before frames: who a frame is from may be in one.
func (g *gatewayImage) woken() {
	stage.HandleWake()
	task.Woken()
	for {
		e, ok := oob.PopEvent()
		if !ok {
			break
		}
		g.event(e)
	}
	socket.Deliver()
	for _, d := range g.devices {
		d.Interrupt()
	}
}

func (g *gatewayImage) event(e oob.Event) {
	switch e.Kind {
	case oob.EventNeighbour:
		g.stack.Learn(int(e.Dev), e.VID, e.IP(), e.MAC())
	case oob.EventConflict:
		addr := netip.AddrFrom4(e.IP())
		if g.admin.Conflicted(uint32(e.Dev), e.VID, addr, e.MAC()) == 1 {
			log.Printf("address conflict: %v says that %v is its address", gateway.MAC(e.MAC()), addr)
		}
	}
}
