package nictest

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func testTransmitRingFull(t *testing.T, b *bench) {
	b.up()
	b.HoldTx(true)
	n := b.caps.TxRing
	for i := range n {
		if got := b.Oob.Free(); got != uint32(n-i) {
			t.Fatalf("Free = %d, want %d", got, n-i)
		}
		s := b.get()
		copy(b.bytes(s, 100), fill(i, 100))
		if !b.Oob.Transmit(s, 100) {
			t.Fatalf("Transmit refused frame %d of %d", i, n)
		}
	}
	s := b.get()
	for range 3 {
		if b.Oob.Transmit(s, 100) {
			t.Fatal("Transmit took a frame into a full ring")
		}
	}
	b.put(s)
	if b.Oob.Free() != 0 {
		t.Errorf("Free = %d in a full ring", b.Oob.Free())
	}
	if d := b.drops(); d != 3 {
		t.Errorf("%d drops, want 3", d)
	}
	b.Oob.Start()
	if _, ok := b.Oob.Reclaim(); ok {
		t.Error("Reclaim of a frame that was not sent")
	}
	b.Complete(1)
	slot, ok := b.Oob.Reclaim()
	if !ok || b.Oob.Free() != 1 {
		t.Fatalf("Reclaim = %v, Free = %d after one frame was sent", ok, b.Oob.Free())
	}
	b.put(slot)
	b.Complete(n)
	for range n - 1 {
		slot, ok := b.Oob.Reclaim()
		if !ok {
			t.Fatal("Reclaim: nothing, want a slot")
		}
		b.put(slot)
	}
	for i, got := range b.Sent() {
		if !bytes.Equal(got, fill(i, 100)) {
			t.Errorf("frame %d was sent as % x …", i, got[:14])
		}
	}
	b.down()
}

func testTransmitLengths(t *testing.T, b *bench) {
	b.up()
	for _, n := range []uint32{14, 42, 60, 1514, 1522} {
		s := b.get()
		copy(b.bytes(s, n), fill(int(n), int(n)))
		if !b.Oob.Transmit(s, n) {
			t.Fatalf("Transmit refused %d bytes", n)
		}
		b.Oob.Start()
		if got := b.Sent(); len(got) != 1 || !bytes.Equal(got[0], fill(int(n), int(n))) {
			t.Errorf("%d bytes: sent %d frames, or another", n, len(got))
		}
		slot, _ := b.Oob.Reclaim()
		b.put(slot)
	}
	s := b.get()
	for i, n := range []uint32{0, 1, 13, 1523, 2048, 1 << 16, 1<<32 - 1} {
		if b.Oob.Transmit(s, n) {
			t.Errorf("Transmit took %d bytes", n)
		}
		if d := b.drops(); d != uint64(i+1) {
			t.Errorf("%d drops after %d refusals", d, i+1)
		}
	}
	b.put(s)
	b.down()
}

func testReclaimOrder(t *testing.T, b *bench) {
	b.up()
	b.HoldTx(true)
	r := rand.New(rand.NewPCG(1, 2))
	var queue []uint32
	for range 20 * b.caps.TxRing {
		switch r.IntN(3) {
		case 0, 1:
			if b.Oob.Free() == 0 {
				b.Complete(r.IntN(b.caps.TxRing))
				break
			}
			s := b.get()
			if !b.Oob.Transmit(s, 60) {
				t.Fatal("Transmit refused a frame though Free > 0")
			}
			queue = append(queue, s)
			b.Oob.Start()
		case 2:
			b.Complete(r.IntN(4))
			for {
				s, ok := b.Oob.Reclaim()
				if !ok {
					break
				}
				if s != queue[0] {
					t.Fatalf("Reclaim = slot %d, want %d", s, queue[0])
				}
				queue = queue[1:]
				b.put(s)
			}
		}
	}
	b.down()
}

// A slot that is queued more than once is sent as often, and comes back as often.
func testSharedSlot(t *testing.T, b *bench) {
	b.up()
	b.HoldTx(true)
	b.ShareTx(true)
	shared, other := b.get(), b.get()
	copy(b.bytes(shared, 100), fill(1, 100))
	copy(b.bytes(other, 100), fill(2, 100))
	queue := []uint32{shared, shared, other, shared}
	for i, s := range queue {
		if !b.Oob.Send(s, 100) {
			t.Fatalf("Send refused frame %d", i)
		}
	}
	for i, slot := range queue {
		b.Complete(1)
		if got, ok := b.Oob.Reclaim(); !ok || got != slot {
			t.Fatalf("Reclaim %d = %d, %v, want slot %d", i, got, ok, slot)
		}
		if sent, want := b.Sent(), fill(map[uint32]int{shared: 1, other: 2}[slot], 100); len(sent) != 1 || !bytes.Equal(sent[0], want) {
			t.Errorf("frame %d: sent % x, want one % x …", i, sent, want[:14])
		}
	}
	b.ShareTx(false)
	b.put(shared)
	b.put(other)
	b.down()
}

// testAllocations counts with frames injected before and sent after, so that the fake device does nothing meanwhile.
func testAllocations(t *testing.T, b *bench) {
	b.up()
	b.HoldTx(true)
	n := min(b.caps.RxRing, b.caps.TxRing)
	for i := range n {
		b.Inject(fill(i, 60))
	}
	var spares []uint32
	for range n {
		spares = append(spares, b.get())
	}
	i := 0
	if a := testing.AllocsPerRun(n-1, func() {
		b.Oob.Mask()
		b.Oob.Ack()
		slot, n := b.Oob.Receive()
		if i%2 == 0 {
			b.Oob.Send(slot, n)
		} else {
			b.Oob.Transmit(slot, n)
			b.Oob.Start()
		}
		b.Oob.Refill(spares[i])
		b.Oob.Resume()
		b.Oob.Unmask()
		i++
	}); a != 0 || i != n {
		t.Errorf("%v allocations for a frame received and sent, %d frames", a, i)
	}
	b.Oob.Receive() // none: the other path
	b.Oob.Transmit(0, 60)
	b.Complete(n)
	if a := testing.AllocsPerRun(n-1, func() {
		if _, ok := b.Oob.Reclaim(); !ok {
			t.Error("nothing to reclaim")
		}
		b.Oob.Receive()
		b.Oob.Transmit(0, 0)
		b.Oob.Free()
	}); a != 0 {
		t.Errorf("%v allocations for a slot reclaimed", a)
	}
}

// echo lets i arrive and answers it by Send or by its parts.
func (b *bench) echo(i, n int) {
	b.Helper()
	want := fill(i, n)
	b.Inject(want)
	b.Oob.Ack()
	slot, got := b.Oob.Receive()
	if int(got) != n {
		b.Fatalf("Receive = %d bytes, want %d", got, n)
	}
	spare := b.get()
	if i%2 == 0 {
		if !b.Oob.Send(slot, got) {
			b.Fatal("Send refused")
		}
	} else {
		if !b.Oob.Transmit(slot, got) {
			b.Fatal("Transmit refused")
		}
		b.Oob.Start()
	}
	b.Oob.Refill(spare)
	b.Oob.Resume()
	if sent := b.Sent(); len(sent) != 1 || !bytes.Equal(sent[0], want) {
		b.Fatalf("echo %d: sent %d frames, or another", i, len(sent))
	}
	if slot, ok := b.Oob.Reclaim(); ok {
		b.put(slot)
	}
}

func testEcho(t *testing.T, b *bench) {
	b.up()
	for i := range 10 * b.caps.RxRing {
		b.echo(i, 60+i%1463)
	}
	if rx, tx := b.counter("rx_frames"), b.counter("tx_frames"); rx != tx || rx != uint64(10*b.caps.RxRing) {
		t.Errorf("rx_frames = %d, tx_frames = %d, want %d", rx, tx, 10*b.caps.RxRing)
	}
	b.down()
}

func testSendRingFull(t *testing.T, b *bench) {
	b.up()
	b.HoldTx(true)
	for range b.caps.TxRing {
		b.Oob.Transmit(b.get(), 60)
	}
	b.Inject(fill(1, 60))
	slot, n := b.Oob.Receive()
	if b.Oob.Send(slot, n) {
		t.Fatal("Send took a frame into a full ring")
	}
	b.Oob.Refill(slot) // the caller has it still
	b.Oob.Resume()
	b.Inject(fill(2, 60))
	b.expect(fill(2, 60))
	if d := b.drops(); d != 1 {
		t.Errorf("%d drops, want 1", d)
	}
	b.down()
}
