package divert

import (
	"math/bits"

	"mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/stack/core"
	"mortise/stack/frame"
)

// A frame that goes to several devices as it came lies in one slot, which their transmit rings share. It stays the slot of the
// device that received it, which does with one less of its reserve meanwhile, and is free again when the last ring has sent it. Only
// oob code counts. Before a device changes hands, in-band has the oob stage call in what is lent.

// Slots that transmit rings share.
var (
	// lent is how many of them there are.
	lent uint32
	// calledIn is in-band's: while it is not 0 no slot is lent, and each kick takes back what has been sent.
	calledIn uint32
	// shares has a byte for each slot: how many hold it, below ownerUnit, and the number of its owner and one, as multiples of that.
	// 0: the slot is not shared.
	shares [frame.MaxSlots]uint8
	// returned is what in-band took out of a ring that it shut down: holds for the oob stage to take back.
	returned frame.Ring
	// late has the slots of each device that were sent while it was in-band's: the oob stage must not touch its reserve then. They
	// are back in it with the next kick while calledIn is not 0 and the device is diverted.
	late [Devices]frame.List
)

const (
	ownerUnit = 1 << 4
	// maxExtra bounds the further destinations that an activation's frames are for as they are: one for each frame.
	maxExtra = rxBudget
	// maxChanged bounds the destinations that its frames for several are changed for. Each such frame takes a copy at least, and may go
	// on itself beside: more than the copies and as many frames cannot be served.
	maxChanged = 2 * enet.MaxAligned
)

// lend sends the frame of n bytes in slot on the devices that action names for it as it is. They hold the slot then, and so does v,
// until lending.
//
//oob:stage oob
//go:noinline
func (v *device) lend(slot, n, action uint32) {
	share := &shares[slot%frame.MaxSlots]
	*share = uint8(v.index*ownerUnit + ownerUnit + 1)
	plain := core.Plain(action)
	if calledIn != 0 || v.free.Len() <= rxBudget+1 { // what this device's own reception needs stays
		counters[v.index%Devices][ForwardFull] += count(plain)
		return
	}
	v.forwarded = 1
	//oob:total rxBudget+maxExtra divert.Poll a round for each frame, and one for each further destination
	for i := 0; i < maxFan && plain != 0; i++ {
		if i != 0 {
			if v.extra >= maxExtra {
				counters[v.index%Devices][ForwardFull] += count(plain)
				break
			}
			v.extra++
		}
		w := &table[core.PlainTo(action, uint32(bits.TrailingZeros32(plain)))%Devices]
		plain &= plain - 1
		if w.diverted == 0 {
			counters[v.index%Devices][ForwardDown]++
		} else if w.hw.Send(slot, n) {
			core.HandedOver(elapsed())
			*share++
			counters[w.index%Devices][TxForward]++
			w.txForwarded += n
		} else {
			counters[v.index%Devices][ForwardFull]++
		}
	}
}

// count returns the number of destinations in a set.
//
//oob:stage oob
func count(set uint32) uint32 { return set&1 + set>>1&1 + set>>2&1 + set>>3&1 }

// lending ends what lend was called for: it returns an empty slot for the lent one, or that one when no ring holds it.
//
//oob:stage oob
func (v *device) lending(slot uint32) uint32 {
	share := &shares[slot%frame.MaxSlots]
	if *share == 0 { // nothing was to be lent
		return slot
	}
	if *share--; *share%ownerUnit == 0 {
		*share = 0
		return slot
	}
	lent++
	empty, _ := v.free.Get()
	return empty
}

// unshare takes back a slot that v has sent and that is shared, or whose departure is stamped.
//
//oob:stage any
//go:noinline
func (v *device) unshare(slot uint32) {
	if shares[slot%frame.MaxSlots] != isStamped {
		unshare(slot)
		return
	}
	shares[slot%frame.MaxSlots] = 0
	v.free.Put(slot)
	v.gone()
}

// unshare takes one hold of a shared slot back, and gives the slot to its owner with the last one.
//
//oob:stage any
//go:noinline
func unshare(slot uint32) {
	share := &shares[slot%frame.MaxSlots]
	left := uint32(*share) - 1
	if left%ownerUnit != 0 {
		*share = uint8(left)
		return
	}
	*share = 0
	lent--
	owner := (left/ownerUnit - 1) % Devices
	if table[owner].diverted == 0 {
		late[owner].Put(slot)
		return
	}
	table[owner].free.Put(slot)
}

// callIn takes back what the diverted devices have sent, and what in-band returns.
//
//oob:stage oob
//go:noinline
func callIn() {
	for range enet.RingSize {
		ref, ok := returned.Pop()
		if !ok {
			break
		}
		unshare(uint32(ref.Slot))
	}
	for d := range uint32(Devices) {
		v := &table[d]
		if v.diverted == 0 {
			continue
		}
		v.reclaim()
		for range enet.RingSize { // another one's ring held no more
			slot, ok := late[d].Get()
			if !ok {
				break
			}
			v.free.Put(slot)
		}
	}
}

// away returns how many of a device's slots are lent, or were sent while it was in-band's: what its reserve is short of. The device is
// in-band's.
//
//oob:stage inband
func away(d uint32) uint32 {
	for {
		before := mmio.Load(&lent)
		n := late[d].Len()
		for i := range shares {
			if share := uint32(shares[i]); share != 0 && share/ownerUnit == d+1 {
				n++
			}
		}
		if mmio.Load(&lent) == before { // none was sent meanwhile, and while calledIn is not 0 none is lent
			return n
		}
	}
}
