package oob

import (
	"unsafe"

	"mortise/stack/socket"
	"mortise/stack/wire"
)

// Show is core.Show: the raw sockets for all frames of an oob port get a copy, as the frame came.
//
//oob:stage oob
//go:linkname Show mortise/stack/core.Show
func Show(dev Device, addr uintptr, n, room uint32) (copies uint32) {
	d := (*device)(unsafe.Add(nil, dev))
	p, ok := d.portOf(addr, n)
	if !ok {
		return 0
	}
	return socket.Show(p.index, addr, n, room)
}

// portOf returns the oob port that the frame of n bytes at addr came on, by its VLAN, as Deliver finds it.
//
//oob:stage oob
func (d *device) portOf(addr uintptr, n uint32) (p *port, ok bool) {
	if n < wire.EthernetLen {
		return nil, false
	}
	e := wire.EthernetAt(addr)
	tci := uint32(0)
	if wire.IsTag(e.SrcType >> 16) {
		if n < wire.EthernetLen+wire.TagLen {
			return nil, false
		}
		tci = wire.Swap32(e.Tag[0])
		if wire.IsTag(e.Tag[0] >> 16) {
			if n < wire.EthernetLen+2*wire.TagLen {
				return nil, false
			}
			tci = wire.Swap32(e.Tag[1])
			if tci<<4>>20 == 0 || wire.IsTag(e.Tag[1]>>16) {
				return nil, false
			}
		}
	}
	index := d.vlan.PortTCI(tci)
	return &d.port[index%uint32(len(d.port))], index != 0
}
