// Package nictest is the conformance suite of network drivers: what drivers/nic says of the oob function set, as tests that
// every driver's host tests run against their fake device.
//
// Stage: host only. Does not support: throughput, hardware.
package nictest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"mortise/drivers/nic"
	"mortise/stack/frame"
)

// Oob is the oob function set, as an interface for tests only: oob code calls the concrete type.
type Oob interface {
	Ack()
	Receive() (slot, n uint32)
	Refill(slot uint32)
	Resume()
	Transmit(slot, n uint32) bool
	Send(slot, n uint32) bool
	Start()
	Free() uint32
	Reclaim() (slot uint32, ok bool)
	Mask()
	Unmask()
}

// A Rig is a driver with its fake device, shut down.
type Rig struct {
	Oob    Oob
	Device nic.Device
	Memory frame.Memory
	// Up initialises the device with the slots of its receive ring; Reinit does the same in any state.
	Up, Reinit func(slots []uint32) error
	// Inject lets a frame arrive and reports whether it reached the ring at once.
	Inject func(b []byte) bool
	// Interrupt reports whether the receive interrupt is asserted.
	Interrupt func() bool
	// Sent returns what was sent since the last call.
	Sent func() [][]byte
	// HoldTx makes transmission asynchronous, or not; Complete sends n frames queued.
	HoldTx   func(bool)
	Complete func(n int) int
	// ShareTx lets a slot be queued more than once at a time, which the fake device takes for a mistake otherwise.
	ShareTx func(bool)
	// Smallest is the shortest frame in bytes that the device passes on.
	Smallest int
}

// Run runs the suite; fresh makes a rig for one test. The rig's memory needs 4 × the rings' slots.
func Run(t *testing.T, fresh func(testing.TB) *Rig) {
	for _, tt := range []struct {
		name string
		f    func(*testing.T, *bench)
	}{
		{"Capabilities", testCapabilities},
		{"ReceiveOrder", testReceiveOrder},
		{"RefillLater", testRefillLater},
		{"Lengths", testLengths},
		{"Interrupt", testInterrupt},
		{"ReceiveRingEmpty", testReceiveRingEmpty},
		{"TransmitRingFull", testTransmitRingFull},
		{"TransmitLengths", testTransmitLengths},
		{"ReclaimOrder", testReclaimOrder},
		{"SharedSlot", testSharedSlot},
		{"Echo", testEcho},
		{"SendRingFull", testSendRingFull},
		{"Shutdown", testShutdown},
		{"ReinitHalfDone", testReinitHalfDone},
		{"Allocations", testAllocations},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{T: t, Rig: fresh(t)}
			b.caps = b.Device.Capabilities()
			for s := range b.Memory.Slots {
				b.free = append(b.free, s)
			}
			tt.f(t, b)
		})
	}
}

// bench is a rig and the slots that the test owns.
type bench struct {
	*testing.T
	*Rig
	caps nic.Capabilities
	free []uint32
}

func (b *bench) get() uint32 {
	b.Helper()
	if len(b.free) == 0 {
		b.Fatal("the test has no slot left")
	}
	s := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return s
}

func (b *bench) put(s uint32) {
	b.Helper()
	if s >= b.Memory.Slots || slices.Contains(b.free, s) {
		b.Fatalf("the driver gave back slot %d, which is not one it had", s)
	}
	b.free = append(b.free, s)
}

func (b *bench) up() {
	b.Helper()
	var slots []uint32
	for range b.caps.RxRing {
		slots = append(slots, b.get())
	}
	if err := b.Up(slots); err != nil {
		b.Fatal(err)
	}
	b.Oob.Unmask()
}

func (b *bench) down() {
	b.Helper()
	slots, err := b.Device.Shutdown(nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range slots {
		b.put(s)
	}
	if len(b.free) != int(b.Memory.Slots) {
		b.Fatalf("%d slots after shutdown, want all %d", len(b.free), b.Memory.Slots)
	}
}

// bytes returns the frame in slot. Not inlined: Go 1.26.8's compiler fails on a copy of constant size from such a pointer.
//
//go:noinline
func (b *bench) bytes(slot, n uint32) []byte {
	a := b.Memory.Frame(slot)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&a)), n)
}

// fill returns the n bytes of frame number i.
func fill(i, n int) []byte {
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(i*7 + j*31 + j>>8)
	}
	return b
}

// expect receives one frame, compares it and refills with another slot.
func (b *bench) expect(want []byte) {
	b.Helper()
	slot, n := b.Oob.Receive()
	if n == 0 {
		b.Fatalf("Receive: nothing, want %d bytes", len(want))
	}
	if got := b.bytes(slot, n); !bytes.Equal(got, want) {
		b.Fatalf("Receive = %d bytes % x …, want %d bytes % x …", n, got[:14], len(want), want[:14])
	}
	if b.Memory.Frame(slot)%4 != 2 {
		b.Fatalf("frame at %#x: the IP header is not a multiple of 4", b.Memory.Frame(slot))
	}
	s := b.get()
	b.put(slot)
	b.Oob.Refill(s)
}

func (b *bench) expectNone() {
	b.Helper()
	if slot, n := b.Oob.Receive(); n != 0 {
		b.Fatalf("Receive = slot %d, %d bytes, want nothing", slot, n)
	}
}

func (b *bench) counter(name string) uint64 {
	b.Helper()
	for _, c := range b.Device.Stats(nil) {
		if c.Name == name {
			return c.Value
		}
	}
	b.Fatalf("no counter %s", name)
	return 0
}

// drops returns the sum of all drop counters.
func (b *bench) drops() (sum uint64) {
	for _, c := range b.Device.Stats(nil) {
		if c.Drop {
			sum += c.Value
		}
	}
	return sum
}

func testCapabilities(t *testing.T, b *bench) {
	if c := b.caps; !c.OobCapable || c.RxRing < 1 || c.TxRing < 1 || c.MaxLen != frame.MaxLen {
		t.Errorf("Capabilities = %+v", c)
	}
	seen := map[string]bool{}
	for _, c := range b.Device.Stats(nil) {
		if seen[c.Name] || c.Value != 0 {
			t.Errorf("counter %q twice or not 0: %d", c.Name, c.Value)
		}
		seen[c.Name] = true
	}
}

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

// echo lets i arrive and answers it by Send or by its parts.
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
