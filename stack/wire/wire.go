// Package wire knows the formats on the wire: Ethernet with up to two VLAN tags, ARP, IPv4, UDP, TCP's header, ICMP, and the Internet
// checksum.
//
// oob code reads and writes a frame where it lies, in DMA memory, through the views of this file: structs laid over the
// frame whose fields are aligned 16 and 32-bit words. That works because a frame starts at a multiple of four plus two
// (frame.Pad), so that every header behind the Ethernet addresses, with no tag, one or two, is a multiple of four. Each
// field access is one load or store of its own width, as DMA memory asks; nothing is copied.
//
// Fields hold wire order: the bytes as they lie, read by a little-endian processor. Compare them with the constants here,
// which are in wire order too; Swap16 and Swap32 make numbers of them. All targets (arm, arm64, amd64) are little-endian.
//
// Stage: any; build.go is in-band and host. Follows: IEEE 802.3-2018 3.2 (frame), IEEE 802.1Q-2018 9 (tags), RFC 826
// (ARP, 1982), RFC 791 (IPv4, 1981), RFC 768 (UDP, 1980), RFC 9293 (TCP, 2022), RFC 792 (ICMP, 1981), RFC 1071 and RFC 1624 (checksum, 1988 and
// 1994). Does not support: 802.2 LLC, IPv6, big-endian processors.
package wire

import (
	"math/bits"
	"unsafe"
)

// Sizes in bytes.
const (
	EthernetLen = 14
	TagLen      = 4
	ARPLen      = 28
	IPv4Len     = 20 // without options
	UDPLen      = 8
	TCPLen      = 20 // without options
	ICMPLen     = 8
	MinLen      = 60 // smallest frame without its FCS: 3.2.8, IEEE 802.3-2018
)

// Group is the bit of Ethernet.Dst0 that tells broadcast and multicast from unicast, SourceGroup that of Src0.
const (
	Group       = 1 << 16
	SourceGroup = 1
)

// Values of 16-bit fields in wire order.
const (
	TypeIPv4 = 0x0008 // EtherType 0x0800
	TypeARP  = 0x0608 // EtherType 0x0806
	TypeCTag = 0x0081 // TPID 0x8100, customer tag: Table 9-1, IEEE 802.1Q-2018
	TypeSTag = 0xa888 // TPID 0x88a8, service tag

	ARPEthernet = 0x0100 // hardware type 1
	ARPLengths  = 0x0406 // hardware address of 6 bytes, protocol address of 4
	ARPRequest  = 0x0100
	ARPReply    = 0x0200

	ICMPEchoRequest = 0x0008 // type 8, code 0
	ICMPEchoReply   = 0x0000 // type 0, code 0
)

// IPv4 protocol numbers.
const (
	ProtoICMP = 1
	ProtoIGMP = 2
	ProtoTCP  = 6
	ProtoUDP  = 17
)

// Ethernet is the view of a frame's first header, tags included. It starts frame.Pad bytes ahead of the frame, where words
// are aligned. A frame without tags ends its header with SrcType.
type Ethernet struct {
	Dst0    uint32    // pad; high half: destination, bytes 0 and 1
	Dst2    uint32    // destination, bytes 2 to 5
	Src0    uint32    // source, bytes 0 to 3
	SrcType uint32    // source, bytes 4 and 5; high half: EtherType, or the TPID of a tag
	Tag     [2]uint32 // TCI (PCP, DEI, VID); high half: the EtherType or TPID that follows
}

// ARP is the view of an ARP packet for IPv4 over Ethernet.
type ARP struct {
	Hardware, Protocol uint16
	Lengths, Op        uint16
	SenderMAC0         uint32 // bytes 0 to 3
	SenderMAC4         uint16 // bytes 4 and 5
	SenderIP0          uint16 // bytes 0 and 1
	SenderIP2          uint16 // bytes 2 and 3
	TargetMAC0         uint16 // bytes 0 and 1
	TargetMAC2         uint32 // bytes 2 to 5
	TargetIP           uint32
}

// IPv4 is the view of an IPv4 header by words: its checksum takes them all anyway.
type IPv4 struct {
	Head  uint32 // version and header length, type of service, total length
	Frag  uint32 // identification, flags and fragment offset
	Proto uint32 // time to live, protocol, header checksum
	Src   uint32
	Dst   uint32
}

// Datagram is the view of an IPv4 header without options and the UDP header behind it.
type Datagram struct {
	IPv4
	UDP
}

// UDP is the view of a UDP header.
type UDP struct {
	Ports    uint32 // source; high half: destination
	Checksum uint32 // length; high half: checksum
}

// TCP is the view of a TCP header without options.
type TCP struct {
	Ports    uint32 // source; high half: destination
	Seq, Ack uint32
	Control  uint32 // data offset, control bits; high half: window
	Checksum uint32 // checksum; high half: urgent pointer
}

// ICMP is the view of an ICMP header.
type ICMP struct {
	Checksum uint32 // type, code; high half: checksum
	Rest     uint32
}

// EthernetAt returns the view of the frame at addr, which must be a multiple of four plus two.
//
//oob:stage any
func EthernetAt(addr uintptr) *Ethernet { return (*Ethernet)(unsafe.Add(nil, addr-2)) }

// ARPAt returns the view of the ARP packet at addr, a multiple of four.
//
//oob:stage any
func ARPAt(addr uintptr) *ARP { return (*ARP)(unsafe.Add(nil, addr)) }

// IPv4At returns the view of the IPv4 header at addr, a multiple of four.
//
//oob:stage any
func IPv4At(addr uintptr) *IPv4 { return (*IPv4)(unsafe.Add(nil, addr)) }

// DatagramAt returns the view of the IPv4 packet at addr, a multiple of four, for UDP.
//
//oob:stage any
func DatagramAt(addr uintptr) *Datagram { return (*Datagram)(unsafe.Add(nil, addr)) }

// UDPAt returns the view of the UDP header at addr, a multiple of four.
//
//oob:stage any
func UDPAt(addr uintptr) *UDP { return (*UDP)(unsafe.Add(nil, addr)) }

// TCPAt returns the view of the TCP header at addr, a multiple of four.
//
//oob:stage any
func TCPAt(addr uintptr) *TCP { return (*TCP)(unsafe.Add(nil, addr)) }

// ICMPAt returns the view of the ICMP header at addr, a multiple of four.
//
//oob:stage any
func ICMPAt(addr uintptr) *ICMP { return (*ICMP)(unsafe.Add(nil, addr)) }

// Swap16 turns the 16-bit field in the low half of v from wire order into a number, or back: the high half is cut.
//
//oob:stage any
func Swap16(v uint32) uint32 { return bits.ReverseBytes32(v) >> 16 }

// Swap32 turns a 32-bit field from wire order into a number, or back.
//
//oob:stage any
func Swap32(v uint32) uint32 { return bits.ReverseBytes32(v) }

// IsTag reports whether typ, in wire order, is the TPID of a VLAN tag rather than an EtherType.
//
//oob:stage any
func IsTag(typ uint32) bool { return typ == TypeCTag || typ == TypeSTag }

// Zero clears the bytes from addr up to end, by words: end is rounded up to a multiple of four. It pads short frames, more
// than MinLen bytes are not cleared; addr is below end.
//
//oob:stage any
func Zero(addr, end uintptr) {
	word := addr &^ 3
	*(*uint32)(unsafe.Add(nil, word)) &= 1<<(addr%4*8) - 1
	for i := 0; i < MinLen/4; i++ {
		if word += 4; word >= end {
			return
		}
		*(*uint32)(unsafe.Add(nil, word)) = 0
	}
}
