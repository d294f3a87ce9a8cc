package divert

import (
	"mortise/drivers/enet"
	"mortise/drivers/mmio"
)

// Name returns the device's name in the configuration.
func (p *Device) Name() string { return p.name }

// MAC returns the device's address.
func (p *Device) MAC() [6]byte { return p.mac }

// Up tells whether the link is up, as SetUp was last told.
func (p *Device) Up() bool { return p.up.Load() }

// SetUp records the link's state.
func (p *Device) SetUp(up bool) { p.up.Store(up) }

// Diverted tells whether the device is diverted now.
func (p *Device) Diverted() bool { return mmio.Load(&table[p.d].diverted) != 0 }

// OobAnswers tells whether the oob stage answers for the device's oob addresses, of the frame that Receive took last: not when that
// one came before the device was diverted. It has gone by the oob stage then, and nobody but in-band can answer it.
func (p *Device) OobAnswers() bool { return p.Diverted() && p.traffic.rx.Load() > p.own.Load() }

// Driver returns the controller's in-band half: link, MDIO, statistics.
func (p *Device) Driver() Driver { return p.driver }

// RealTime reports whether the driver runs in the oob stage: that of any other is not real-time, whatever serves it.
func (p *Device) RealTime() bool { return p.stock == nil }

// Count is the value of a named counter.
type Count struct {
	Name, Help string
	Drop       bool // counts frames dropped
	Value      uint32
}

// Counters returns the device's counters, always the same ones in the same order.
func (p *Device) Counters() []Count {
	out := make([]Count, 0, NumCounters+1)
	for i, c := range counterInfo {
		c.Value = mmio.Load(&counters[p.d][i])
		out = append(out, c)
	}
	return append(out, Count{"no_tx_slot", "from in-band, and its share for sending was used up", true, p.noTxSlot.Load()})
}

// Dropped returns how many frames Counters tells as dropped, modulo 2³², for who asks often.
func (p *Device) Dropped() (n uint32) {
	for i := range counterInfo {
		if counterInfo[i].Drop {
			n += mmio.Load(&counters[p.d][i])
		}
	}
	return n + p.noTxSlot.Load()
}

// Place is where slots of a device are, and how many.
type Place struct {
	Place, Help string
	Slots       uint32
}

// Slots returns where the device's slots are. Each slot is in one place: on a quiet device the numbers but the last add
// up to SlotsPerDevice.
func (p *Device) Slots() []Place {
	v := &table[p.d]
	rx, tx := v.rx.Full(), v.tx.Full()
	return []Place{
		{"free", "reserve of the stage that drives the device", v.free.Len()},
		{"rx_ring", "empty, for the controller to receive into", enet.RingSize},
		{"tx_ring", "being transmitted", enet.RingSize - v.hw.Free()},
		{"rx_full", "received, waiting for in-band", rx},
		{"rx_empty", "in-band's share for receiving, unused", v.rx.Size() - rx},
		{"tx_full", "from in-band, waiting to be transmitted", tx},
		{"tx_empty", "in-band's share for sending, unused", v.tx.Size() - tx},
		{"free_lowest", "the smallest reserve there ever was", v.free.Lowest()},
	}
}
