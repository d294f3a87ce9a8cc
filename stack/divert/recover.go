package divert

import (
	"errors"
	"fmt"

	"mortise/drivers/enet"
	"mortise/stack/frame"
)

// owners tells, for each slot of the memory that all devices share, whether it has an owner.
type owners []bool

func newOwners(slots uint32) owners { return make(owners, slots) }

// claim gives slot an owner and reports whether it had none.
func (t owners) claim(slot uint32) bool {
	if slot >= uint32(len(t)) || t[slot] {
		return false
	}
	t[slot] = true
	return true
}

// Recover lets in-band drive devices after a fault has stopped the oob stage in the middle of anything. Slots wander between
// the devices that the oob stage drives, so these are set up anew together: what in-band owned, received or to be sent,
// stays; what the controllers and the stage held is lost. It returns the slots of the memory that no device has: those of the
// sockets' pools, for example. The error names the devices that stay down.
//
//oob:stage inband
func Recover(devices ...*Device) (rest []uint32, err error) {
	for _, p := range all {
		if p != nil {
			p.rx.Lock()
			defer p.rx.Unlock()
			p.tx.Lock()
			defer p.tx.Unlock()
		}
	}
	lost := map[*Device]bool{}
	for _, p := range devices {
		p.setDiverted(false)
		v := &table[p.d]
		v.throttled, v.forwarded, v.decided, v.copied, v.extra, v.rounds, v.lefts = 0, 0, 0, 0, 0, 0, 0
		late[p.d] = frame.List{}
		lost[p] = true
	}
	shares, lent, returned = [frame.MaxSlots]uint8{}, 0, frame.Ring{}
	slots := uint32(0)
	for _, p := range all {
		if p != nil {
			slots = table[p.d].mem.Slots // the one memory of all
		}
	}
	own := newOwners(slots)
	for _, p := range all {
		if p != nil && !lost[p] {
			p.claimAll(own)
		}
	}
	rings := map[*Device][]uint32{}
	for _, p := range devices { // what in-band owns first, of all
		p.keepCrossing(own)
	}
	for _, p := range devices {
		rings[p] = p.distribute(own)
	}
	var failed []error
	for _, p := range devices {
		if err := p.driver.Reinit(rings[p]); err != nil {
			failed = append(failed, fmt.Errorf("device %s: %w", p.name, err))
			continue
		}
		p.resume(false)
	}
	for s := len(own) - 1; s >= 0; s-- {
		if !own[s] {
			rest = append(rest, uint32(s))
		}
	}
	return rest, errors.Join(failed...)
}

// claimAll makes the device the owner of every slot it has. The caller holds its locks, and it is not diverted.
func (p *Device) claimAll(own owners) {
	v := &table[p.d]
	for s, ok := late[p.d].Get(); ok; s, ok = late[p.d].Get() {
		v.free.Put(s)
	}
	for _, x := range [...]*frame.Exchange{&v.rx, &v.tx} {
		for i := range x.Size() {
			s, _ := x.At(i)
			own.claim(s)
		}
	}
	for _, s := range p.driver.Held(nil) {
		own.claim(s)
	}
	for i := range v.free.Len() {
		own.claim(v.free.At(i))
	}
}

// keepCrossing makes in-band the owner of what the crossings hold, its share at most. What a fault in the middle of anything left there
// twice, and what is no slot, is taken out. distribute follows.
func (p *Device) keepCrossing(own owners) {
	v := &table[p.d]
	v.rx.Keep(inbandRx, own.claim)
	v.tx.Keep(inbandTx, own.claim)
}

// distribute fills up the device's shares with slots that nobody owns: in-band's first, then the receive ring, whose slots
// it returns, then the reserve. keepCrossing has counted in what in-band has.
func (p *Device) distribute(own owners) (ring []uint32) {
	v := &table[p.d]
	next := uint32(0)
	take := func() uint32 {
		for !own.claim(next) {
			if next++; next >= uint32(len(own)) {
				panic("divert: fewer slots than the shares add up to")
			}
		}
		return next
	}
	v.rx.Grow(inbandRx, take)
	v.tx.Grow(inbandTx, take)
	for range enet.RingSize {
		ring = append(ring, take())
	}
	v.free = frame.List{}
	for range reserve {
		v.free.Put(take())
	}
	v.free.Mark()
	return ring
}
