package rules

import (
	"math/bits"

	"mortise/stack/wire"
)

// Match returns the number of the first rule of t that the frame of n bytes at addr fits, None when there is none. The
// address is a multiple of four plus two. A frame is what its innermost tag says, of two; what is cut off does not fit a rule
// that asks for it, nor do a fragment's ports.
//
//oob:stage any
func (t *Table) Match(addr uintptr, n uint32) uint32 {
	if n < wire.EthernetLen {
		return None
	}
	e := wire.EthernetAt(addr)
	uses, a, b := t.Uses, t.All[0], t.All[1]
	last, tag, size := e.SrcType, uint32(0), uint32(wire.EthernetLen)
	pcp := &t.PCP[Untagged]
	if kind := last >> 16; (kind == wire.TypeCTag || kind == wire.TypeSTag) && n >= wire.EthernetLen+wire.TagLen {
		last, size = e.Tag[0], wire.EthernetLen+wire.TagLen
		if kind := last >> 16; (kind == wire.TypeCTag || kind == wire.TypeSTag) && n >= wire.EthernetLen+2*wire.TagLen {
			last, size = e.Tag[1], wire.EthernetLen+2*wire.TagLen
			pcp = &t.PCP2[last<<24>>29]
		} else {
			pcp = &t.PCP[last<<24>>29]
		}
		tag = last
	}
	if uses&UsesTag != 0 {
		s := t.VLAN.of(tag &^ NotVID)
		a, b = a&s[0]&pcp[0], b&s[1]&pcp[1]
	}
	if uses&(UsesMAC|UsesEtherType) != 0 {
		if uses&UsesEtherType != 0 {
			s := t.EtherType.of(last >> 16)
			a, b = a&s[0], b&s[1]
		}
		if uses&UsesMAC != 0 {
			s := t.SrcMAC.of(e.Src0, e.SrcType&0xffff, t.Multiplier[0])
			d := t.DstMAC.of(e.Dst2, e.Dst0>>16, t.Multiplier[1])
			a, b = a&s[0]&d[0], b&s[1]&d[1]
		}
	}
	left := n - size
	if last>>16 != wire.TypeIPv4 || left < wire.IPv4Len {
		return first(a&t.NotIPv4[0], b&t.NotIPv4[1])
	}
	packet := addr + uintptr(size)
	ip := wire.IPv4At(packet)
	head := ip.Head
	size = wire.IPv4Len
	if head&0xff != 0x45 { // not the commonest: options, or no header
		size = head & 15 * 4
		if head&0xf0 != 0x40 || size < wire.IPv4Len || size > left {
			return first(a&t.NotIPv4[0], b&t.NotIPv4[1])
		}
	}
	proto := &t.Protocol[uint8(ip.Proto>>8)]
	a, b = a&proto[0], b&proto[1]
	if uses&UsesSrc != 0 {
		v := ip.Src
		h, l := t.Src[0].of(v&0xffff), t.Src[1].of(v>>16)
		a, b = a&h[0]&l[0], b&h[1]&l[1]
	}
	if uses&UsesDst != 0 {
		v := ip.Dst
		h, l := t.Dst[0].of(v&0xffff), t.Dst[1].of(v>>16)
		a, b = a&h[0]&l[0], b&h[1]&l[1]
	}
	if ip.Frag&fragment != 0 || left-size < 4 {
		return first(a&t.NoPorts[0], b&t.NoPorts[1])
	}
	ports := wire.UDPAt(packet + uintptr(size)).Ports // of TCP, too
	s := t.DstPort.of(ports >> 16)
	a, b = a&s[0], b&s[1]
	if uses&UsesSrcPort != 0 {
		s := t.SrcPort.of(ports & 0xffff)
		a, b = a&s[0], b&s[1]
	}
	return first(a, b)
}

// fragment is what IPv4.Frag has set of a fragment: More Fragments, the offset.
const fragment = 0xff3f << 16

// of returns the set that v, in wire order, selects. Bits above the 16 do not count.
//
//oob:stage any
func (t *Numbers) of(v uint32) *Set {
	return &t.Set[t.Class[uint16(v)]]
}

// of returns the set that a MAC address selects.
//
//oob:stage any
func (t *MACs) of(a, b, multiplier uint32) *Set {
	s := &t.Slot[Hash(a, b, multiplier)]
	if s.Word[0] != a || s.Word[1] != b {
		return &t.Other
	}
	return &s.Set
}

// first returns the number of the lowest bit of a, then b, that is set.
//
//oob:stage any
func first(a, b uint32) uint32 {
	if a != 0 {
		return uint32(bits.TrailingZeros32(a))
	}
	return 32 + uint32(bits.TrailingZeros32(b)) // 32 of 0: None
}
