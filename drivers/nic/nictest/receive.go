package nictest

import (
	"bytes"
	"testing"
)

func testReceiveOrder(t *testing.T, b *bench) {
	b.up()
	const perTurn = 7 // no divisor of a ring's size
	total := 5 * b.caps.RxRing
	for i := 0; i < total; i += perTurn {
		for j := range perTurn {
			b.Inject(fill(i+j, 60+(i+j)%1400))
		}
		b.Oob.Ack()
		for j := range perTurn {
			b.expect(fill(i+j, 60+(i+j)%1400))
		}
		b.expectNone()
		b.Oob.Resume()
	}
	if got, want := b.counter("rx_frames"), uint64((total+perTurn-1)/perTurn*perTurn); got != want {
		t.Errorf("rx_frames = %d, want %d", got, want)
	}
	if d := b.drops(); d != 0 {
		t.Errorf("%d drops", d)
	}
	b.down()
}

func testLengths(t *testing.T, b *bench) {
	b.up()
	for _, n := range []int{b.Smallest, 59, 60, 61, 64, 1000, 1514, 1518, 1522} {
		if n < b.Smallest {
			continue
		}
		b.Inject(fill(n, n))
		b.expect(fill(n, n))
	}
	b.Oob.Resume()
	for _, n := range []int{1523, 1524, 1525, 1526, 1600, 2000} {
		before := b.drops()
		b.Inject(fill(n, n))
		b.expectNone()
		if d := b.drops() - before; d != 1 {
			t.Errorf("frame of %d bytes: %d drops, want 1", n, d)
		}
	}
	b.Inject(fill(1, 60))
	b.expect(fill(1, 60))
	b.down()
}

func testInterrupt(t *testing.T, b *bench) {
	b.up()
	step := func(name string, want bool) {
		t.Helper()
		if got := b.Interrupt(); got != want {
			t.Fatalf("%s: interrupt = %v, want %v", name, got, want)
		}
	}
	step("idle", false)
	b.Inject(fill(1, 60))
	step("frame", true)
	b.Oob.Ack()
	step("acknowledged", false)
	b.Inject(fill(2, 60))
	step("another frame", true)
	b.Oob.Ack()
	b.expect(fill(1, 60))
	b.expect(fill(2, 60))
	b.Oob.Resume()
	b.Oob.Mask()
	b.Inject(fill(3, 60))
	step("masked", false)
	b.Oob.Unmask()
	step("unmasked", true)
	b.Oob.Ack()
	b.expect(fill(3, 60))
	s := b.get()
	if !b.Oob.Transmit(s, 60) {
		t.Fatal("Transmit refused")
	}
	b.Oob.Start()
	step("a transmission", false)
	b.down()
	step("down", false)
}

// testRefillLater: up to half the ring's frames are received before the first Refill, time and again.
func testRefillLater(t *testing.T, b *bench) {
	b.up()
	for turn := range 10 * b.caps.RxRing {
		n := turn % (b.caps.RxRing/2 + 1)
		for i := range n {
			b.Inject(fill(turn+i, 60+i))
		}
		for i := range n {
			slot, got := b.Oob.Receive()
			if want := fill(turn+i, 60+i); !bytes.Equal(b.bytes(slot, got), want) {
				t.Fatalf("turn %d: frame %d is another, or %d bytes long, want %d", turn, i, got, len(want))
			}
			b.put(slot)
		}
		b.expectNone()
		for range n {
			b.Oob.Refill(b.get())
		}
		b.Oob.Resume()
	}
	b.down()
}

func testReceiveRingEmpty(t *testing.T, b *bench) {
	b.up()
	n := b.caps.RxRing
	for i := range n {
		if !b.Inject(fill(i, 64)) {
			t.Fatalf("frame %d of %d found no position", i, n)
		}
	}
	if b.Inject(fill(n, 64)) {
		t.Fatal("a frame found a position in a ring without any")
	}
	for i := range n {
		b.expect(fill(i, 64))
	}
	b.Oob.Resume()
	// What arrived in between was lost, or comes now.
	if slot, got := b.Oob.Receive(); got != 0 {
		b.put(slot)
		b.Oob.Refill(b.get())
	}
	b.expectNone()
	b.Oob.Resume()
	for i := range 2 * n {
		b.Inject(fill(i, 64))
		b.expect(fill(i, 64))
	}
	b.down()
}
