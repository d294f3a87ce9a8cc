package divert

import (
	_ "unsafe" // for linkname

	"mortise/stack/core"
	"mortise/stack/frame"
)

// Poll serves the receive ring of device d: each frame is decided by the companion core if the device is diverted, else
// left to in-band. At most rxBudget frames; reception that a budget cut short is resumed by Tick. It returns what the
// caller must do (WakeInband, Rearm). The oob stage calls it for a diverted device; in-band, under the device's lock, for
// another.
//
// It ends early where a hold of the stage is near (stage.Hold), so that it is over when that begins.
//
// No event is missed: once the ring is empty it is looked at again behind Ack. What no answer needs comes after the
// last frame: the receive event, empty slots for the ring, the frames for in-band.
//
//oob:stage any
//go:nosplit
func Poll(d uint32) uint32 {
	v := &table[d%Devices]
	var todo uint32
	i := v.spent
looking:
	for look := 0; look < looks; look++ {
		for i < rxBudget { //oob:total rxBudget divert.Poll i counts the frames of both looks, from spent on
			slot, n := v.hw.Receive()
			if n == 0 {
				break
			}
			i++
			if v.free.Len() < i { // this one's slot must do for the ring
				counters[v.index%Devices][NoSlot]++
				v.free.Put(slot)
			} else {
				var action uint32
				if v.diverted != driven {
					action = v.inbandOrShown(slot, n, i)
				} else {
					action = core.Deliver(v.core, v.frames+uintptr(slot)*frame.SlotSize, n)
				}
				if action >= core.Reply {
					if v.hw.Send(slot, core.Length(action)) || v.sendAgain(slot, core.Length(action)) {
						counters[v.index%Devices][TxOob]++
						core.Answered(v.core, n, core.Length(action))
					} else {
						counters[v.index%Devices][TxFull]++
						core.Answered(v.core, n, 0)
						v.free.Put(slot)
					}
				} else if action == core.Inband {
					v.leave(slot, n)
				} else {
					if action >= core.Fan {
						slot = v.fan(slot, n, action)
						core.Count()
						v.tally(n)
					} else if action >= core.Forward {
						empty := v.forward(slot, action)
						if empty == slot { // it was dropped
							core.Count()
						}
						slot = empty
						v.tally(n)
					} else if v.decided = 1; action >= core.Kept {
						slot = core.Slot(action)
					}
					v.free.Put(slot)
				}
			}
			if v.hw.Empty() {
				break
			}
			if i < unheld {
				continue
			}
			if v.mustWait(i) {
				todo = Again << v.index
				break looking
			}
		}
		if i >= rxBudget {
			break
		}
		if look == 0 {
			if v.hw.Ack(); v.hw.Empty() {
				break
			}
			if i >= unheld && v.mustWait(i) {
				todo = Again << v.index
				break
			}
		}
	}
	if v.decided != 0 {
		v.decided = 0
		core.Decided()
	}
	if i >= rxBudget {
		todo = v.throttle()
	}
	taken := i - v.spent
	counters[v.index%Devices][Received] += taken
	left := v.lefts
	if left != 0 {
		v.lefts = 0
		todo |= WakeInband
		v.handOver(left)
	} else if v.diverted != 0 && core.PendingEvents() != 0 {
		todo |= WakeInband
	}
	if left < taken {
		v.fillUp(left, taken)
	}
	v.hw.RefillAll(&v.left, taken)
	if v.hw.Sending() {
		v.reclaim()
	}
	if v.forwarded != 0 {
		v.settle()
	}
	return todo
}

// inbandOrShown is core.Deliver for a device that is in-band's, whose frames are all left to it; for one whose frames have a time; and
// for one whose frames the companion core is shown ahead of that: this is number i of the activation.
//
//oob:stage any
//go:noinline
func (v *device) inbandOrShown(slot, n, i uint32) (action uint32) {
	if v.diverted == 0 {
		return core.Inband
	}
	addr := v.frames + uintptr(slot)*frame.SlotSize
	v.decided = 1
	if v.diverted != listened {
		v.see()
		if v.listen == 0 {
			return core.Deliver(v.core, addr, n)
		}
	}
	if i == v.spent+1 {
		v.shown = 0
	}
	v.shown += core.Show(v.core, addr, n, core.MaxShown-v.shown)
	return core.Deliver(v.core, addr, n)
}

// tally counts a frame of n bytes that has gone on to other devices.
//
//oob:stage oob
func (v *device) tally(n uint32) {
	v.rxForwards++
	v.rxForwarded += n
}

// leave puts a frame on the list of those that are in-band's.
//
//oob:stage any
func (v *device) leave(slot, n uint32) {
	lefts := v.lefts
	v.left[lefts%rxBudget] = slot<<16 | n
	v.lefts = lefts + 1
}

// fillUp puts empty slots for the receive ring behind the first left of v.left, n in all. Poll has left as many in the list.
//
//oob:stage any
//go:nosplit
func (v *device) fillUp(left, n uint32) {
	for ; left < n && left < rxBudget; left++ {
		v.left[left], _ = v.free.Get()
	}
}

// sendAgain sends n bytes of the frame in slot although the transmit ring was full, if there is room once what has
// completed is taken back.
//
//oob:stage any
//go:noinline
func (v *device) sendAgain(slot, n uint32) bool {
	v.makeRoom()
	return v.hw.Send(slot, n)
}

// Submit is core.Submit.
//
//oob:stage oob
//go:nosplit
//go:linkname Submit mortise/stack/core.Submit
func Submit(d, slot, n uint32) (empty uint32, ok bool) {
	v := &table[d%Devices]
	if v.diverted < driven {
		if !v.deferred() {
			return 0, false
		}
		if v.clock.asked != 0 {
			return v.submitStamped(slot, n)
		}
	}
	if v.free.Len() <= rxBudget || !v.hw.Send(slot, n) {
		if v.makeRoom(); v.free.Len() <= rxBudget || !v.hw.Send(slot, n) {
			return 0, false
		}
	}
	counters[d%Devices][TxOob]++
	return v.free.Get()
}

// Room is core.Room.
//
//oob:stage oob
//go:linkname Room mortise/stack/core.Room
func Room(d uint32) bool {
	v := &table[d%Devices]
	if v.diverted == 0 {
		return false
	}
	if v.free.Len() <= rxBudget || v.hw.Free() == 0 {
		v.makeRoom()
	}
	return v.free.Len() > rxBudget && v.hw.Free() != 0
}

// RoomFor is core.RoomFor.
//
//oob:stage oob
//go:linkname RoomFor mortise/stack/core.RoomFor
func RoomFor(d, n uint32) bool {
	v := &table[d%Devices]
	if v.diverted < driven && !v.deferred() {
		return false
	}
	if v.free.Len() < rxBudget+n || v.hw.Free() < n {
		v.reclaim()
	}
	return v.free.Len() >= rxBudget+n && v.hw.Free() >= n
}

// settle takes back what the other devices have sent of the frames that were forwarded to them.
//
//oob:stage oob
func (v *device) settle() {
	v.forwarded, v.copied, v.extra, v.rounds = 0, 0, 0, 0
	for i := uint32(1); i < Devices; i++ {
		if w := &table[(v.index+i)%Devices]; w.diverted >= driven || w.deferred() {
			w.reclaim()
		}
	}
}

// handOver swaps the received frames that are in-band's, left of them, for empty slots of its share, or drops those that there is no
// slot for, and those beyond what in-band may get in a window. left then has as many slots for the receive ring.
//
//oob:stage any
//go:nosplit
func (v *device) handOver(left uint32) {
	n := left
	if v.winLeft < left {
		n = v.capped(left)
	}
	v.winLeft -= n
	given := v.rx.Give(&v.left, n)
	counters[v.index%Devices][Inband] += given
	if given != left {
		counters[v.index%Devices][InbandFull] += n - given
		for ; given < left && given < rxBudget; given++ {
			v.left[given] >>= 16
		}
	}
}

// capped returns how many of left frames in-band may get, now that the window has fewer left for it, and counts the others. A window
// begins when the last one is over and what it allowed is used up: so nobody looks at the clock before.
//
//oob:stage any
//go:noinline
func (v *device) capped(left uint32) uint32 {
	if v.diverted == 0 {
		v.winLeft = left
		return left
	}
	if t := now(); t-v.winStart >= v.winTicks {
		v.winStart, v.winLeft = t, v.winCap
	}
	if rest := v.winLeft; rest < left {
		counters[v.index%Devices][InbandCapped] += left - rest
		return rest
	}
	return left
}

// throttle pauses reception until the next tick: a flood then leaves time for in-band.
//
//oob:stage any
func (v *device) throttle() uint32 {
	v.hw.Mask()
	v.throttled = 1
	counters[v.index%Devices][Throttled]++
	return Rearm
}

// reclaim takes back the slots whose transmission has completed.
//
//oob:stage any
func (v *device) reclaim() {
	for i := 0; i < reclaimBudget && v.hw.Sending(); i++ { // shorter than to call it in vain
		slot, ok := v.hw.Reclaim()
		if !ok {
			return
		}
		if shares[slot%frame.MaxSlots] != 0 {
			v.unshare(slot)
			continue
		}
		v.free.Put(slot)
	}
}

// makeRoom is reclaim for a frame that finds no room: two for one that is sent keep up.
//
//oob:stage any
//go:noinline
func (v *device) makeRoom() {
	for range 2 {
		slot, ok := v.hw.Reclaim()
		if !ok {
			return
		}
		if shares[slot%frame.MaxSlots] != 0 {
			v.unshare(slot)
			continue
		}
		v.free.Put(slot)
	}
}

// Send queues the frames that in-band wants device d to send, at most txBudget of them, behind a swap for an empty slot
// each. It returns Rearm when some had to wait, for descriptors or for the end of a hold.
//
//oob:stage any
func Send(d uint32) uint32 {
	v := &table[d%Devices]
	if _, n := v.tx.Look(); n == 0 {
		return 0
	}
	if v.hw.Sending() {
		v.reclaim()
	}
	sent := uint32(0)
	var todo uint32
	for i := 0; i <= txBudget; i++ { // the last round finds that frames are left
		slot, n := v.tx.Look()
		if n == 0 {
			break
		}
		if i >= txBudget || v.hw.Free() <= txReserve || v.free.Len() <= rxBudget {
			todo = Rearm
			break
		}
		empty, _ := v.free.Get()
		if v.hw.Transmit(slot, n) {
			sent++
		} else {
			v.free.Put(slot) // cannot be: Free was above the reserve
		}
		v.tx.Take(empty)
		if i >= unheld-1 && v.mustWait(0) {
			if _, n := v.tx.Look(); n != 0 {
				todo = Rearm
			}
			break
		}
	}
	if sent != 0 {
		counters[d%Devices][TxInband] += sent
		v.hw.Start()
	}
	return todo
}

// Tick goes on with what a budget cut short on device d: reception first, then in-band's frames.
//
//oob:stage any
func Tick(d uint32) uint32 {
	v := &table[d%Devices]
	var todo uint32
	if v.throttled != 0 {
		v.throttled = 0
		todo = Poll(d)
		if v.throttled == 0 {
			v.hw.Unmask()
		}
		if todo&(Again<<v.index) != 0 {
			return todo | Rearm
		}
	}
	return todo | Send(d)
}

// Kicked sends what in-band has queued for every diverted device; another device's rings are in-band's.
//
//oob:stage oob
func Kicked() (todo uint32) {
	if calledIn != 0 {
		callIn()
	}
	for d := range uint32(Devices) {
		if table[d].diverted != 0 {
			todo |= Send(d)
		}
	}
	return todo
}

// Ticked is Tick for every diverted device.
//
//oob:stage oob
func Ticked() (todo uint32) {
	for d := range uint32(Devices) {
		if table[d].diverted != 0 {
			todo |= Tick(d)
		}
	}
	return todo
}

// Diverted tells whether device d is diverted now.
//
//oob:stage any
func Diverted(d uint32) bool { return table[d%Devices].diverted != 0 }
