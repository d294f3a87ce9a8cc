package frame

import "mortise/drivers/mmio"

// MaxExchange is the largest number of positions of an Exchange, a power of two.
const MaxExchange = 256

// Exchange is a circle of positions over which two stages swap slots: the giver puts a full one in the place of an empty one; the
// taker, in the same order, an empty one in the place of a full one. A position always has a slot, full or empty, in one word, so a
// swap is a load and a store, neither stage looks at the other's place in the circle, and no slot is lost half-way.
//
// In-band's half has barriers. The half of the stage that drives a device has none: the driver's, between the frame and its
// descriptor, do. What a stage's calls read and write is ordered for the compiler by the driver's leaf calls in between.
type Exchange struct {
	giver, taker uint32 // their next positions
	size         uint32 // positions, MaxExchange at most
	words        [MaxExchange]uint32
}

// word makes a position's word: a slot with a frame of n bytes, an empty one if n is 0.
//
//oob:stage any
func word(slot, n uint32) uint32 { return slot<<16 | n }

// MaxGive is the number of refs of a Give.
const MaxGive = 32

// Give swaps full slots for empty ones: the first n of refs, each with the slot's number in the high half and the length of its frame, not 0,
// in the low one, become the empty slots, as far as there are any. It returns how many have. It is for the giver that has not
// written into the frames itself, and leaves the empty slots to a device.
//
//oob:stage any
//go:nosplit
func (x *Exchange) Give(refs *[MaxGive]uint32, n uint32) (given uint32) {
	at := x.giver
	for ; given < n && given < MaxGive; given++ {
		p := &x.words[at%MaxExchange]
		old := peek(p)
		if old<<16 != 0 {
			break
		}
		poke(p, refs[given])
		refs[given] = old >> 16
		if at++; at >= x.size {
			at = 0
		}
	}
	x.giver = at
	return given
}

// Room returns the empty slot at the giver's place, and whether there is one: the giver may write a frame into it, for Fill.
//
//oob:stage any
func (x *Exchange) Room() (slot uint32, ok bool) {
	w := mmio.Load(&x.words[x.giver%MaxExchange])
	return w >> 16, uint16(w) == 0
}

// Fill makes the slot that Room returned a full one, with a frame of n bytes.
//
//oob:stage any
func (x *Exchange) Fill(slot, n uint32) {
	mmio.Store(&x.words[x.giver%MaxExchange], word(slot, n))
	if x.giver++; x.giver >= x.size {
		x.giver = 0
	}
}

// Waits reports whether the taker has not taken all that the giver, who asks, has given: the last one is taken last.
//
//oob:stage inband
func (x *Exchange) Waits() bool {
	last := x.giver
	if last == 0 {
		last = x.size
	}
	return uint16(mmio.Load(&x.words[(last-1)%MaxExchange])) != 0
}

// Oldest returns the oldest full slot and the length of its frame, which the taker may read until Empty; 0: there is none.
//
//oob:stage any
func (x *Exchange) Oldest() (slot, n uint32) {
	w := mmio.Load(&x.words[x.taker%MaxExchange])
	return w >> 16, w & 0xffff
}

// Empty gives the slot that Oldest returned back.
//
//oob:stage any
func (x *Exchange) Empty(slot uint32) {
	mmio.Store(&x.words[x.taker%MaxExchange], word(slot, 0))
	if x.taker++; x.taker >= x.size {
		x.taker = 0
	}
}

// Look is Oldest for the taker that leaves the frame to a device.
//
//oob:stage any
func (x *Exchange) Look() (slot, n uint32) {
	w := peek(&x.words[x.taker%MaxExchange])
	return w >> 16, w & 0xffff
}

// Take swaps the slot that Look returned, now the taker's, for an empty one. A device must have been given the frame before.
//
//oob:stage any
func (x *Exchange) Take(empty uint32) {
	at := x.taker
	poke(&x.words[at%MaxExchange], word(empty, 0))
	if at++; at >= x.size {
		at = 0
	}
	x.taker = at
}

// Full returns how many positions have a full slot now.
//
//oob:stage inband
func (x *Exchange) Full() (n uint32) {
	for i := range x.words[:x.size] {
		if uint16(mmio.Load(&x.words[i])) != 0 {
			n++
		}
	}
	return n
}

// Size returns how many positions there are.
//
//oob:stage inband
func (x *Exchange) Size() uint32 { return x.size }

// At returns the slot at position i, and the length of its frame.
//
//oob:stage inband
func (x *Exchange) At(i uint32) (slot, n uint32) {
	w := mmio.Load(&x.words[i%MaxExchange])
	return w >> 16, w & 0xffff
}

// Keep makes x as small as it is with the slots that keep accepts: the full ones in their order, then the empty ones, size in all at
// most. Neither stage may use x between Keep and Grow; what they did before may have ended anywhere.
//
//oob:stage inband
func (x *Exchange) Keep(size uint32, keep func(slot uint32) bool) {
	old := *x
	*x = Exchange{}
	positions := min(old.size, MaxExchange)
	for _, full := range [...]bool{true, false} {
		for i := range positions {
			w := old.words[(old.taker+i)%positions]
			if uint16(w) != 0 == full && x.size < min(size, MaxExchange) && keep(w>>16) {
				x.words[x.size] = w
				x.size++
			}
		}
	}
}

// Grow adds positions with empty slots from more until there are size of them.
//
//oob:stage inband
func (x *Exchange) Grow(size uint32, more func() uint32) {
	for x.size < min(size, MaxExchange) {
		x.words[x.size] = word(more(), 0)
		x.size++
	}
	x.giver = x.Full() % x.size
}
