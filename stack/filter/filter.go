// Package filter decides which frames of a device the oob stage takes: the verdicts, and the tables behind them.
//
// A table answers in constant time whatever it holds, has a fixed size and no pointers: it is a plain value that in-band
// fills and the oob stage's owner copies. Verdicts have EVL's codes and precedence: rules (package rules) and programs (package bpf) run
// ahead of the VLAN map and the port set of the device's ports, and hand over to them by the verdict VLAN.
//
// Stage: any. Follows: IEEE 802.1Q-2018 9.6 (VLAN identifiers). Does not support: rules on other fields than VID and UDP destination
// port.
package filter

// Verdict is what a filter says about a frame.
type Verdict uint32

// The verdicts. The numbers are EVL's EVL_RX_ codes: programs return them.
const (
	Drop   Verdict = iota // discard and count
	Accept                // the oob stage takes the frame
	Skip                  // in-band gets the frame, unmodified
	VLAN                  // the VLAN map decides
)

// MaxVID is the largest number in a tag's VID field.
const MaxVID = 4095

// VLANMap tells which oob port of a device a VLAN ID belongs to: 0 none, else what Set was given,
// below 256.
type VLANMap [MaxVID + 1]uint8

// Port returns the port of vid, 0 for none. Bits above the VID's twelve do not count: a TCI may be passed.
//
//oob:stage any
func (m *VLANMap) Port(vid uint32) uint32 { return uint32(m[vid%uint32(len(m))]) }

// PortTCI returns the port of the VLAN ID in a TCI that lies in the high half of tci, as a number.
//
//oob:stage any
func (m *VLANMap) PortTCI(tci uint32) uint32 { return uint32(m[tci<<4>>20]) }

// Set makes port the port of vid.
//
//oob:stage any
func (m *VLANMap) Set(vid, port uint32) { m[vid%uint32(len(m))] = uint8(port) }

// VIDSet is a set of VLAN IDs: a VLAN rule. Package vids reads it from text.
type VIDSet [(MaxVID + 1) / 32]uint32

// Has reports whether vid is in the set.
//
//oob:stage any
func (s *VIDSet) Has(vid uint16) bool {
	return vid <= MaxVID && s[vid/32%uint16(len(s))]>>(vid%32)&1 != 0
}

// Add puts vid into the set. What no rule may name is left out: 0, 1, 4095 and more.
//
//oob:stage any
func (s *VIDSet) Add(vid uint16) {
	if 1 < vid && vid < MaxVID {
		s[vid/32%uint16(len(s))] |= 1 << (vid % 32)
	}
}

// PortSet is a set of UDP port numbers.
type PortSet [1 << 16 / 32]uint32

// Has reports whether port is in the set.
//
//oob:stage any
func (s *PortSet) Has(port uint16) bool { return s[port/32]>>(port%32)&1 != 0 }

// Add puts the ports first to last into the set.
//
//oob:stage inband
func (s *PortSet) Add(first, last uint16) {
	for p := uint32(first); p <= uint32(last); p++ {
		s[uint16(p)/32] |= 1 << (p % 32)
	}
}

// Remove takes the ports first to last out of the set.
//
//oob:stage inband
func (s *PortSet) Remove(first, last uint16) {
	for p := uint32(first); p <= uint32(last); p++ {
		s[uint16(p)/32] &^= 1 << (p % 32)
	}
}
