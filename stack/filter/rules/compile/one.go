package compile

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"unsafe"

	"mortise/stack/filter/rules"
	"mortise/stack/wire"
)

// one returns the rule as MatchOne has it; false when a mask or a range does not say what a field does.
func (r *Rule) one() (x rules.One, ok bool) {
	x.Key, x.Mask, ok = r.key()
	if !ok || x.Mask>>16 == 0 || wire.IsTag(x.Key>>16) || len(r.Ports) > 1 || len(r.SrcPorts) > 1 {
		return x, false
	}
	x.First, x.KeyAt, x.Least = x.Key>>16, uint32(unsafe.Offsetof(wire.Ethernet{}.SrcType)), wire.EthernetLen
	if x.Mask&0xffff != 0 {
		x.First, x.KeyAt, x.Least = wire.TypeCTag, uint32(unsafe.Offsetof(wire.Ethernet{}.Tag)), wire.EthernetLen+wire.TagLen
	}
	if r.hasIPv4 {
		x.Level = rules.LevelIPv4
		x.Least += wire.IPv4Len
	}
	x.Src, x.SrcMask = masked(r.Src)
	x.Dst, x.DstMask = masked(r.Dst)
	if r.Protocol != Any {
		x.Proto, x.ProtoMask = uint32(r.Protocol)<<8, 0xff00
	}
	if r.Ports != nil || r.SrcPorts != nil {
		x.Level = rules.LevelPorts
		x.Least += 4
	}
	x.DstPort, x.DstSpan = span(r.Ports)
	x.SrcPort, x.SrcSpan = span(r.SrcPorts)
	if m := r.DstMAC; m != nil {
		x.UsesMAC = 1
		x.MAC[0], x.MACMask[0] = uint32(binary.LittleEndian.Uint16(m[:]))<<16, 0xffff<<16
		x.MAC[1], x.MACMask[1] = binary.LittleEndian.Uint32(m[2:]), ^uint32(0)
	}
	if m := r.SrcMAC; m != nil {
		x.UsesMAC = 1
		x.MAC[2], x.MACMask[2] = binary.LittleEndian.Uint32(m[:]), ^uint32(0)
		x.MAC[3], x.MACMask[3] = uint32(binary.LittleEndian.Uint16(m[4:])), 0xffff
	}
	return x, true
}

// key returns EtherType and TCI, as a value behind a mask.
func (r *Rule) key() (key, mask uint32, ok bool) {
	switch {
	case r.hasIPv4:
		key, mask = wire.TypeIPv4<<16, 0xffff<<16
	case len(r.EtherTypes) > 1:
		return 0, 0, false
	case len(r.EtherTypes) == 1:
		key, mask = wire.Swap16(uint32(r.EtherTypes[0]))<<16, 0xffff<<16
	}
	var tci, tciMask uint32
	if r.Untagged { // or in VLAN 0: two forms
		return 0, 0, false
	}
	if r.VLANs != nil {
		one := -1
		for vid := range uint16(1 << 12) {
			if r.VLANs.Has(vid) {
				if one >= 0 {
					return 0, 0, false
				}
				one = int(vid)
			}
		}
		if one < 0 {
			return 0, 0, false
		}
		tci, tciMask = uint32(one), 0xfff
	}
	if r.PCP != 0 {
		// A frame without a tag looks like one of priority 0, which the rule must not take it for.
		if bits.OnesCount8(r.PCP) != 1 || r.PCP == 1 {
			return 0, 0, false
		}
		tci, tciMask = tci|uint32(bits.TrailingZeros8(r.PCP))<<13, tciMask|7<<13
	}
	return key | wire.Swap16(tci), mask | wire.Swap16(tciMask), true
}

// masked returns a prefix as a value behind a mask, in wire order.
func masked(p netip.Prefix) (value, mask uint32) {
	if !p.IsValid() {
		return 0, 0
	}
	b := p.Masked().Addr().As4()
	return binary.LittleEndian.Uint32(b[:]), bits.ReverseBytes32(^uint32(0) << (32 - p.Bits()))
}

// span returns the first of a range of ports, all if there is none, and how many follow.
func span(list []PortRange) (first, more uint32) {
	if list == nil {
		return 0, 0xffff
	}
	return uint32(list[0].First), uint32(list[0].Last - list[0].First)
}
