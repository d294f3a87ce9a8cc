//go:build tamago

package main

import (
	"errors"
	"fmt"
	"reflect"

	"mortise/stack/oob"
)

// errNeedsStart is why a configuration cannot be applied to a gateway that serves.
var errNeedsStart = errors.New("takes effect at the next start only")

// apply makes text the configuration while both stages serve, or changes nothing and says why.
//
// What the oob stage goes by, ports, addresses, accept rules, is written while the stage does not serve (oob.Configure), and
// devices, addresses and services of in-band are set up once: text must agree with what runs in all of these. What is taken
// over is oob.restarts_per_minute. The whole of text is read, checked and compiled all the same.
func (g *gatewayImage) apply(text []byte) error {
	cfg, tables, err := compile(text)
	if err != nil {
		return err
	}
	next := new(oob.Config)
	for i := range tables.Devices {
		oobPorts(next, uint32(i), &tables.Devices[i])
	}
	g.supervise.Lock()
	defer g.supervise.Unlock()
	if *next != oobConfig {
		return fmt.Errorf("the oob stage's ports, addresses or accept rules differ: that %w", errNeedsStart)
	}
	same := *cfg
	same.RestartsPerMinute = g.cfg.RestartsPerMinute
	if !reflect.DeepEqual(tables, g.tables) || !reflect.DeepEqual(&same, g.cfg) {
		return fmt.Errorf("more than oob.restarts_per_minute differs: that %w", errNeedsStart)
	}
	g.cfg.RestartsPerMinute = cfg.RestartsPerMinute
	g.policy.SetLimit(cfg.RestartsPerMinute)
	return nil
}
