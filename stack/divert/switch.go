package divert

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/stack/core"
	"mortise/stack/frame"
)

// Adopt makes c what the companion core knows device d by: before Serve first, then whenever the core has another
// configuration for it (oob.Configure). It is one store: each frame meets the one or the other. How many frames an activation
// takes is never more than either allows.
//
//oob:stage inband
func Adopt(d uint32, c core.Device) {
	d %= Devices
	if p := all[d]; p != nil {
		p.tx.Lock() // in-band's own Poll reads spent twice
		defer p.tx.Unlock()
	}
	v, spent := &table[d], rxBudget-min(core.Frames(c, rxBudget), rxBudget)
	mmio.Store(&v.spent, max(v.spent, spent))
	v.core = c
	mmio.Store(&v.spent, spent)
}

// Frames returns how many frames an activation takes of device d at most.
//
//oob:stage inband
func Frames(d uint32) uint32 { return rxBudget - mmio.Load(&table[d%Devices].spent) }

// Serve starts reception, in the stage that toOob names.
func (p *Device) Serve(toOob bool) {
	p.setDiverted(toOob)
	table[p.d].hw.Unmask()
	if p.stock != nil {
		p.arrived() // what came before
	}
}

// setDiverted names the stage that drives the device. The caller holds both locks, or nothing runs yet. An activation for
// the device may come from when the property is set until its interrupt is routed away: the oob stage then has what it
// must know, and in-band does not touch the rings.
func (p *Device) setDiverted(on bool) {
	v := &table[p.d]
	if on {
		mmio.Store(&v.diverted, p.byOob()+v.listen)
		p.hooks.Route(true)
		return
	}
	p.hooks.Route(false)
	mmio.Store(&v.diverted, 0)
}

// Listen has the companion core shown each frame of the device, ahead of its decision, or no longer: from the next frame on, while
// the device is diverted.
func (p *Device) Listen(on bool) {
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	v := &table[p.d]
	v.listen = 0
	if on {
		v.listen = 1
	}
	if mmio.Load(&v.diverted) != 0 {
		mmio.Store(&v.diverted, p.byOob()+v.listen)
	}
}

// byOob returns what device.diverted says when the oob stage has the device.
func (p *Device) byOob() uint32 {
	switch {
	case p.stock != nil:
		return carried
	case table[p.d].clock.source != core.NoTime:
		return stamped
	}
	return driven
}

// Rebuild sets the controller and the driving stage's slots up anew, for a change of the controller's setting, then lets the
// oob stage (divert) or in-band drive the device. Frames that in-band owned, received or to be sent, stay; what the
// controller held is lost. When it fails the device is down: Rebuild may be tried again.
//
// It needs no transmitter but the device's own to stand still for a moment: slots of the device that another one's holds, for a frame
// to several devices, come back when that one has sent them, or is rebuilt.
func (p *Device) Rebuild(divert bool) error {
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	lend, _ := p.recall() // what its own transmitter does not send comes back with the ring
	defer lend()
	p.setDiverted(false)
	v := &table[p.d]
	v.throttled = 0
	slots, err := p.driver.Shutdown(nil)
	if err != nil {
		return fmt.Errorf("device %s: %w", p.name, err)
	}
	slots = p.takeBack(slots)
	for s, ok := v.free.Get(); ok; s, ok = v.free.Get() {
		slots = append(slots, s)
	}
	if got, lent := len(slots), int(away(p.d)); got+lent != enet.RingSize+reserve {
		return fmt.Errorf("device %s: %d slots and %d lent, want %d in all", p.name, got, lent, enet.RingSize+reserve)
	}
	err = p.driver.Reinit(slots[:enet.RingSize])
	if err == nil {
		slots = slots[enet.RingSize:]
	}
	for _, s := range slots {
		v.free.Put(s)
	}
	v.free.Mark()
	if err != nil {
		return fmt.Errorf("device %s: %w", p.name, err)
	}
	p.resume(divert)
	return nil
}

// resume lets a stage go on with what waits: its own frames and in-band's.
func (p *Device) resume(divert bool) {
	table[p.d].clock.restart()
	if divert {
		p.setDiverted(true)
		if late[p.d].Len() != 0 { // in the oob stage's hands they come back with the kick
			atomic.AddUint32(&calledIn, 1)
			defer atomic.AddUint32(&calledIn, ^uint32(0))
		}
		p.hooks.Kick()
		if p.stock != nil {
			p.hooks.Raise() // for what arrived before, as a controller does when it is unmasked
		}
	} else {
		p.send()
	}
	table[p.d].hw.Unmask()
	if p.stock != nil {
		p.stock.Wake()
	}
	p.wake()
}

// Divert takes the device to the oob stage (on) or in-band, with traffic flowing: no frame is lost, none goes both ways,
// since the interrupt is disabled while the property changes and the ring's state is the same for both stages. A device that
// is the oob stage's already is left alone: a tick that came while it was not would pass it by, and there is no other.
//
// Off fails, and changes nothing, while frames of the device's, or on it, are under way for several devices, and one of their
// transmitters does not send them.
func (p *Device) Divert(on bool) error {
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	v := &table[p.d]
	if mmio.Load(&v.diverted) != 0 {
		if on {
			return nil
		}
		lend, ok := p.recall()
		defer lend()
		if !ok {
			return fmt.Errorf("device %s: %d frames for several devices have not been sent in %v", p.name, mmio.Load(&lent), callTries*callPause)
		}
	}
	p.setDiverted(false)
	if on && v.throttled != 0 {
		// What Receive's budget left in the ring may have no event any more: an earlier Poll acknowledged it, and at most rxBudget
		// frames were behind those it took. Without this they would wait for the next frame.
		Poll(p.d)
		v.throttled = 0
	}
	if on {
		p.own.Store(p.traffic.rx.Load() + uint64(v.rx.Full()))
	}
	p.resume(on)
	return nil
}

// callPause and callTries bound how long in-band waits for slots that are lent: ten times what 64 full-size frames take at 100 Mbit/s.
const (
	callPause = time.Millisecond
	callTries = 80
)

// recall has the oob stage lend no more slots, and waits until none is lent. lend lets it lend again, when the device has changed hands.
// ok is false when a transmitter stands still.
func (p *Device) recall() (lend func(), ok bool) {
	atomic.AddUint32(&calledIn, 1)
	for range callTries {
		if mmio.Load(&lent) == 0 {
			break
		}
		if p.hooks.Kick(); mmio.Load(&lent) != 0 {
			time.Sleep(callPause)
		}
	}
	return func() { atomic.AddUint32(&calledIn, ^uint32(0)) }, mmio.Load(&lent) == 0
}

// takeBack returns those of slots, which the controller held, that are the device's. Those that it shared with another one go to their
// owner, when that one is done too: the device may be it.
func (p *Device) takeBack(slots []uint32) []uint32 {
	own := slices.DeleteFunc(slots, func(s uint32) bool {
		share := &shares[s%frame.MaxSlots]
		if *share == isStamped { // nobody will be told when it left
			*share = 0
		}
		shared := *share != 0
		if shared {
			returned.Push(frame.Ref{Slot: uint16(s)})
		}
		return shared
	})
	if returned.Len() != 0 {
		p.hooks.Kick() // calledIn is set
	}
	return own
}
