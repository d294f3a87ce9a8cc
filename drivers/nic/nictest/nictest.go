// Package nictest is the conformance suite of network drivers: what drivers/nic says of the oob function set, as tests that
// every driver's host tests run against their fake device.
//
// Stage: host only. Does not support: throughput, hardware.
package nictest

import (
	"bytes"
	"testing"

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
