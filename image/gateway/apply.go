//go:build tamago

package main

import (
	"errors"
	"reflect"
	"slices"

	"mortise/stack/filter"
	"mortise/stack/gateway"
)

// errNeedsStart is why a configuration cannot be applied to a gateway that serves.
var errNeedsStart = errors.New("more differs from what runs than accept and forwarding rules, filters, VLAN lists and restarts_per_minute: " +
	"that takes effect at the next start only")

// apply makes text the configuration while both stages serve, or changes nothing and says why.
//
// Taken over are the accept rules and VLAN lists of oob ports, filter programs that are in the image, and the forwarding rules, each frame meeting the old ones or the
// new ones, the diversion of devices that follows from these, and oob.restarts_per_minute. Devices, addresses and services of in-band are set up once, its stand-in for the oob echo among
// them: text must agree with what runs in these.
func (g *gatewayImage) apply(text []byte) error {
	cfg, tables, err := compile(text)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(fixed(cfg), fixed(g.cfg)) {
		return errNeedsStart
	}
	if err := g.admin.Reload(tables); err != nil {
		return err
	}
	g.supervise.Lock()
	defer g.supervise.Unlock()
	g.policy.SetLimit(cfg.RestartsPerMinute)
	g.text.Store(&text)
	g.describe(tables)
	return nil
}

// fixed returns c without what apply can take over.
func fixed(c *gateway.Config) *gateway.Config {
	f := *c
	f.RestartsPerMinute, f.Forward = 0, nil
	f.Devices = slices.Clone(c.Devices)
	for i := range f.Devices {
		d := &f.Devices[i]
		d.OobVLANs, d.Filter = filter.VIDSet{}, nil
		d.Divert = false // it follows from the rest; Held is what the file says
		d.Ports = slices.Clone(d.Ports)
		for j := range d.Ports {
			if p := &d.Ports[j]; p.Oob != nil && p.Oob.Accepts(gateway.EchoPort) {
				p.Oob = &gateway.Oob{Pool: p.Oob.Pool, Buffer: p.Oob.Buffer, Neighbours: p.Oob.Neighbours, Solicit: p.Oob.Solicit}
			} else if p.Oob != nil { // with a rule that accepts nothing
				p.Oob = &gateway.Oob{Rules: make([]gateway.Rule, 1), Pool: p.Oob.Pool, Buffer: p.Oob.Buffer, Neighbours: p.Oob.Neighbours, Solicit: p.Oob.Solicit}
			}
		}
	}
	return &f
}
