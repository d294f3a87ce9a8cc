package nictest

import (
	"bytes"
	"slices"
	"testing"
	"unsafe"

	"mortise/drivers/nic"
)

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
