package oob

import (
	_ "unsafe" // for linkname

	"mortise/drivers/mmio"
	"mortise/stack/socket"
)

// EventRingSize is the number of events that wait for in-band at most: when it is full, new ones are lost and counted.
const EventRingSize = 64

// Kinds of event.
const (
	EventNeighbour = 1 // Addr is at MAC: seen in an ARP packet for the port
	EventConflict  = 2 // MAC says that Addr, the port's own, is its address (RFC 5227)
)

// Event tells in-band what the oob stage learned from a frame.
type Event struct {
	Kind  uint8
	Dev   uint8
	VID   uint16 // the port's: 0 is the device itself
	Addr  uint32 // IPv4, wire order
	mac0  uint32
	mac4  uint16
	spare uint16
}

// IP returns the event's IPv4 address.
//
//oob:stage any
func (v Event) IP() [4]byte {
	return [4]byte{byte(v.Addr), byte(v.Addr >> 8), byte(v.Addr >> 16), byte(v.Addr >> 24)}
}

// MAC returns the event's Ethernet address.
//
//oob:stage any
func (v Event) MAC() [6]byte {
	return [6]byte{byte(v.mac0), byte(v.mac0 >> 8), byte(v.mac0 >> 16), byte(v.mac0 >> 24), byte(v.mac4), byte(v.mac4 >> 8)}
}

// events is a single-producer, single-consumer queue from the oob stage to in-band: frame.Ring's order of accesses.
var events struct {
	tail, head uint32
	ring       [EventRingSize]Event
}

// event queues an event for in-band, or counts it as lost.
//
//oob:stage oob
func (d *device) event(kind uint8, p *port, addr, mac0, mac4 uint32) {
	tail := events.tail
	if tail-mmio.Load(&events.head) >= EventRingSize {
		d.count[EventLost]++
		return
	}
	v := &events.ring[tail%EventRingSize]
	v.Kind, v.Dev, v.VID = kind, uint8(p.dev), uint16(p.vid)
	v.Addr, v.mac0, v.mac4 = addr, mac0, uint16(mac4)
	mmio.Store(&events.tail, tail+1)
}

// PopEvent takes the oldest event and reports whether there was one. One goroutine at a time calls it.
//
//oob:stage inband
func PopEvent() (v Event, ok bool) {
	head := events.head
	if mmio.Load(&events.tail) == head {
		return v, false
	}
	v = events.ring[head%EventRingSize]
	mmio.Store(&events.head, head+1)
	return v, true
}

// PendingEvents is not 0 when events wait, or messages for goroutines that in-band has not been told of: wake it then.
//
//oob:stage any
//go:linkname PendingEvents mortise/stack/core.PendingEvents
func PendingEvents() uint32 { return events.tail - events.head | socket.Pending() }
