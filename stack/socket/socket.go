// Package socket gives oob tasks, and in-band goroutines, UDP and raw sockets in the oob stage.
//
// A socket is a number. In-band opens, binds, connects and closes it (Open …, inband.go); a task sends and receives by the
// functions of oob.go, which never wait; a goroutine does so by a net.PacketConn (conn.go). What comes for a socket lies in
// its queue, first in, first out, in the slot it came in; the queue has a limit, and says what becomes of what exceeds it. A
// task that owns a socket is made ready by each message.
//
// Slots. Each oob port has a pool. A frame that a socket keeps, and a frame that it sends, is swapped for an empty slot: the
// device always gets back what it gives. So a task that takes its time exhausts the pool of its port and nothing else.
//
// Who gets a datagram: of the sockets bound to its UDP port, one bound to its address comes ahead of one bound to any, and a
// connected one that its source matches ahead of both. Without a socket it is the companion core's to count.
//
// To send, a socket needs a route and a neighbour from the front caches (stack/neigh). A peer that nobody has solicited is an
// error, Unsolicited, at once.
//
// A datagram that does not fit into a frame goes and comes in IPv4 fragments, as a chain of slots (long.go, fragment.go).
//
// Sockets of this machine reach each other by the loopback port (loop.go), without a device.
//
// Stage: oob.go, input.go, output.go, frame.go, fragment.go, long.go, ident.go, piece.go, loop.go, listen.go and writable.go run oob; inband.go (sockets), bind.go, address.go and raw.go (who gets
// what), port.go, list.go and conn.go in-band. Follows: RFC 768 (UDP, 1980), RFC 791 (IPv4, 1981), RFC 1112 (multicast, 1989),
// RFC 1122 (hosts, 1989). Does not support: TCP, IPv6, IP options.
package socket

import (
	"mortise/stack/frame"
	"mortise/stack/neigh"
	"mortise/stack/reassembly"
)

// Limits of the tables, all choices.
const (
	Max      = 64             // sockets
	MaxPorts = neigh.MaxPorts // the loopback port is the last
	// tablePorts is the size of the ports' table: a power of two, so that an index is a mask.
	tablePorts = 32
	// QueueSize is the most that a socket's queue holds, a power of two; Options.Queue may say less.
	QueueSize = 64
	// MaxSharing is the number of sockets that may be bound to the same UDP port: a datagram looks at them all.
	MaxSharing = 8
	// MaxListeners is the number of raw sockets that get a copy of all frames.
	MaxListeners = 4
	// MaxPayload is the largest UDP payload in bytes that is sent in one frame.
	MaxPayload = 1500 - 20 - 8
	// MaxDatagram is the largest one there is: it is sent, and comes, in fragments.
	MaxDatagram = reassembly.MaxBytes - 8
)

// Socket is an open socket's number.
type Socket uint32

// Status is how a call of a task went.
type Status uint32

// The statuses. Each is an error, but for OK: see Error.
const (
	OK          Status = iota
	Empty              // nothing has come
	NoBuffer           // the port's pool is empty
	NoRoute            // no route to the address leads through an oob port
	Unsolicited        // the neighbour is not in the front cache: solicit it
	NoPeer             // no destination: neither named nor connected
	TooLong            // the payload does not fit: into a frame, or at all
	Down               // the port's device is not driven by the oob stage
	Busy               // the device has no room to send: try again
	Closed             // the socket is not open
	Unstamped          // the socket has no timestamps of that kind: Options.Timestamps
	Invalid            // the message has no header to be sent with: a frame is shorter, or from a group; of a datagram the first part has gone
	WrongTag           // the frame has a tag that is not its port's, or the port's where the stage writes it
	NotUDP             // the call is for UDP sockets: this one is raw
	NotRaw             // the call is for raw sockets: this one is for UDP
	NumStatuses
)

// statusText has the text of each status.
var statusText = [NumStatuses]string{
	"ok", "nothing has come", "no buffer", "no route through an oob port", "the neighbour is not solicited", "no destination",
	"message too long", "the port is down", "the device is busy", "the socket is closed",
	"timestamps are not enabled on the socket", "the message has no valid header", "the frame's tag is not its port's, or is the stage's to write",
	"not a UDP socket", "not a raw socket",
}

// The kinds of socket.
const (
	closed = iota
	udp
	raw
	rawAll // gets copies
)

// Policy says what becomes of a message for a queue that is full. It is dropped and counted in each case.
type Policy uint32

// The policies.
const (
	DropNewest Policy = iota // what comes is dropped: who reads sees no gap in what is old
	DropOldest               // the oldest is dropped: who reads sees what is new. Not for sockets that goroutines read
)

// Message is a datagram, or a frame, in its slot. Whoever has it owns the slot: a task gets it by Receive or Compose, and
// gives it away by Send, Reply or Release, once.
type Message struct {
	Data uintptr // address of the payload, a multiple of four plus Data%4; of a raw frame its first byte
	Len  uint32  // bytes of payload; of a composed message: the room there is

	Peer     uint32 // who it is from, or to: IPv4, wire order
	PeerPort uint32 // UDP port
	Local    uint32 // the address it was sent to: IPv4, wire order; a group's, or a broadcast

	// Queued is when it came into the queue, Delivered when the task's run began that got it: the low words of task.Time.
	Queued, Delivered uint32

	device, source uint32 // when the device had it, and where that is from: see Times
	slot           uint32
	packet         uint32 // offset of the IPv4 header in the frame; of a whole frame: where it begins, a tag's length behind if it has yet to get one
	port           uint32 // index of the oob port; of a datagram in fragments their number from partsShift on
	last           uint32 // then: the slot of the last one
}

// The counters of a socket.
const (
	Received      = iota // messages queued
	DroppedFull          // messages that exceeded the queue's limit
	DroppedBuffer        // messages that came when the port's pool was empty
	DroppedDown          // messages that came when the port was down
	DroppedCopy          // copies beyond those that an activation makes
	Sent                 // messages handed to the device
	FailedSend           // messages not sent: the statuses tell why
	LostTimes            // departures that nobody read in time
	NumCounters
)

// CounterNames has the name of each counter.
var CounterNames = [NumCounters]string{
	"received", "dropped_full", "dropped_buffer", "dropped_down", "dropped_copy", "sent", "failed_send", "lost_times",
}

// sock is the state of a socket: pointer-free.
type sock struct {
	kind   uint32
	task   uint32 // the task to make ready, task.NoTask: a goroutine reads; plus apart, with more to be done
	policy Policy
	limit  uint32

	addr, port   uint32 // bound to: IPv4 in wire order, 0 any; UDP port as a number, or EtherType in wire order
	from         uint32 // addr, if it can be where a message is from
	device       uint32 // bound to: index of the oob port plus one; 0: any
	peer         uint32 // connected to: IPv4 in wire order, 0 nobody
	peerPort     uint32
	ttl, tos     uint32
	multicastTTL uint32
	pcp          uint32 // priority in the tag
	whole        uint32 // 1: nothing is sent in fragments

	// The queue: oob code writes tail, who reads head. Of a goroutine's messages oob code takes the slots back behind head: it has
	// done so up to freed.
	tail, head, freed uint32
	queue             [QueueSize]Message
	count             [NumCounters]uint32
	stamps            Timestamps
	self              uint32 // the socket's number
}

// port is an oob port as sockets need it.
type port struct {
	up   uint32 // down, wired, looped or timed
	name neigh.Port
	addr uint32 // IPv4, wire order
	mask uint32
	src0 uint32 // bytes 0 to 3 of the MAC address
	src4 uint32 // bytes 4 and 5, in the low half
	tci  uint32 // VID, not 0: tagged
	// listeners has a bit for each of the listeners that get a copy of the port's frames.
	listeners uint32
	pool      frame.Pool
	tally     tally
	most      uint32    // bytes of the largest datagram, with its UDP header
	_         [9]uint32 // 128 bytes: an index is a shift
}

var (
	socks  [Max]sock
	ports  [2 * tablePorts]port // those of the second half are never up: see inParts
	memory frame.Memory
	// ident is the identification of the next IPv4 packet.
	ident uint32
	// raws is the number of raw sockets.
	raws uint32
	// waiting counts the messages queued for goroutines, told those that in-band has been told of: see Pending.
	waiting, told uint32
)
