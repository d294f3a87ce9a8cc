//go:build tamago

package main

import (
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"mortise/board/mx6ullevk"
	"mortise/drivers/nic"
	"mortise/drivers/phy"
	"mortise/stack/divert"
)

// linkPeriod is the time between two looks at a PHY: somebody who plugs a cable in waits no longer than that.
const linkPeriod = 500 * time.Millisecond

// watchLinks sets up the PHY of each device and follows its link. A device whose PHY does not answer is served all the
// same, at 100 Mb/s full duplex: in-band and oob work without it in an emulator, and a person is told.
func (g *gatewayImage) watchLinks() {
	for i, d := range g.devices {
		p, err := g.probe(i)
		if err == nil {
			err = p.Setup()
		}
		if err != nil {
			log.Printf("%s: %v; its link is taken to be up, at 100 Mb/s full duplex", d.Name(), err)
			g.setLink(d, nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true})
			continue
		}
		fmt.Printf("%s: PHY %s at address %d\n", d.Name(), p.Model(), p.Addr())
		go g.follow(d, p)
	}
}

// probe finds the PHY of a device on the MDIO buses that may reach it.
func (g *gatewayImage) probe(device int) (*phy.PHY, error) {
	c, _ := mx6ullevk.ControllerByName(g.tables.Devices[device].Controller) // addDevice has found it
	var places []phy.Place
	for _, bus := range c.MDIO {
		for i := range g.tables.Devices {
			if g.tables.Devices[i].Controller == bus {
				places = append(places, phy.Place{Bus: g.devices[i].Driver(), Addr: c.PHY})
			}
		}
	}
	return phy.Probe(nil, places...)
}

// follow tells the device of each change of its link, for ever.
func (g *gatewayImage) follow(d *divert.Device, p *phy.PHY) {
	var last nic.Link
	told := false
	for failed := false; ; time.Sleep(linkPeriod) {
		link, err := p.Link()
		if err != nil {
			if !failed {
				log.Printf("%s: %v", d.Name(), err)
			}
			failed = true
			continue
		}
		failed = false
		if link != last || !told {
			fmt.Printf("%s: link %v\n", d.Name(), link)
			g.setLink(d, link)
			publishLink(d, link)
			last, told = link, true
		}
	}
}

// setLink hands a link's state to the driver. A change of speed or duplex takes the controller down and up again:
// the stage must not stop or start meanwhile.
func (g *gatewayImage) setLink(d *divert.Device, link nic.Link) {
	err := d.Driver().SetLink(link)
	if errors.Is(err, nic.ErrRestart) {
		g.supervise.Lock()
		err = d.Rebuild(d.Diverted())
		g.supervise.Unlock()
	}
	if err != nil {
		log.Printf("%s: %v", d.Name(), err)
	}
	d.SetUp(link.Up)
	dev := slices.Index(g.devices, d)
	g.admin.Link(dev, link.Up)
	if link.Up {
		g.stack.Report(dev)
	}
}
