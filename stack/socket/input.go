package socket

import (
	"mortise/drivers/mmio"
	"mortise/stack/core"
	"mortise/stack/frame"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// bind is a socket's place among those that are bound to the same UDP port.
type bind struct {
	next uint32 // the next one's index plus one, 0: none
	sock uint32
}

// binds is a list for each UDP port that a socket is bound to; first has the heads, by the number that the companion core keeps
// for the UDP port. In-band links an entry in, or out, by one store.
var (
	binds [Max]bind
	first [Max]uint32 // an index in binds plus one
)

// sole has a word for each list of one socket that takes whatever is sent to a port's own address: bit 31, the index of the oob port
// that it is bound to plus one from bit 8 on (0: any), and its number. It spares nearly all datagrams the search.
var sole [Max]uint32

// Sole returns the socket for a datagram to the oob port's own address, if there is no need to search for it: see Find.
//
//oob:stage oob
func Sole(list, port uint32) (s uint32, ok bool) {
	w := sole[list%Max]
	device := w >> 8 & 0xff
	return w & 0xff, w != 0 && (device == 0 || device == port+1)
}

// Find returns the socket for a datagram that came on the oob port of index port to the UDP port of list number list: from src
// to dst in wire order, ports as the UDP header's first word, swapped. ok is false when there is none.
//
//oob:stage any
func Find(list, port, src, dst, ports uint32) (s uint32, ok bool) {
	device, found := port+1, uint32(0) // found: how well it matches, and in the low byte the socket
	at := first[list%Max]
	for i := 0; i < MaxSharing; i++ {
		if at == 0 {
			break
		}
		at = (at - 1) % Max // its entry in binds has the socket's number
		q := &socks[at]
		match := at
		at = binds[at].next
		if q.device != 0 && q.device != device {
			continue
		}
		// By address, then by who it is connected to.
		match += 2 << 8
		if q.addr != dst {
			if q.addr != 0 || isGroup(dst) { // who wants a group's has joined it
				continue
			}
			match -= 1 << 8
		}
		if q.peer != 0 {
			if q.peer != src || q.peerPort != ports>>16 {
				continue
			}
			match += 2 << 8
		}
		if match > found|0xff {
			found = match
		}
	}
	return found & 0xff, found != 0
}

// FindRaw returns the raw socket for a frame of an EtherType, in wire order, that came on the oob port of index port.
//
//oob:stage oob
func FindRaw(port, etherType uint32) (s uint32, ok bool) {
	if mmio.Load(&raws) == 0 {
		return 0, false
	}
	for i := range uint32(Max) {
		if q := &socks[i]; q.kind == raw && q.port == etherType && q.device == port+1 {
			return i, true
		}
	}
	return 0, false
}

// Put queues the datagram in the frame at addr for socket s, and returns the companion core's action: core.Kept, or core.Drop, with
// the socket's counter moved. The IPv4 header lies at packet, n bytes follow the UDP header.
//
//oob:stage oob
//go:nosplit
func Put(s, port uint32, addr, packet uintptr, n uint32) uint32 {
	q, p := &socks[s%Max], &ports[port%tablePorts]
	tail := q.tail
	if (q.task >= task.MaxTasks || tail-q.head >= q.limit || p.up == 0) && !q.room(p) {
		return core.Drop
	}
	empty, ok := p.pool.Get()
	if !ok {
		q.count[DroppedBuffer]++
		return core.Drop
	}
	ip, m := wire.DatagramAt(packet), &q.queue[tail%QueueSize]
	m.Data, m.Len = packet+wire.IPv4Len+wire.UDPLen, n
	m.Peer, m.PeerPort, m.Local = ip.Src, wire.Swap32(ip.Ports)>>16, ip.Dst
	m.slot, m.packet, m.port = slotOf(addr), uint32(packet-addr), port
	m.Queued = task.Now()
	q.count[Received]++
	p.tally.queued++
	p.tally.rxBytes += n + m.packet
	if t := q.task; t < task.MaxTasks {
		q.tail = tail + 1
		task.Ready(t)
	} else {
		q.hand(tail + 1)
	}
	return core.Kept | empty
}

// queued is the end of Put for the other kinds of message: m is the last of the queue now.
//
//oob:stage oob
func (q *sock) queued(m *Message) {
	m.Queued = task.Now()
	q.count[Received]++
	if t := q.task; t < task.MaxTasks {
		q.tail++
		task.Ready(t)
	} else {
		q.hand(q.tail + 1)
	}
}

// isConn reports whether goroutines read the socket, not a task.
//
//oob:stage oob
func (q *sock) isConn() bool { return q.task == task.NoTask }

// slotOf returns the slot of the frame at addr, or of a byte in it.
//
//oob:stage any
func slotOf(addr uintptr) uint32 { return uint32(addr-memory.Frame(0)) / frame.SlotSize }

// room makes room for a message from a port where that takes more than a comparison: it reports whether there is, and counts a
// message that is dropped.
//
//oob:stage oob
//go:noinline
func (q *sock) room(p *port) bool {
	if p.up == 0 {
		q.count[DroppedDown]++
		return false
	}
	if q.isConn() {
		q.takeBack() // two for one that comes: it keeps up
		q.takeBack()
		if q.tail-q.freed < QueueSize && q.tail-mmio.Load(&q.head) < q.limit {
			return true
		}
		q.count[DroppedFull]++
		return false
	}
	if q.tail-q.head < q.limit {
		return true
	}
	q.count[DroppedFull]++
	if q.policy == DropNewest {
		return false
	}
	q.queue[q.head%QueueSize].Release()
	q.head++
	return true
}

// hand makes what has been queued up to tail visible to who reads, a goroutine or the task of a socket with timestamps, which the last
// message gets first.
//
//oob:stage oob
//go:noinline
func (q *sock) hand(tail uint32) {
	if q.stamps.has(StampReceived | StampDevice) {
		q.queue[(tail-1)%QueueSize].came()
	}
	if !q.isConn() {
		q.tail = tail
		task.Ready(q.task)
		return
	}
	mmio.Store(&q.tail, tail)
	waiting++
}

// takeBack gives the slot of a message that a goroutine has read back to its pool, if there is one.
//
//oob:stage oob
func (q *sock) takeBack() {
	if q.freed != mmio.Load(&q.head) {
		q.queue[q.freed%QueueSize].Release()
		q.freed++
	}
}

// Pending is not 0 when messages for goroutines wait that in-band has not been told of: it is to be woken, and to call Deliver.
//
//oob:stage any
func Pending() uint32 { return waiting - told }
