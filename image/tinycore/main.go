//go:build tamago

// Command tinycore is a firmware with another companion core than the gateway's: core/coretest in the place of stack/oob, by
// nothing but its import. Both controllers are diverted to it; what it leaves to in-band is counted and dropped there. Its test
// builds it, checks its oob code as the gateway's is checked, and asks it.
//
// Stage: in-band; dispatch runs oob. Does not support: an in-band stack, ticks, anything useful.
package main

import (
	"fmt"
	"log"

	"mortise/board/mx6ullevk"
	"mortise/drivers/enet"
	"mortise/drivers/gic"
	"mortise/drivers/nic"
	"mortise/drivers/tick"
	"mortise/stack/core"
	_ "mortise/stack/core/coretest" // the companion core
	"mortise/stack/divert"
	"mortise/stack/frame"
	"mortise/stack/stage"
)

// memory is the frames' memory: each device's descriptors come first.
var memory = frame.Memory{
	Base: mx6ullevk.DMABase + divert.SlotsOffset, Bus: mx6ullevk.DMABase + divert.SlotsOffset,
	Slots: divert.Devices * divert.SlotsPerDevice,
}

// devices are the board's controllers, in their order.
var devices []*divert.Device

func main() {
	log.SetFlags(0)
	if err := mx6ullevk.Init(); err != nil {
		log.Fatal(err)
	}
	stage.Init(stage.Config{CPU: mx6ullevk.CPU, GIC: &mx6ullevk.GIC, OnFault: func(f stage.Fault) { log.Fatalf("%v", &f) }})
	for i, c := range mx6ullevk.Controllers() {
		if err := add(uint32(i), c); err != nil {
			log.Fatal(err)
		}
	}
	tick.Start(mx6ullevk.CPU, &mx6ullevk.GIC, interrupt)
	stage.Start()
	for _, d := range devices {
		if err := d.Driver().SetLink(nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}); err != nil {
			log.Fatal(err)
		}
		d.Serve(true)
		go take(d)
	}
	fmt.Println("serving")
	select {}
}

// add sets up device n, known to the core by its number.
func add(n uint32, c mx6ullevk.Controller) error {
	desc := uintptr(mx6ullevk.DMABase) + uintptr(n)*enet.DescBytes
	d, err := divert.New(n, divert.Config{
		Name: c.Name, TickHz: stage.TicksPerSecond(),
		Driver: enet.Config{
			Name: c.Name, Base: c.Base, ClkHz: c.ClkHz, MAC: [6]byte{2, 0, 0, 0, 0x0d, byte(n)},
			Desc: desc, DescBus: uint32(desc), Memory: memory, TxShift16: mx6ullevk.Native(), MIB: mx6ullevk.Native(),
		},
		Hooks: divert.Hooks{Kick: stage.Kick, Route: func(bool) {
			mx6ullevk.GIC.Disable(c.IRQ)
			mx6ullevk.GIC.Assign(c.IRQ, gic.Oob)
			mx6ullevk.GIC.Enable(c.IRQ)
		}},
	})
	if err != nil {
		return err
	}
	divert.Adopt(n, core.Device(n))
	devices = append(devices, d)
	oobIRQ[n] = c.IRQ
	return nil
}

// take drops what a device has for in-band, and says how much it was.
func take(d *divert.Device) {
	for total := 0; ; {
		<-d.Notify()
		if n := d.Receive(64, func([]byte) {}); n != 0 {
			total += n
			fmt.Printf("%s: %d frames for in-band\n", d.Name(), total)
		}
	}
}

// interrupt serves in-band's interrupts: the oob stage's wake.
func interrupt() {
	for {
		id, ok := tick.Take()
		if !ok {
			return
		}
		if id == stage.WakeSGI {
			stage.HandleWake()
			for _, d := range devices {
				d.Interrupt()
			}
		}
	}
}
