//go:build tamago

package main

import (
	"fmt"
	"slices"
	"time"

	"mortise/board/mx6ullevk"
	"mortise/stack/admin"
	"mortise/stack/divert"
	"mortise/stack/gateway"
	"mortise/stack/inband"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/stage"
	"mortise/stack/status"
)

// status reads the state of everything for the status page.
func (g *gatewayImage) status() *status.Status {
	s := &status.Status{
		Name: g.cfg.Name, Version: version, Board: mx6ullevk.Name, Uptime: time.Since(g.started),
		Stage: g.stageStatus(), Crash: g.crashStatus(), Runtime: status.ReadRuntime(),
	}
	for i := range g.tables.Devices {
		s.Devices = append(s.Devices, g.deviceStatus(i))
	}
	s.Groups = append(append(append(g.portGroups(), taskGroups()...), fragmentGroups()...), inbandGroup("netstack", "gVisor netstack", g.stack.Counters()))
	return s
}

// crashStatus shows what the run before left.
func (g *gatewayImage) crashStatus() *status.Crash {
	c := g.crash
	if c == nil {
		return nil
	}
	return &status.Crash{
		Firmware: c.Firmware.String(), Uptime: c.Last.Uptime, Doing: c.Doing, Activations: uint64(c.Last.Activations), Faults: uint64(c.Last.Faults),
		Restarts: uint64(c.Last.Restarts), InbandDead: c.Alone, Report: c.Report,
	}
}

func (g *gatewayImage) stageStatus() status.Stage {
	st, r := stage.Statistics(), g.policy.Report(time.Since(g.started))
	s := status.Stage{
		State: status.Stopped, Activations: uint64(st.Activations),
		Longest:        time.Duration(st.LongestTicks) * time.Second / time.Duration(stage.TicksPerSecond()),
		StackHighWater: uint64(st.HighWaterBytes), StackSize: uint64(st.StackBytes),
		Faults: uint64(st.Faults), Restarts: r.Total,
		RestartsLastMinute: r.LastMinute, RestartsPerMinute: r.PerMinute, StaysDown: r.GaveUp,
	}
	switch stage.Status() {
	case stage.Serving:
		s.State = status.Running
	case stage.Faulted:
		s.State = status.Faulted
	}
	if f, ok := stage.LastFault(); ok {
		s.Fault = faultStatus(&f)
	}
	return s
}

func faultStatus(f *stage.Fault) *status.Fault {
	s := &status.Fault{
		Kind: f.Kind.String(), Function: f.Func.Func, PC: uint32(f.PC), File: f.Func.File, Line: f.Func.Line, Cause: f.Cause,
		Detail: f.String(),
	}
	for _, c := range f.Chain {
		s.Chain = append(s.Chain, status.Call{PC: uint32(c.PC), Function: c.Func, File: c.File, Line: c.Line})
	}
	return s
}

// describe says what the status page shows of each device that changes with the configuration only.
func (g *gatewayImage) describe(tables *gateway.Tables) {
	var devices []status.Device
	for i := range tables.Devices {
		t := &tables.Devices[i]
		d := status.Device{Name: t.Name, Controller: t.Controller, MAC: t.MAC.String(), MACSource: string(t.MACSource)}
		if t.Stock {
			d.NotRealTime = gateway.StockDriver
		}
		for _, p := range t.Ports {
			addr := fmt.Sprintf("%d.%d.%d.%d/%d", p.Addr>>24, p.Addr>>16&255, p.Addr>>8&255, p.Addr&255, p.Prefix)
			d.Ports = append(d.Ports, status.Port{Name: p.Name, VID: p.VID, Address: addr, Oob: p.Oob, Accepts: accepts(&p)})
		}
		devices = append(devices, d)
	}
	g.described.Store(&devices)
}

func (g *gatewayImage) deviceStatus(i int) status.Device {
	d := g.devices[i]
	s := (*g.described.Load())[i]
	s.Up, s.Link, s.Diverted = d.Up(), d.Driver().Link().String(), divert.Diverted(uint32(i))
	if source := socket.Source(d.Stamped()); source != socket.NoTime {
		s.Timestamps = source.String()
	}
	s.Groups = append(make([]status.Group, 0, 7), g.deviceGroup(i), driverGroup(d), crossingGroup(d))
	s.Ports = slices.Clone(s.Ports)
	for j, p := range g.stack.Devices()[i].Ports() {
		if j >= len(s.Ports) { // made at run time
			s.Ports = append(s.Ports, status.Port{Name: p.Name(), VID: p.VID(), Address: p.Address().String()})
		}
		if p.Oob() == s.Ports[j].Oob {
			continue
		}
		if s.Ports[j].Oob, s.Ports[j].Accepts = p.Oob(), ""; p.Oob() {
			s.Ports[j].Accepts = "all IPv4, ARP"
		}
	}
	if g.tables.Devices[i].Diverted || g.admin.Diverted(i) {
		s.Groups = append(s.Groups, oobGroup(uint32(i)))
	}
	if j := oob.JudgedBy(uint32(i)); j.Runs() != 0 {
		s.Groups = append(s.Groups, filterGroup(&j))
	}
	if rules, err := g.admin.Forwards(s.Name); err == nil && len(rules) != 0 {
		s.Groups = append(s.Groups, rulesGroup(rules))
	}
	s.Groups = append(s.Groups, inbandGroup("inband", "In-band stage", g.stack.Devices()[i].Counters()))
	return s
}

// accepts says in words which frames of a port are the oob stage's.
func accepts(p *gateway.PortTable) string {
	switch {
	case !p.Oob:
		return ""
	case p.AllIPv4:
		return "all IPv4, ARP"
	}
	s := "ARP, ICMP echo"
	for _, r := range p.UDP {
		s += fmt.Sprintf(", UDP port %d", r.First)
		if r.Last != r.First {
			s += fmt.Sprintf("–%d", r.Last)
		}
	}
	return s
}

// newGroup returns a group with room for n counters.
func newGroup(name, title string, n int) status.Group {
	return status.Group{Name: name, Title: title, Counters: make([]status.Counter, 0, n)}
}

func driverGroup(d *divert.Device) status.Group {
	counters := d.Driver().Stats(nil)
	group := newGroup("driver", "Driver", len(counters))
	for _, c := range counters {
		kind := status.Count
		if c.Drop {
			kind = status.Drop
		}
		group.Counters = append(group.Counters, status.Counter{Name: c.Name, Kind: kind, Value: c.Value})
	}
	return group
}

func crossingGroup(d *divert.Device) status.Group {
	counters, slots := d.Counters(), d.Slots()
	group := newGroup("crossing", "Between the stages", len(counters)+len(slots))
	for _, c := range counters {
		kind := status.Count
		if c.Drop {
			kind = status.Drop
		}
		group.Counters = append(group.Counters,
			status.Counter{Name: c.Name, Help: c.Help, Kind: kind, Value: uint64(c.Value)})
	}
	for _, s := range slots {
		group.Counters = append(group.Counters, status.Counter{
			Name: "slots_" + s.Place, Help: s.Help, Kind: status.Gauge, Unit: "slots", Value: uint64(s.Slots),
		})
	}
	return group
}

func oobGroup(n uint32) status.Group {
	values := oob.Snapshot(n)
	group := newGroup("oob", "Out-of-band stage", len(values))
	for i, v := range values {
		kind := status.Count
		if oob.ClassOf(i) == oob.ClassDropped {
			kind = status.Drop
		}
		group.Counters = append(group.Counters, status.Counter{
			Name: oob.CounterNames[i], Kind: kind, Value: uint64(v),
		})
	}
	return group
}

// filterGroup shows what a device's filter program has done.
func filterGroup(j *oob.Judged) status.Group {
	group := newGroup("filter", "Filter program", 6)
	for v, name := range []string{"drop", "accept", "skip", "vlan"} {
		group.Counters = append(group.Counters, status.Counter{Name: "verdict_" + name, Help: "frames", Value: uint64(j.Verdicts[v])})
	}
	group.Counters = append(group.Counters,
		status.Counter{Name: "steps", Help: "of all runs", Value: uint64(j.Steps)},
		status.Counter{Name: "longest", Help: "steps that a run took at most", Kind: status.Gauge, Unit: "steps", Value: uint64(j.Longest)})
	return group
}

// rulesGroup shows a device's forwarding rules, what each has taken, and how long that was.
func rulesGroup(rules []admin.Rule) status.Group {
	group := newGroup("forward", "Forwarding rules", len(rules))
	for i := range rules {
		r := &rules[i]
		c := status.Counter{Name: r.Name, Help: r.Does, Kind: status.Rule, Value: r.Matched}
		if r.Sends {
			c.Latency = &status.Latency{Frames: r.Latency.Frames, Sum: r.Latency.Sum}
			for _, b := range r.Latency.Buckets {
				c.Latency.Buckets = append(c.Latency.Buckets, status.Bucket{Below: b.Below, Frames: b.Frames})
			}
		}
		group.Counters = append(group.Counters, c)
	}
	return group
}

func inbandGroup(name, title string, counters []inband.Counter) status.Group {
	group := newGroup(name, title, len(counters))
	for _, c := range counters {
		kind := status.Count
		if c.Kind == inband.Drop {
			kind = status.Drop
		}
		group.Counters = append(group.Counters,
			status.Counter{Name: c.Name, Help: c.Help, Kind: kind, Unit: c.Unit, Value: c.Value})
	}
	return group
}
