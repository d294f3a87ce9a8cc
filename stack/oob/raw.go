package oob

import (
	"mortise/drivers/mmio"
	"mortise/stack/socket"
	"mortise/stack/wire"
)

// Raw sockets for one EtherType. A frame of another than IPv4's and ARP's is looked for behind all else (frame). ARP's are what the
// stage itself has no use for (arp). IPv4's come ahead of all that the stage does with a packet, so that nobody else gets it, but behind rules and
// programs: as long as a port of a device has such a socket all frames of the device go by admit. Without one, none of this costs anything.

// consuming has for each device a bit for each of its ports that has a raw socket for IPv4.
var consuming [Devices]uint32

// Consume has all IPv4 packets of an oob port go to the raw socket that is open for them, or no longer.
//
//oob:stage inband
func Consume(index uint32, on bool) error {
	dev, i := index/MaxPorts, index%MaxPorts+1
	if dev >= Devices {
		return ConfigError("it is no port of a device")
	}
	d := &banks[serving[dev]%uint32(len(banks))][dev]
	if on && d.port[i%uint32(len(d.port))].rules != 0 {
		return ConfigError("the port has rules: its IPv4 is in-band's, but for the UDP ports that they accept")
	}
	if on {
		consuming[dev] |= 1 << i
	} else {
		consuming[dev] &^= 1 << i
	}
	mmio.Store(&d.consuming, consuming[dev])
	plain := d.mac0
	if consuming[dev]|uint32(d.rules)|uint32(d.program) != 0 {
		plain = ^uint32(0)
	}
	mmio.Store(&d.plain, plain)
	return nil
}

// consumes reports whether a frame is IPv4 and goes to a raw socket, on a port that takes all IPv4 or because a rule or program has accepted it.
// index is the port's, to package socket.
//
//oob:stage oob
//go:noinline
func (d *device) consumes(addr uintptr, n uint32, accepted bool) (index uint32, ok bool) {
	e := wire.EthernetAt(addr)
	typ, tci := e.SrcType>>16, uint32(0)
	if wire.IsTag(typ) && n >= wire.EthernetLen+wire.TagLen {
		tag := e.Tag[0]
		typ, tci = tag>>16, wire.Swap32(tag)
		if wire.IsTag(typ) && n >= wire.EthernetLen+2*wire.TagLen {
			tag = e.Tag[1]
			if typ, tci = tag>>16, wire.Swap32(tag); tci<<4>>20 == 0 {
				return 0, false
			}
		}
	}
	if typ != wire.TypeIPv4 {
		return 0, false
	}
	i := d.vlan.PortTCI(tci)
	p := &d.port[i%uint32(len(d.port))]
	return p.index, d.consuming>>(i%32)&1 != 0 && (p.rules == 0 || accepted)
}

// consume gives an IPv4 packet's frame to the raw socket of the port of an index.
//
//oob:stage oob
//go:noinline
func (d *device) consume(addr uintptr, n, index uint32) uint32 {
	s, ok := socket.FindRaw(index, wire.TypeIPv4)
	if !ok {
		return d.drop(Unclaimed) // it is being closed
	}
	p := &d.port[(index%MaxPorts+1)%uint32(len(d.port))]
	return d.queued(p, socket.PutFrame(s, index, addr, n))
}
