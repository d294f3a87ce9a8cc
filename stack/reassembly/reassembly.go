// Package reassembly puts the fragments of IPv4 packets together: it keeps them, in the slots they came in, in the order of their offsets, until
// none is missing.
//
// A Table holds so many packets at a time (MaxPackets), each of so many fragments (MaxParts), for so long (its caller's choice: see Expire). What
// does not fit is refused: nothing that is kept gives way to what comes. The policies are strict, for nobody who means well sends such fragments:
//
//	overlap      the packet is given up with all its fragments, and whatever else comes of it until its time is over
//	             (RFC 5722 for IPv6; RFC 815 would let the later one win, RFC 1858 tells what attackers make of that)
//	two ends     fragments that disagree about the packet's length are an overlap
//	duplicate    one with the offset and the length of one that is there is refused; the first one stays
//	tiny         one that is not the last has MinPart bytes at least, in multiples of eight
//	too long     nothing reaches beyond MaxBytes
//	too many     a packet of more than MaxParts fragments is given up
//
// The fragments of a packet are a chain of slots (frame.Link), first to last by their offsets, so that all go back to their pool by one
// store. What is known of a fragment beside is in a word for each slot.
//
// Stage: any. Follows: RFC 791 (IPv4, 1981), RFC 815 (reassembly, 1982), RFC 1858 (tiny and overlapping fragments, 1995), RFC 5722 (overlaps,
// 2009), RFC 4963 (why identifications are soon used again, 2007). Does not support: options, IPv6.
package reassembly

import "mortise/stack/frame"

// Limits.
const (
	// MaxPackets is the number of packets of which fragments are kept.
	MaxPackets = 8
	// MaxParts is the number of fragments of a packet: what the largest one takes on an Ethernet without tags, 1,480 bytes each.
	MaxParts = 45
	// MaxBytes is the largest packet, in bytes behind the IPv4 header: its length has 16 bits.
	MaxBytes = 1<<16 - 1 - 20
	// MinPart is the least that a fragment carries that is not the last: what a network of the smallest MTU, 68 bytes (3.2, RFC 791), lets pass.
	MinPart = 48
)

// Outcome is what Add made of a fragment.
type Outcome uint32

// The outcomes.
const (
	Kept      Outcome = iota // its slot is the table's, until Take
	Complete                 // so is this one's, and nothing is missing
	Malformed                // tiny, too long, or of an impossible length
	Duplicate                // it was there before
	Overlap                  // the packet is given up: see Take
	TooMany                  // the same
	GivenUp                  // its packet was given up before
)

// Packet is the state of a packet, pointer-free.
type Packet struct {
	state       uint32
	src, dst    uint32 // IPv4, wire order
	id          uint32
	port        uint32
	born        uint32 // ticks
	first, last uint32 // slots
	parts       uint32
	bytes       uint32 // of all parts
	end         uint32 // bytes of the whole packet, 0: not known
	// Sum is the caller's: of the parts.
	Sum uint32
}

const (
	free = iota
	open
	givenUp
)

// part has for each slot: the fragment's offset in units of eight bytes from bit 18 on, its length from bit 7 on, where its data
// begin in the frame below.
var part [frame.MaxSlots]uint32

const (
	offsetShift = 18
	lengthShift = 7
	lengthMask  = 1<<(offsetShift-lengthShift) - 1
	atMask      = 1<<lengthShift - 1
)

// Table holds the packets. The zero value is empty.
type Table struct {
	packet [MaxPackets]Packet
	used   uint32
}

// Find returns the packet that a fragment belongs to: from src to dst, with an identification, on an oob port.
//
//oob:stage any
func (t *Table) Find(src, dst, id, port uint32) (p *Packet, ok bool) {
	if t.used == 0 {
		return nil, false
	}
	for i := range t.packet {
		if p = &t.packet[i]; p.id == id && p.src == src && p.dst == dst && p.port == port && p.state != free {
			return p, true
		}
	}
	return nil, false
}

// Open Begin a packet at a time, as it was not found.
//
//oob:stage any
func (t *Table) Open(src, dst, id, port, now uint32) (p *Packet, ok bool) {
	if t.used >= MaxPackets {
		return nil, false
	}
	for i := range t.packet {
		if p = &t.packet[i]; p.state == free {
			t.used++
			p.state, p.src, p.dst, p.id, p.port, p.born = open, src, dst, id, port, now
			p.parts, p.bytes, p.end, p.Sum = 0, 0, 0, 0
			return p, true
		}
	}
	return nil, false
}

// Valid reports whether a fragment can be one: n bytes at offset, a multiple of eight, and more to come or not.
//
//oob:stage any
func Valid(offset, n uint32, more bool) bool {
	if n == 0 || offset+n > MaxBytes || more && (n&7 != 0 || n < MinPart) {
		return false
	}
	return more || offset != 0
}

// Add puts the fragment in slot into its place, if it is Valid: n bytes at offset, which begin at bytes behind the frame's start.
// It is First or Later.
//
//oob:stage any
func (p *Packet) Add(slot, at, offset, n uint32, more bool) Outcome {
	if offset == 0 {
		return p.First(slot, at, n, more)
	}
	return p.Later(slot, at, offset, n, more)
}

// Begin is Add for the first one that comes, which is Valid.
//
//oob:stage any
func (p *Packet) Begin(slot, at, offset, n uint32, more bool) {
	p.first, p.last = slot, slot
	p.count(slot, at, offset, n, more)
}

// First is Add for the fragment at offset 0.
//
//oob:stage any
func (p *Packet) First(slot, at, n uint32, more bool) Outcome {
	if o := p.judge(0, n, more); o != Kept {
		return o
	}
	if p.parts != 0 {
		if begin := Begin(p.first); begin == 0 && length(p.first) == n {
			return Duplicate
		} else if n > begin {
			return p.giveUp(Overlap)
		}
	}
	if p.parts >= MaxParts {
		return p.giveUp(TooMany)
	}
	frame.Link(slot, p.first)
	p.first = slot
	if p.parts == 0 {
		p.last = slot
	}
	return p.count(slot, at, 0, n, more)
}

// Later is Add for a fragment at another offset.
//
//oob:stage any
func (p *Packet) Later(slot, at, offset, n uint32, more bool) Outcome {
	if o := p.judge(offset, n, more); o != Kept {
		return o
	}
	if p.parts == 0 {
		p.first, p.last = slot, slot
		return p.count(slot, at, offset, n, more)
	}
	behind, fits := p.place(slot, offset, n)
	switch {
	case fits:
	case behind != slot && Begin(behind) == offset && length(behind) == n:
		return Duplicate
	default:
		return p.giveUp(Overlap)
	}
	if !more && offset+n < End(p.last) {
		return p.giveUp(Overlap)
	}
	if p.parts >= MaxParts {
		return p.giveUp(TooMany)
	}
	switch behind {
	case slot:
		frame.Link(slot, p.first)
		p.first = slot
	case p.last:
		frame.Link(behind, slot)
		p.last = slot
	default:
		frame.Link(slot, frame.Next(behind))
		frame.Link(behind, slot)
	}
	return p.count(slot, at, offset, n, more)
}

// judge says what is wrong with a fragment, whatever else there is: Kept is nothing.
//
//oob:stage any
func (p *Packet) judge(offset, n uint32, more bool) Outcome {
	switch {
	case !Valid(offset, n, more):
		return Malformed
	case p.state != open:
		return GivenUp
	case p.end != 0 && (offset+n > p.end || !more && offset+n != p.end):
		return p.giveUp(Overlap)
	}
	return Kept
}

// count takes note of a fragment that is in its place.
//
//oob:stage any
func (p *Packet) count(slot, at, offset, n uint32, more bool) Outcome {
	Lay(slot, at, offset, n)
	p.parts++
	p.bytes += n
	if !more {
		p.end = offset + n
	}
	if p.bytes == p.end {
		return Complete
	}
	return Kept
}

// place returns the slot behind which a fragment of n bytes at offset belongs, slot itself if it is the first. fits is false when
// there is no room for it: behind is then what it Begin in.
//
//oob:stage any
func (p *Packet) place(slot, offset, n uint32) (behind uint32, fits bool) {
	if offset >= End(p.last) {
		return p.last, true
	}
	if begin := Begin(p.first); offset < begin {
		return slot, offset+n <= begin
	}
	behind, unit := p.first, offset/8
	next := frame.Next(behind)
	for range MaxParts { // none is behind the last: offset lies ahead of its end
		if behind == p.last {
			return behind, false
		}
		if part[next%frame.MaxSlots]>>offsetShift > unit {
			break
		}
		behind = next
		next = frame.Next(behind)
	}
	return behind, offset >= End(behind) && offset+n <= Begin(next)
}

// Lay makes slot a part of a packet that is to be sent, which nobody keeps here: n bytes at offset, a multiple of eight, that begin at bytes
// behind the frame's start.
//
//oob:stage any
func Lay(slot, at, offset, n uint32) {
	part[slot%frame.MaxSlots] = offset/8<<offsetShift | n<<lengthShift | at
}

// Begin returns the offset of the fragment in slot.
//
//oob:stage any
func Begin(slot uint32) uint32 { return part[slot%frame.MaxSlots] >> offsetShift * 8 }

// length returns how many bytes the fragment in slot has.
//
//oob:stage any
func length(slot uint32) uint32 { return part[slot%frame.MaxSlots] >> lengthShift & lengthMask }

// End returns the offset behind the fragment in slot: of the last one the bytes of the whole packet.
//
//oob:stage any
func End(slot uint32) uint32 {
	w := part[slot%frame.MaxSlots]
	return w>>offsetShift*8 + w>>lengthShift&lengthMask
}

// Data returns where the data of the fragment in slot begin in its frame, and how many bytes they are.
//
//oob:stage any
func Data(slot uint32) (at, n uint32) {
	w := part[slot%frame.MaxSlots]
	return w & atMask, w >> lengthShift & lengthMask
}

//oob:stage any
func (p *Packet) giveUp(why Outcome) Outcome {
	p.state = givenUp
	return why
}

// Take takes the chain of a packet's slots out: n is 0 if there is none. Port is the oob port they came on.
//
//oob:stage any
func (p *Packet) Take() (first, last, n, port uint32) {
	n = p.parts
	p.parts = 0
	return p.first, p.last, n, p.port
}

// Head returns the slot of the first fragment.
//
//oob:stage any
func (p *Packet) Head() uint32 { return p.first }

// Bytes returns how many bytes there are of the packet.
//
//oob:stage any
func (p *Packet) Bytes() uint32 { return p.bytes }

// Close ends a packet whose slots have been taken.
//
//oob:stage any
func (t *Table) Close(p *Packet) {
	p.state = free
	t.used--
}

// Used returns how many packets there are.
//
//oob:stage any
func (t *Table) Used() uint32 { return t.used }

// Expire returns a packet that is older than life at the time now, or that came on the port, if there is one: its slots are to be taken, and it is to be closed.
// lost reports whether it was still waited for. Else left is how long the oldest has still to live.
//
//oob:stage any
func (t *Table) Expire(now, life, port uint32) (p *Packet, lost bool, left uint32) {
	oldest := uint32(0)
	for i := range t.packet {
		p = &t.packet[i]
		if p.state == free {
			continue
		}
		age := now - p.born
		if age >= life || p.port == port {
			return p, p.state == open, 0
		}
		oldest = max(oldest, age)
	}
	return nil, false, life - oldest
}
