//go:build tamago

package main

import (
	"mortise/stack/admin"
	"mortise/stack/socket"
	"mortise/stack/status"
)

// deviceTraffic returns what a device has carried beside its oob ports' traffic.
func (g *gatewayImage) deviceTraffic(dev uint32) admin.DeviceTraffic {
	d := g.devices[dev]
	inband, forwarded := d.Traffic()
	return admin.DeviceTraffic{
		Inband: admin.Traffic(inband), Forwarded: admin.Traffic(forwarded), Dropped: uint64(drops(dev, d)),
	}
}

// What is shown of traffic, without the numbers.
var (
	byStage  = trafficCounters("", "by the oob stage")
	byInband = trafficCounters("inband_", "by in-band")
	byBoth   = trafficCounters("", "by both stages, and forwarded")
)

// portGroups shows what each port has carried, and its pool.
func (g *gatewayImage) portGroups() (groups []status.Group) {
	for _, p := range g.admin.PortLoads() {
		c := append(make([]status.Counter, 0, 16), byStage[:]...)
		setTraffic(c, p.Stage.Traffic)
		c = append(c, status.Counter{Name: "dropped", Help: "dropped by the oob stage", Kind: status.Count, Value: p.Stage.Dropped})
		if p.Device != "" {
			c = append(c, byInband[:]...)
			setTraffic(c[len(c)-len(byInband):], p.Inband)
		}
		if l := p.Pool; l != nil {
			c = append(c,
				status.Counter{Name: "pool_size", Help: "buffers of its pool", Kind: status.Gauge, Unit: "buffers", Value: uint64(l.Size)},
				status.Counter{Name: "pool_free", Help: "buffers that are free", Kind: status.Gauge, Unit: "buffers", Value: uint64(l.Free)},
				status.Counter{Name: "pool_lowest", Help: "the fewest that ever were", Kind: status.Gauge, Unit: "buffers", Value: uint64(l.Lowest)},
				status.Counter{Name: "pool_exhausted", Help: "requests that found none", Kind: status.Count, Unit: "requests", Value: uint64(l.Exhausted)},
				status.Counter{Name: "pool_exhausted_rx", Help: "of these, for what came", Kind: status.Count, Unit: "requests", Value: uint64(l.RxExhausted)},
				status.Counter{Name: "pool_exhausted_tx", Help: "of these, for what was to be sent", Kind: status.Count, Unit: "requests", Value: uint64(l.TxExhausted)},
				status.Counter{Name: "buffer_size", Help: "size of a buffer", Kind: status.Gauge, Unit: "bytes", Value: uint64(l.BufferBytes)},
			)
		}
		groups = append(groups, status.Group{Name: "port", Of: p.Name, Title: "Port " + p.Name, Counters: c})
	}
	return groups
}

// deviceGroup shows what a device has carried in all.
func (g *gatewayImage) deviceGroup(dev int) status.Group {
	l := g.admin.DeviceLoad(uint32(dev))
	c := append(make([]status.Counter, 0, 5), byBoth[:]...)
	setTraffic(c, l.Traffic)
	return status.Group{Name: "device", Title: "In all", Counters: append(c,
		status.Counter{Name: "dropped", Help: "dropped", Kind: status.Count, Value: l.Dropped})}
}

func trafficCounters(prefix, by string) [4]status.Counter {
	return [4]status.Counter{
		{Name: prefix + "rx_packets", Help: "received " + by, Kind: status.Count, Unit: "packets"},
		{Name: prefix + "rx_bytes", Help: "received " + by, Kind: status.Count, Unit: "bytes"},
		{Name: prefix + "tx_packets", Help: "sent " + by, Kind: status.Count, Unit: "packets"},
		{Name: prefix + "tx_bytes", Help: "sent " + by, Kind: status.Count, Unit: "bytes"},
	}
}

// setTraffic fills in the numbers of trafficCounters.
func setTraffic(c []status.Counter, t admin.Traffic) {
	c[0].Value, c[1].Value, c[2].Value, c[3].Value = t.RxPackets, t.RxBytes, t.TxPackets, t.TxBytes
}

// fragmentGroups shows what became of datagrams in fragments, that came and that were sent, once there were some. What became of each fragment
// that came is with the device's frames.
func fragmentGroups() []status.Group {
	in, out := socket.ReassemblyStats(), socket.FragmentStats()
	if in == (socket.Reassembly{}) && out == (socket.FragmentsSent{}) {
		return nil // a line of /metrics takes some 7,000 instructions on its way
	}
	return []status.Group{{Name: "fragments", Title: "Datagrams in fragments", Counters: []status.Counter{
		{Name: "incomplete", Help: "of which some fragments have come", Kind: status.Gauge, Unit: "datagrams", Value: uint64(in.Incomplete)},
		{Name: "expired", Help: "of which not all fragments came in time", Kind: status.Count, Unit: "datagrams", Value: uint64(in.Expired)},
		{Name: "sent", Help: "sent in fragments", Kind: status.Count, Unit: "datagrams", Value: uint64(out.Datagrams)},
		{Name: "sent_fragments", Help: "that they were", Kind: status.Count, Unit: "fragments", Value: uint64(out.Fragments)},
		{Name: "busy", Help: "not sent, no room for all fragments at the device", Kind: status.Count, Unit: "datagrams", Value: uint64(out.Busy)},
		{Name: "no_ident", Help: "not sent, every identification was used in the last 30 s", Kind: status.Count, Unit: "datagrams", Value: uint64(out.NoIdent)},
	}}}
}
