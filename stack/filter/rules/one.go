package rules

import (
	"unsafe"

	"mortise/stack/wire"
)

// One is the only rule of a table, whose fields are values behind masks, and ports in one range each. Words are as wire's views
// have them, in wire order; ports are numbers.
type One struct {
	Level uint32 // what the frame must have: LevelLink, LevelIPv4 or LevelPorts
	Least uint32 // so many bytes, with an IPv4 header without options
	First uint32 // EtherType, or TPID if the rule asks for a tag
	KeyAt uint32 // where the word with the EtherType is in wire.Ethernet
	Key   uint32 // this word: EtherType, and the tag's TCI
	Mask  uint32 // of Key

	UsesMAC          uint32 // 0: any addresses
	Src, SrcMask     uint32
	Dst, DstMask     uint32
	Proto, ProtoMask uint32 // in wire.IPv4's word
	DstPort, DstSpan uint32 // the first, and how many follow
	SrcPort, SrcSpan uint32
	MAC, MACMask     [4]uint32 // in wire.Ethernet's words
}

// How much of a frame a rule asks for.
const (
	LevelLink = iota
	LevelIPv4
	LevelPorts
)

// MatchOne is Match for a table with HasOne. A frame of another form than the rule's is Match's: with more tags or none, or with
// options in its IPv4 header. That is seen early, so that the two together stay short.
//
//oob:stage any
//go:nosplit
func (t *Table) MatchOne(addr uintptr, n uint32) uint32 {
	x, e := &t.One, wire.EthernetAt(addr)
	if n < x.Least {
		return t.Match(addr, n)
	}
	if first := e.SrcType >> 16; first != x.First {
		if wire.IsTag(first) {
			return t.Match(addr, n)
		}
		return None
	}
	at := uintptr(x.KeyAt)
	if key := *(*uint32)(unsafe.Add(unsafe.Pointer(e), at)); (key^x.Key)&x.Mask != 0 {
		return t.Match(addr, n)
	}
	level := x.Level
	if level == LevelLink {
		if x.UsesMAC != 0 && !x.fitsMAC(e) {
			return None
		}
		return 0
	}
	ip := (*wire.Datagram)(unsafe.Add(unsafe.Pointer(e), at+4))
	if ip.Head&0xff != 0x45 {
		return t.Match(addr, n)
	}
	if (ip.Src^x.Src)&x.SrcMask|(ip.Dst^x.Dst)&x.DstMask|(ip.Proto^x.Proto)&x.ProtoMask != 0 {
		return None
	}
	if level == LevelPorts {
		ports := wire.Swap32(ip.Ports)
		if ip.Frag&fragment != 0 || ports&0xffff-x.DstPort > x.DstSpan || ports>>16-x.SrcPort > x.SrcSpan {
			return None
		}
	}
	if x.UsesMAC != 0 && !x.fitsMAC(e) {
		return None
	}
	return 0
}

// fitsMAC compares the addresses.
//
//oob:stage any
//go:noinline
func (x *One) fitsMAC(e *wire.Ethernet) bool {
	m, mask := &x.MAC, &x.MACMask
	return (e.Dst0^m[0])&mask[0]|(e.Dst2^m[1])&mask[1]|(e.Src0^m[2])&mask[2]|(e.SrcType^m[3])&mask[3] == 0
}
