//go:build tamago

package main

import (
	"fmt"
	"log"

	"mortise/board/mx6ullevk"
	"mortise/stack/oob"
	"mortise/stack/stage"
)

// startStage lets interrupts come in, then starts the oob stage and every device.
func (g *gatewayImage) startStage() {
	go mx6ullevk.CPU.ServiceInterrupts(g.interrupt)
	stage.Start()
	for i, d := range g.devices {
		d.Serve(g.tables.Devices[i].Diverted)
	}
}

// interrupt serves every in-band interrupt that is pending.
func (g *gatewayImage) interrupt() {
	for {
		id, ok := mx6ullevk.GIC.Take()
		if !ok {
			return
		}
		if id == stage.WakeSGI {
			g.woken()
			continue
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
	for {
		e, ok := oob.PopEvent()
		if !ok {
			break
		}
		g.event(e)
	}
	for _, d := range g.devices {
		d.Interrupt()
	}
}

func (g *gatewayImage) event(e oob.Event) {
	switch e.Kind {
	case oob.EventNeighbour:
		g.stack.Learn(int(e.Dev), e.VID, e.IP(), e.MAC())
	case oob.EventConflict:
		if g.conflicts.Add(1) == 1 {
			log.Printf("address conflict: %x says that %v is its address", e.MAC(), e.IP())
		}
	}
}

// onFault takes every device to in-band after a fault has stopped the oob stage.
func (g *gatewayImage) onFault(f stage.Fault) {
	fmt.Print(f)
	for i, d := range g.devices {
		if !g.tables.Devices[i].Diverted {
			continue
		}
		if err := d.Rebuild(false); err != nil {
			log.Printf("fall back: %v", err)
			continue
		}
		fmt.Printf("%s: in-band serves it from now on\n", d.Name())
	}
}

// restartStage serves in the oob stage again after a fault.
func (g *gatewayImage) restartStage() {
	stage.Restart()
	for i, d := range g.devices {
		if g.tables.Devices[i].Diverted {
			d.Divert(true)
		}
	}
	fmt.Println("oob stage: serving again")
}
