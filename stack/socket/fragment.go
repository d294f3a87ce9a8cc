package socket

import (
	"mortise/drivers/mmio"
	"mortise/stack/frame"
	"mortise/stack/reassembly"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// Datagrams in fragments. Their slots are kept as they come (stack/reassembly), taken from the pool of the port that they came on, of
// which they never take the second half. The one that completes a datagram gives the whole chain of slots to the socket.

// fragments holds what has come of datagrams that are not complete.
var fragments reassembly.Table

// expiry is what ends a datagram of which not all comes.
var expiry struct {
	timer task.Timer
	life  uint32 // ticks; 0: there is no reassembly
	// lost counts the datagrams of which not all came in time.
	lost uint32
}

// Reassemble has datagrams that come in fragments put together, each within a time: life in ticks. timer, of no task, is theirs: when
// it expires, Expire is to be called. Without it fragments are no socket's.
//
//oob:stage init
func Reassemble(timer task.Timer, life uint32) { expiry.timer, expiry.life = timer, life }

// Reassembly is what is known of datagrams in fragments.
type Reassembly struct {
	Incomplete uint32 // datagrams of which some fragments have come, or that were given up less than their time ago
	Expired    uint32 // datagrams of which not all came in time
}

// ReassemblyStats returns what is known of datagrams in fragments.
//
//oob:stage inband
func ReassemblyStats() Reassembly {
	return Reassembly{Incomplete: fragments.Used(), Expired: mmio.Load(&expiry.lost)}
}

// partsShift is where Message.port has the number of parts, of a datagram in several: 0 for any other. It has inParts then, too, and so
// names a port that is never up to those who do not look: they need not ask.
const (
	partsShift = 8
	inParts    = tablePorts
)

// Reassembles reports whether fragments are put together.
//
//oob:stage any
func Reassembles() bool { return expiry.life != 0 }

// Fragments returns where the fragments of datagrams are held.
//
//oob:stage any
func Fragments() *reassembly.Table { return &fragments }

// NoRoom is an outcome of Fragment's beside those of stack/reassembly: no room for another datagram, or no buffer for the fragment.
const NoRoom = reassembly.GivenUp + 1

// NewFragment keeps a fragment of a packet that nothing has come of yet, in the frame at addr, which came on the oob port of index port. Its IPv4
// header lies at packet, n bytes at offset follow it, and more to come or not. If the outcome is reassembly.Kept, slot is an empty one for the frame's.
//
//oob:stage oob
func NewFragment(port uint32, addr, packet uintptr, offset, n uint32, more bool) (o reassembly.Outcome, slot uint32) {
	if !reassembly.Valid(offset, n, more) {
		return reassembly.Malformed, 0
	}
	if !hasRoom(port, offset+n) {
		return NoRoom, 0
	}
	ip := wire.IPv4At(packet)
	f, ok := fragments.Open(ip.Src, ip.Dst, ip.Frag&0xffff, port, task.Now())
	if !ok {
		return NoRoom, 0
	}
	if !expiry.timer.On() {
		expiry.timer.In(expiry.life)
	}
	f.Begin(slotOf(addr), uint32(packet-addr)+wire.IPv4Len, offset, n, more)
	return reassembly.Kept, added(f, reassembly.Kept, port, packet, n)
}

// FirstFragment is NewFragment for the first fragment, of a packet f of which something has come; the outcome may be reassembly.Complete, too.
//
//oob:stage oob
func FirstFragment(f *reassembly.Packet, port uint32, addr, packet uintptr, n uint32, more bool) (o reassembly.Outcome, slot uint32) {
	if !hasRoom(port, n) {
		return NoRoom, 0
	}
	o = f.First(slotOf(addr), uint32(packet-addr)+wire.IPv4Len, n, more)
	return o, added(f, o, port, packet, n)
}

// LaterFragment is FirstFragment for one at another offset.
//
//oob:stage oob
func LaterFragment(f *reassembly.Packet, port uint32, addr, packet uintptr, offset, n uint32, more bool) (o reassembly.Outcome, slot uint32) {
	if !hasRoom(port, offset+n) {
		return NoRoom, 0
	}
	o = f.Later(slotOf(addr), uint32(packet-addr)+wire.IPv4Len, offset, n, more)
	return o, added(f, o, port, packet, n)
}

// hasRoom reports whether the port's pool has a buffer for a fragment, which ends at a number of bytes of its datagram: no more than
// Port.Buffer says.
//
//oob:stage oob
func hasRoom(port, end uint32) bool {
	p := &ports[port%tablePorts]
	return p.up&wired != 0 && end <= p.most && p.pool.Free() > p.pool.Size()/2
}

// added takes a fragment into the sum of its packet, and returns an empty slot for it, if it was kept; it gives the packet's slots
// back if that was given up.
//
//oob:stage oob
func added(f *reassembly.Packet, o reassembly.Outcome, port uint32, packet uintptr, n uint32) (slot uint32) {
	if o <= reassembly.Complete {
		f.Sum = wire.Sum(packet+wire.IPv4Len, n, f.Sum) ^ 0xffff
		slot, _ = ports[port%tablePorts].pool.Get() // there are more than none
	} else if o == reassembly.Overlap || o == reassembly.TooMany {
		giveBack(f)
	}
	return slot
}

// giveBack gives the slots of a packet back to the pool that they came from.
//
//oob:stage oob
func giveBack(f *reassembly.Packet) {
	if first, last, n, port := f.Take(); n != 0 {
		ports[port%tablePorts].pool.PutChain(first, last, n)
	}
}

// Expire gives up the datagrams that are not complete in time. It is called when the timer of Reassemble has expired.
//
//oob:stage oob
func Expire() { expire(noPort) }

// noPort is the index of no port.
const noPort = ^uint32(0)

// expire is Expire, and ends all that came on a port.
//
//oob:stage oob
func expire(port uint32) {
	now := task.Now()
	for range reassembly.MaxPackets {
		f, lost, left := fragments.Expire(now, expiry.life, port)
		if f == nil {
			if fragments.Used() != 0 {
				expiry.timer.In(left)
			}
			return
		}
		if lost {
			expiry.lost++
		}
		giveBack(f)
		fragments.Close(f)
	}
}

// Head returns the UDP header of a complete datagram, and the bytes of both.
//
//oob:stage oob
func Head(f *reassembly.Packet) (h *wire.UDP, bytes uint32) {
	first := f.Head()
	at, _ := reassembly.Data(first)
	return wire.UDPAt(memory.Frame(first) + uintptr(at)), f.Bytes()
}

// SumValid reports whether the UDP checksum of a complete datagram is right, or there is none.
//
//oob:stage oob
func SumValid(f *reassembly.Packet, src, dst uint32) bool {
	h, bytes := Head(f)
	if h.Checksum>>16 == 0 {
		return true
	}
	return wire.Fold(wire.Add(wire.Add(src, dst), f.Sum+wire.ProtoUDP<<8+wire.Swap16(bytes))) == 0xffff
}

// PutWhole queues a complete datagram for socket s, or drops it, which the socket counts: false.
//
//oob:stage oob
func PutWhole(s, src, dst uint32, f *reassembly.Packet) bool {
	q := &socks[s%Max]
	h, _ := Head(f)
	first, last, n, port := f.Take()
	fragments.Close(f)
	p := &ports[port%tablePorts]
	if (q.isConn() || q.tail-q.head >= q.limit || p.up == down) && !q.room(p) {
		p.pool.PutChain(first, last, n)
		return false
	}
	m := &q.queue[q.tail%QueueSize]
	m.slot, m.last, m.packet, m.port = first, last, 0, port|inParts|n<<partsShift
	at, bytes := reassembly.Data(first)
	m.Data, m.Len = memory.Frame(first)+uintptr(at)+wire.UDPLen, bytes-wire.UDPLen
	m.Peer, m.PeerPort, m.Local = src, wire.Swap32(h.Ports)>>16, dst
	q.queued(m)
	return true
}

// DropWhole drops a complete datagram.
//
//oob:stage oob
func DropWhole(f *reassembly.Packet) {
	giveBack(f)
	fragments.Close(f)
}

// show makes Data and Len those of the part in slot.
//
//oob:stage any
func (m *Message) show(slot uint32) {
	at, n := reassembly.Data(slot)
	if reassembly.Begin(slot) == 0 {
		at, n = at+wire.UDPLen, n-wire.UDPLen
	}
	m.Data, m.Len = memory.Frame(slot)+uintptr(at), n
}

// parts returns the number of fragments that the message has still, 0 if it is in one slot.
//
//oob:stage any
func (m *Message) parts() uint32 { return m.port >> partsShift }

// Whole returns the bytes of payload of the whole datagram, however many parts it came in: ahead of the first Next.
//
//oob:stage any
func (m *Message) Whole() uint32 {
	if m.parts() == 0 {
		return m.Len
	}
	return reassembly.End(m.last) - wire.UDPLen
}

// Next goes on to the next part of a datagram that came in fragments: Data and Len are that part's then, and the buffer of the one
// before has gone back. It reports whether there was one: the last part stays, for Release.
//
//oob:stage oob
func (m *Message) Next() bool {
	parts := m.parts()
	if parts < 2 {
		return false
	}
	slot := m.slot
	m.slot = frame.Next(slot)
	ports[m.port%tablePorts].pool.Put(slot)
	if m.port -= 1 << partsShift; parts == 2 {
		m.port %= tablePorts
	}
	m.show(m.slot)
	return true
}

// releaseParts is Release for a datagram that came in fragments.
//
//oob:stage oob
//go:noinline
func (m *Message) releaseParts() {
	ports[m.port%tablePorts].pool.PutChain(m.slot, m.last, m.parts())
	m.port %= tablePorts
}

// reduce leaves a datagram that came in fragments its first one, to be sent: false, it is none, or that one has gone.
//
//oob:stage oob
//go:noinline
func (m *Message) reduce() bool {
	parts := m.parts()
	if parts == 0 || reassembly.Begin(m.slot) != 0 {
		return false
	}
	at, _ := reassembly.Data(m.slot)
	if parts > 1 {
		ports[m.port%tablePorts].pool.PutChain(frame.Next(m.slot), m.last, parts-1)
	}
	m.port %= tablePorts
	m.packet = at - wire.IPv4Len
	return true
}
