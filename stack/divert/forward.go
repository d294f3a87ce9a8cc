package divert

import (
	"math/bits"

	"mortise/drivers/enet"
	"mortise/stack/core"
	"mortise/stack/frame"
)

// Frames that the companion core sends on to other devices: one, or several (share.go has who holds a slot that several send).

// forward sends the frame in slot on another device that the oob stage drives, and returns the empty slot that came for it: the
// frame's own, if it could not be sent and was dropped.
//
//oob:stage oob
//go:nosplit
func (v *device) forward(slot, action uint32) uint32 {
	w := &table[core.To(action)%Devices]
	if w.diverted == 0 {
		counters[v.index%Devices][ForwardDown]++
		return slot
	}
	shift, n := core.Shift(action), core.Length(action)
	if w.free.Len() <= rxBudget || w.hw.Free() == 0 {
		if w.makeRoom(); w.free.Len() <= rxBudget { // what w's own reception needs stays
			return v.full(slot)
		}
	}
	if shift != 0 && w.hw.Aligns() && !v.mayCopy() {
		return v.full(slot)
	}
	if !w.hw.SendFrom(slot, shift, n) {
		return v.full(slot)
	}
	core.HandedOver(elapsed())
	counters[w.index%Devices][TxForward]++
	w.txForwarded += n
	v.forwarded = 1
	empty, _ := w.free.Get()
	return empty
}

// full counts the frame in slot, which there is no room for, and returns slot.
//
//oob:stage oob
//go:noinline
func (v *device) full(slot uint32) uint32 {
	counters[v.index%Devices][ForwardFull]++
	return slot
}

// maxFan bounds the destinations of a frame.
const maxFan = 4

// fan is forward for several devices. Those for which the frame stays as it is share its slot. Of the others each gets a copy, but
// the last one the frame itself if nobody shares it.
//
//oob:stage oob
//go:noinline
func (v *device) fan(slot, n, action uint32) uint32 {
	plain := core.Plain(action)
	changed := (uint32(1)<<(core.To(action)%(maxFan+1)) - 1) &^ plain
	if plain != 0 {
		v.lend(slot, n, action)
	}
	//oob:total maxChanged divert.Poll v.rounds counts the rounds of an activation
	for i := 0; i < maxFan && changed != 0; i++ {
		if v.rounds >= maxChanged {
			counters[v.index%Devices][ForwardFull] += count(changed)
			break
		}
		v.rounds++
		v.forwarded = 1 // settle starts anew
		to, rest := uint32(bits.TrailingZeros32(changed)), changed&(changed-1)
		whole := plain|rest == 0                                    // nobody else needs the frame
		if !whole && (v.free.Len() <= rxBudget+1 || !v.mayCopy()) { // what this device's own reception needs stays
			counters[v.index%Devices][ForwardFull] += count(changed)
			if plain != 0 {
				break
			}
			counters[v.index%Devices][ForwardFull]--
			whole, to, rest = true, 31-uint32(bits.LeadingZeros32(changed)), 0
		}
		changed = rest
		extra := slot
		if !whole {
			extra, _ = v.free.Get()
			frame.Copy(v.mem.Buffer(extra), v.mem.Buffer(slot), n+frame.Pad)
		}
		if extra = v.sendCopy(to, extra, n); whole {
			return extra
		}
		v.free.Put(extra)
	}
	return v.lending(slot)
}

// sendCopy sends the frame of n bytes in slot to destination i, and returns an empty slot for it.
//
//oob:stage oob
func (v *device) sendCopy(i, slot, n uint32) uint32 {
	action := core.Copy(v.core, i, v.frames+uintptr(slot)*frame.SlotSize, n)
	if action < core.Forward {
		return slot
	}
	return v.forward(slot, action)
}

// mayCopy reports whether one more frame may be copied in this activation, and counts it: copies are what takes longest.
//
//oob:stage oob
func (v *device) mayCopy() bool {
	if v.copied >= enet.MaxAligned {
		return false
	}
	v.copied++
	v.forwarded = 1 // settle starts anew
	return true
}
