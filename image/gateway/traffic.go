//go:build tamago

package main

import (
	"mortise/stack/admin"
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

// portGroups shows what each port has carried, and its pool.
func (g *gatewayImage) portGroups() (groups []status.Group) {
	for _, p := range g.admin.Ports() {
		group := status.Group{Name: "port", Of: p.Name, Title: "Port " + p.Name}
		group.Counters = append(trafficCounters("", "by the oob stage", p.Stage.Traffic), status.Counter{
			Name: "dropped", Help: "dropped by the oob stage", Kind: status.Count, Value: p.Stage.Dropped,
		})
		if p.Device != "" {
			group.Counters = append(group.Counters, trafficCounters("inband_", "by in-band", p.Inband)...)
		}
		if l := p.Pool; l != nil {
			group.Counters = append(group.Counters,
				status.Counter{Name: "pool_size", Help: "buffers of its pool", Kind: status.Gauge, Unit: "buffers", Value: uint64(l.Size)},
				status.Counter{Name: "pool_free", Help: "buffers that are free", Kind: status.Gauge, Unit: "buffers", Value: uint64(l.Free)},
				status.Counter{Name: "pool_lowest", Help: "the fewest that ever were", Kind: status.Gauge, Unit: "buffers", Value: uint64(l.Lowest)},
				status.Counter{Name: "pool_exhausted", Help: "requests that found none", Kind: status.Count, Unit: "requests", Value: uint64(l.Exhausted)},
				status.Counter{Name: "buffer_size", Help: "size of a buffer", Kind: status.Gauge, Unit: "bytes", Value: uint64(l.BufferBytes)},
			)
		}
		groups = append(groups, group)
	}
	return groups
}

// deviceGroup shows what a device has carried in all.
func (g *gatewayImage) deviceGroup(dev int) status.Group {
	d, err := g.admin.Device(g.tables.Devices[dev].Name)
	if err != nil { // it is there since the start
		return status.Group{Name: "device"}
	}
	return status.Group{Name: "device", Title: "In all", Counters: append(trafficCounters("", "by both stages, and forwarded", d.Traffic.Traffic),
		status.Counter{Name: "dropped", Help: "dropped", Kind: status.Count, Value: d.Traffic.Dropped})}
}

func trafficCounters(prefix, by string, t admin.Traffic) []status.Counter {
	return []status.Counter{
		{Name: prefix + "rx_packets", Help: "received " + by, Kind: status.Count, Unit: "packets", Value: t.RxPackets},
		{Name: prefix + "rx_bytes", Help: "received " + by, Kind: status.Count, Unit: "bytes", Value: t.RxBytes},
		{Name: prefix + "tx_packets", Help: "sent " + by, Kind: status.Count, Unit: "packets", Value: t.TxPackets},
		{Name: prefix + "tx_bytes", Help: "sent " + by, Kind: status.Count, Unit: "bytes", Value: t.TxBytes},
	}
}
