// Package rules finds the first of up to 64 rules that a frame fits, by ethertype, VLAN, MAC and IPv4 addresses, protocol
// and ports, in a number of instructions that depends on neither the rules nor how many there are.
//
// A Table has, for each field and each value of it, the set of rules that ask for nothing else there: a word of 64 bits, one
// a rule. The sets that a frame's fields select are ANDed; the first bit that is left is the rule. Fields of 16
// bits are looked up by way of a class, one for each set that occurs, an IPv4 address as two of them, which is exact for
// prefixes; a MAC address in a hash table without collisions. What a
// rule stands for lies beside the Table: a verdict, or where to forward to. Package compile makes Tables from text.
//
// A single rule whose fields are plain enough is shorter compared as it is: MatchOne does, where the Table says so.
//
// A Table is a plain value of fixed size without pointers: in-band fills it, the oob stage's owner copies it.
//
// Stage: any. Follows: package wire's documents. Does not support: IPv6 (but as an ethertype), fields behind the ports.
package rules

// Limits.
const (
	Max     = 64  // rules
	Classes = 256 // different sets of rules that the values of a field of 16 bits select
	Slots   = 1024
	None    = Max // what Match returns when no rule fits
)

// Set is a set of rules, the first one in the lowest bit of the first word.
type Set [2]uint32

// Add puts rule into the set.
//
//oob:stage inband
func (s *Set) Add(rule int) { s[rule/32%2] |= 1 << (rule % 32) }

// Has reports whether a rule is in the set.
func (s *Set) Has(rule int) bool { return s[rule/32%2]>>(rule%32)&1 != 0 }

// Numbers is the sets that numbers of 16 bits, in wire order, select, each by way of its class: two lines of a cache, and few instructions.
type Numbers struct {
	Set   [Classes]Set
	Class [1 << 16]uint8
}

// MACs is the sets that MAC addresses select. An address, taken apart as Hash's words, has its slot; it selects Other when
// the slot is another's.
type MACs struct {
	Other Set
	Slot  [Slots]struct {
		Word [2]uint32
		Set  Set
	}
}

// Hash returns the slot of a MAC address that has four bytes in a and two in b.
//
//oob:stage any
func Hash(a, b, multiplier uint32) uint32 { return (a ^ b*multiplier) * multiplier >> (32 - 10) }

// NotVID are the bits of a TCI, in wire order, that do not belong to the VLAN ID.
const NotVID = 0xf0

// Untagged is the place in Table.PCP of frames without a tag.
const Untagged = 8

// Fields that some rule asks for: bits of Table.Uses. The others need not be looked up.
const (
	UsesTag = 1 << iota
	UsesEtherType
	UsesMAC
	UsesSrc
	UsesDst
	UsesSrcPort
)

// Table is rules, compiled. The zero value has none.
type Table struct {
	HasOne uint32 // not 0: there is one rule, and MatchOne is for it
	One    One

	Uses    uint32
	All     Set // the rules there are
	NotIPv4 Set // that ask for nothing in IPv4
	NoPorts Set // that ask for no ports
	PCP     [16]Set
	PCP2    [8]Set // of frames with two tags, by the inner one's

	Multiplier [2]uint32 // of SrcMAC and DstMAC

	Protocol       [256]Set
	VLAN           Numbers // TCIs without the bits of NotVID; 0: no tag, too
	SrcMAC, DstMAC MACs
	EtherType      Numbers
	Src, Dst       [2]Numbers // high and low half
	SrcPort        Numbers
	DstPort        Numbers
}
