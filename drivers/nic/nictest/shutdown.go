package nictest

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func testShutdown(t *testing.T, b *bench) {
	r := rand.New(rand.NewPCG(3, 4))
	cycles := 1000
	if testing.Short() {
		cycles = 50
	}
	for i := range cycles {
		b.HoldTx(i%2 == 0)
		b.up()
		for range r.IntN(2 * b.caps.RxRing) {
			switch r.IntN(5) {
			case 0, 1:
				b.Inject(fill(i, 60))
			case 2:
				if slot, n := b.Oob.Receive(); n != 0 {
					b.put(slot)
					b.Oob.Refill(b.get())
					b.Oob.Resume()
				}
			case 3:
				if b.Oob.Free() > 0 {
					b.Oob.Transmit(b.get(), 60)
					b.Oob.Start()
				}
			case 4:
				b.Complete(1)
				if slot, ok := b.Oob.Reclaim(); ok {
					b.put(slot)
				}
			}
		}
		if slot, n := b.Oob.Receive(); n != 0 && i%3 == 0 {
			b.put(slot) // held when the port goes down: not in its rings
		} else if n != 0 {
			b.Oob.Refill(slot)
		}
		b.down()
	}
	if slots, err := b.Device.Shutdown(nil); err != nil || len(slots) != 0 {
		t.Errorf("Shutdown of a port that is down = %v, %v", slots, err)
	}
}

// testReinitHalfDone leaves the port as a fault would, at each step of an activation, and starts it again with all slots.
func testReinitHalfDone(t *testing.T, b *bench) {
	steps := []struct {
		name string
		f    func()
	}{
		{"before Receive", func() { b.Inject(fill(1, 60)) }},
		{"after Receive", func() { b.Inject(fill(1, 60)); b.Oob.Receive() }},
		{"after Transmit", func() { b.Inject(fill(1, 60)); s, n := b.Oob.Receive(); b.Oob.Transmit(s, n) }},
		{"after Start", func() {
			b.Inject(fill(1, 60))
			s, n := b.Oob.Receive()
			b.Oob.Transmit(s, n)
			b.Oob.Start()
		}},
		{"after Refill", func() {
			b.Inject(fill(1, 60))
			s, _ := b.Oob.Receive()
			b.Oob.Refill(s)
		}},
		{"receive ring used up", func() {
			for i := range b.caps.RxRing {
				b.Inject(fill(i, 60))
			}
		}},
	}
	all := func() (s []uint32) {
		for i := range b.Memory.Slots {
			s = append(s, i)
		}
		return s
	}
	for _, hold := range []bool{false, true} {
		for _, s := range steps {
			t.Run(fmt.Sprintf("%s/hold=%v", s.name, hold), func(t *testing.T) {
				b.T = t
				b.HoldTx(hold)
				b.free = all()
				first := b.free[:b.caps.RxRing]
				b.free = b.free[b.caps.RxRing:]
				if err := b.Reinit(first); err != nil {
					t.Fatal(err)
				}
				s.f()

				b.HoldTx(false)
				b.free = all()
				if err := b.Reinit(b.free[:b.caps.RxRing]); err != nil {
					t.Fatal(err)
				}
				b.free = b.free[b.caps.RxRing:]
				b.Sent()
				b.expectNone()
				for i := range 2 * b.caps.RxRing {
					b.echo(i, 60)
				}
				b.down()
			})
		}
	}
}
