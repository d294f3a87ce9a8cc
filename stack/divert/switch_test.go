package divert

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/frame"
	"mortise/stack/wire/wiretest"
)

// Moving a device between the stages under load loses no frame and lets none go both ways.
func TestDivertUnderLoad(t *testing.T) {
	b := newBench(t, true, enettest.Options{Hold: true})
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(8, 1))
	answered, handed, next := 0, 0, uint32(0)
	for i := range 1000 {
		clock += 1000
		b.nic.Inject(request)
		b.nic.Inject(b.inband(next))
		next++
		if Diverted(0) {
			Poll(0)
		}
		if i%3 == 0 {
			b.Divert(!Diverted(0))
		}
		b.Receive(64, func(f []byte) { handed++ })
		for _, s := range b.nic.Sent() {
			if bytes.Equal(s, reply) {
				answered++
			}
		}
	}
	b.Divert(false)
	b.Receive(64, func([]byte) { handed++ })
	if answered == 0 || answered+handed != 2000 {
		t.Errorf("%d answered + %d handed to in-band, want 2000 in all and some of each", answered, handed)
	}
	b.slots(t)
}

// Frames that a budget left in the ring when the device was in-band's do not wait for the next one when it is diverted, whether their
// event is still there or Ack has cleared it.
func TestDivertWithFramesLeft(t *testing.T) {
	for _, before := range []int{rxBudget + 5, 3} { // Ack's turn comes when the ring was empty within the budget
		t.Run(fmt.Sprintf("%d frames ahead of Ack", before), func(t *testing.T) {
			b := newBench(t, false, enettest.Options{})
			const frames = rxBudget + 5
			next := uint32(0)
			inject := func(n int) {
				for range n {
					b.nic.Inject(b.inband(next))
					next++
				}
			}
			inject(before)
			b.nic.AtAck = func() { inject(frames - before) }
			got := b.Receive(8, func([]byte) {})
			if got != 8 || table[0].throttled == 0 || next != frames {
				t.Fatalf("Receive = %d, throttled = %d, %d frames, want 8 and a ring that is not empty", got, table[0].throttled, next)
			}
			b.Divert(true)
			for b.nic.Interrupt() {
				Poll(0)
			}
			got += b.Receive(frames, func([]byte) {})
			if got != frames {
				t.Errorf("%d of %d frames arrived, the others wait in the ring without an event", got, frames)
			}
			if table[0].throttled != 0 {
				t.Error("throttled, and no tick is armed")
			}
			b.slots(t)
		})
	}
}

// Frames that waited for in-band when the device was diverted have gone by the oob stage: in-band answers them, and none that
// came later.
func TestOobAnswers(t *testing.T) {
	b := newBench(t, false, enettest.Options{})
	var answers []bool
	take := func(max int) { b.Receive(max, func([]byte) { answers = append(answers, b.OobAnswers()) }) }
	for n := range uint32(5) {
		b.nic.Inject(b.inband(n))
	}
	take(1)
	b.Divert(true)
	for n := range uint32(2) {
		b.nic.Inject(b.inband(5 + n))
	}
	Poll(0)
	take(2)
	b.Divert(true) // it is already, and the third of them still waits
	take(64)
	if want := []bool{false, false, false, false, false, true, true}; !slices.Equal(answers, want) {
		t.Errorf("the oob stage answers frames 0 to 6: %v, want %v", answers, want)
	}
	b.Divert(false)
	if b.OobAnswers() {
		t.Error("the oob stage answers on a device that is in-band's")
	}
	b.slots(t)
}

// A device that is diverted stays so when it is diverted again, at every moment: a tick in between would pass it by, and what
// waits for that tick, because a budget paused reception, would wait for the next frame.
func TestDivertTwice(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	for range rxBudget + 8 {
		b.nic.Inject(request)
	}
	if todo := Poll(0); todo&Rearm == 0 || len(b.nic.Sent()) != rxBudget {
		t.Fatalf("Poll = %#x, want Rearm and a budget that is used up", todo)
	}
	b.routed = nil
	b.Divert(true)
	if len(b.routed) != 0 || b.nic.Interrupt() {
		t.Errorf("routed %v, interrupt %v: the device was in-band's for a moment", b.routed, b.nic.Interrupt())
	}
	if todo := Ticked(); todo != 0 || table[0].throttled != 0 || len(b.nic.Sent()) != 8 {
		t.Errorf("Ticked = %#x, throttled = %d, want 0, 0 and 8 answers behind the budget", todo, table[0].throttled)
	}
	b.nic.Inject(request)
	if !b.nic.Interrupt() {
		t.Error("the interrupt is still masked")
	}
	b.slots(t)
}

// After a fault in the middle of a swap every slot is accounted for again, and what in-band owned is still there.
func TestRecover(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(v *device)
	}{
		{"clean", func(*device) {}},
		{"a slot in the stage's hands", func(v *device) { v.free.Get() }},
		{"a frame sent, not yet taken", func(v *device) {
			slot, _ := v.tx.Room()
			v.tx.Fill(slot, 60)
			v.hw.Transmit(slot, 60)
		}},
		{"a frame given, its slot not yet elsewhere", func(v *device) {
			s, _ := v.tx.Room()
			v.tx.Fill(s, 60)
			v.tx.Take(v.free.At(0))
		}},
		{"a slot twice", func(v *device) {
			s, _ := v.tx.Room()
			v.tx.Fill(s, 60)
			other, _ := v.rx.At(100)
			v.tx.Take(other)
		}},
		{"a wild slot", func(v *device) { v.rx.Give(&[frame.MaxGive]uint32{60000<<16 | 60}, 1) }},
		{"tasks made ready", func(v *device) { v.decided = 1 }},
		{"the crossing overwritten", func(v *device) { v.tx = frame.Exchange{} }},
		{"the free list overwritten", func(v *device) { v.free = frame.List{} }},
		{"the driver's state overwritten", func(v *device) { v.hw = enet.Port{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, true, enettest.Options{Unchecked: true})
			for i := range uint32(5) {
				b.nic.Inject(b.inband(i))
			}
			Poll(0)
			c.damage(&table[0])
			if _, err := Recover(b.Device); err != nil {
				t.Fatal(err)
			}
			if table[0].decided != 0 {
				t.Error("the companion core's Decided is left to in-band")
			}
			b.slots(t)
			var got []uint32
			b.Receive(64, func(f []byte) { got = append(got, number(f)) })
			if len(got) != 5 || got[0] != 0 || got[4] != 4 {
				t.Errorf("in-band got %v, want the five frames it owned", got)
			}
			b.nic.Inject(b.inband(9))
			b.Interrupt()
			if n := b.Receive(64, func(f []byte) {}); n != 1 {
				t.Errorf("frames received in-band afterwards = %d, want 1", n)
			}
			if want := []bool{true, false}; len(b.routed) < 2 || b.routed[0] != want[0] || b.routed[len(b.routed)-1] != want[1] {
				t.Errorf("interrupt routed %v, want to oob first and in-band last", b.routed)
			}
			b.slots(t)
		})
	}
}

// A fault while no device is the oob stage's takes nothing from in-band, and tells which slots are the pools' all the same.
func TestRecoverNothing(t *testing.T) {
	b := newBench(t, false, enettest.Options{})
	b.nic.Inject(b.inband(1))
	rest, err := Recover()
	if err != nil || len(rest) != int(table[0].mem.Slots-SlotsPerDevice) {
		t.Errorf("Recover = %d slots, %v, want %d", len(rest), err, table[0].mem.Slots-SlotsPerDevice)
	}
	if n := b.Receive(10, func([]byte) {}); n != 1 {
		t.Errorf("in-band received %d frames, want 1", n)
	}
	b.slots(t)
}

// A device that is set up anew, diverted or not, keeps what in-band owned and each of its slots, wherever they come from.
func TestRebuild(t *testing.T) {
	for _, diverted := range []bool{true, false} {
		t.Run(fmt.Sprintf("diverted %v", diverted), func(t *testing.T) {
			b := newBench(t, true, enettest.Options{Unchecked: true})
			v := &table[0]
			s, _ := v.free.Get()
			refs := [frame.MaxGive]uint32{s<<16 | 60}
			v.rx.Give(&refs, 1)
			v.free.Put(refs[0]) // the two have changed places, as by a swap
			v.rx.Oldest()
			v.rx.Empty(s)
			for round := range uint32(3) {
				b.nic.Inject(b.inband(round))
				Poll(0)
				if err := b.Rebuild(diverted); err != nil {
					t.Fatal(err)
				}
				b.slots(t)
				seen := map[uint32]bool{}
				slots := b.Driver().Held(nil)
				for i := range v.free.Len() {
					slots = append(slots, v.free.At(i))
				}
				for _, s := range slots {
					seen[s] = true
				}
				if len(seen) != enet.RingSize+reserve {
					t.Errorf("the driving stage has %d slots, want %d", len(seen), enet.RingSize+reserve)
				}
				b.Divert(true)
				if n := b.Receive(64, func([]byte) {}); n != 1 {
					t.Errorf("round %d: in-band got %d frames, want the one it owned", round, n)
				}
			}
		})
	}
}
