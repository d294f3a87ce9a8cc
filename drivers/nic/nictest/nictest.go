// Package nictest is the conformance suite of network drivers: what drivers/nic says of the oob function set, as tests that
// every driver's host tests run against their fake device.
//
// Stage: host only. Does not support: throughput, hardware.
package nictest

import (
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
