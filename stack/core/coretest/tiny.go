// Package coretest is a companion core of a few lines, in the place of stack/oob: it sends back frames of the EtherType for local
// experiments, drops those addressed to nobody, and forwards those of the second such EtherType to the other device.
//
// Its test runs stack/divert with it: another core can be plugged in by importing it, and nothing else changes.
//
// Stage: oob. Follows: IEEE Std 802-2014, 9.2.3 (EtherTypes for local experiments). Does not support: anything useful.
package coretest

import (
	_ "unsafe" // for linkname

	"mortise/stack/core"
	"mortise/stack/wire"
)

// The EtherTypes 0x88b5 and 0x88b6 in wire order.
const (
	typeEcho    = 0xb588
	typeForward = 0xb688
)

// Delivered counts the frames that each device delivered; a device's core.Device is its number.
var Delivered [2]uint32

// Sent counts the bytes of its answers.
var Sent uint32

// Deliver is core.Deliver.
//
//oob:stage oob
//go:nosplit
//go:linkname Deliver mortise/stack/core.Deliver
func Deliver(dev core.Device, addr uintptr, n uint32) uint32 {
	Delivered[dev%2]++
	e := wire.EthernetAt(addr)
	switch e.SrcType >> 16 {
	case typeEcho:
		src0, src4 := e.Src0, e.SrcType&0xffff
		e.Src0, e.SrcType = e.Dst0>>16|e.Dst2<<16, typeEcho<<16|e.Dst2>>16
		e.Dst0, e.Dst2 = src0<<16, src0>>16|src4<<16
		return core.Reply | n
	case typeForward:
		return core.Forward | uint32(1-dev)<<16 | n
	case 0:
		return core.Drop
	}
	return core.Inband
}

// Copy is core.Copy: this core fans nothing out.
//
//oob:stage oob
//go:linkname Copy mortise/stack/core.Copy
func Copy(core.Device, uint32, uintptr, uint32) uint32 { return core.Drop }

// Shown counts the frames that were shown; each is said to be copied once.
var Shown uint32

// Show is core.Show.
//
//oob:stage oob
//go:linkname Show mortise/stack/core.Show
func Show(_ core.Device, _ uintptr, _, room uint32) uint32 {
	Shown++
	return min(room, 1)
}

// Answered is core.Answered.
//
//oob:stage oob
//go:linkname Answered mortise/stack/core.Answered
func Answered(_ core.Device, _, sent uint32) { Sent += sent }

// Decided is core.Decided: this core has no tasks.
//
//oob:stage oob
//go:linkname Decided mortise/stack/core.Decided
func Decided() {}

// PendingEvents is core.PendingEvents: this core has none.
//
//oob:stage any
//go:linkname PendingEvents mortise/stack/core.PendingEvents
func PendingEvents() uint32 { return 0 }

// Frames is core.Frames: no frame costs this core more than another.
//
//oob:stage inband
//go:linkname Frames mortise/stack/core.Frames
func Frames(_ core.Device, most uint32) uint32 { return most }

// Left is core.Left: this core asks for nothing.
//
//oob:stage oob
//go:linkname Left mortise/stack/core.Left
func Left(tag, queued, at, source uint32) {}
