// Package forward says what becomes of the frames that a rule takes out of a device's ingress: they are judged (dropped, left to
// in-band, taken), or changed where they lie and sent on one or several other devices. That makes the oob stage a gateway.
//
// A Classifier is a table of up to 64 rules (package rules) and what each of them does. A change of a frame is a tag pushed, popped
// or rewritten, a priority, other MAC addresses, other IPv4 addresses and ports of UDP and TCP, with the checksums brought up to date
// as RFC 1624 has it: a wrong one stays wrong. A pushed or popped tag moves the frame's start by four bytes into or out of the slot's
// headroom, and with it only the MAC addresses: nothing else is copied. Of several destinations, those that get the frame as it is share
// it; each of the others gets a copy ahead of its changes, but the last one where nobody shares the frame. Both are stack/divert's.
//
// Stage: oob.go oob, the rest in-band. Follows: IEEE 802.1Q-2018 9 (tags), RFC 1624 (incremental checksums, 1994), RFC 768 (UDP,
// 1980), RFC 9293 (TCP, 2022). Does not support: time to live (it forwards between ports of one network, as a bridge does), IPv6 addresses, fragments of
// a datagram beside the first (their addresses change, ports they have none), checksums of other protocols that cover the
// addresses (UDP-Lite, DCCP: other addresses make them wrong).
package forward

import (
	"mortise/stack/core"
	"mortise/stack/filter"
	"mortise/stack/filter/rules"
)

// MaxOuts is the number of destinations of a rule.
const MaxOuts = 4

// Classifier is what a device's frames are looked up in, ahead of everything else. It holds no pointer.
type Classifier struct {
	Table rules.Table
	Rule  [rules.Max]Rule
}

// Rule is what becomes of the frames of a rule.
type Rule struct {
	Outs    uint32 // destinations; 0: Verdict says
	Plain   uint32 // what core.Fan says of those that get the frame as it is: Complete fills it in
	Verdict filter.Verdict
	ID      uint32  // what it counts goes on where another Classifier of the device has a rule of this ID, not 0
	Tally   uintptr // address of what is counted of it: the companion core fills it in
	Out     [MaxOuts]Out
}

// Complete fills in what follows from the rest.
//
//oob:stage inband
func (c *Classifier) Complete() {
	for i := range c.Rule {
		r := &c.Rule[i]
		r.Plain = 0
		for j := range r.Outs {
			if r.Out[j%MaxOuts].Ops == 0 {
				r.Plain |= core.PlainFor(j, r.Out[j%MaxOuts].Dev)
			}
		}
	}
}

// Out is a destination: a device, and how the frame is changed for it. Addresses and numbers are in wire order.
type Out struct {
	Dev uint32
	Ops Ops

	TPID uint32 // of a pushed tag
	TCI  uint32 // of a pushed tag; what replaces the bits of Mask in the tag that is there
	Mask uint32

	DstMAC0, DstMAC4 uint32 // bytes 0 to 3; 4 and 5 in the low half
	SrcMAC0, SrcMAC4 uint32
	Src, Dst         uint32
	Ports, PortMask  uint32 // what replaces the bits of PortMask in UDP's or TCP's first word
}

// Ops are the changes of an Out, as bits.
type Ops uint32

// The changes. Push and Pop exclude each other; Rewrite is of the outermost tag, and where there is none does nothing, or beside Push
// gives way to it.
const (
	Push Ops = 1 << iota
	Pop
	Rewrite
	SetDstMAC
	SetSrcMAC
	SetSrc
	SetDst
	SetPorts

	readdress = SetSrc | SetDst | SetPorts
)
