package enet_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
)

// TestErrorBits: each error a frame can have is counted once, under one name, and its slot goes back to the ring.
func TestErrorBits(t *testing.T) {
	long := make([]byte, 1524)
	for _, tt := range []struct {
		name    string
		frame   []byte
		status  uint32
		counter string
	}{
		{"too long", make([]byte, 60), enettest.LG, "rx_long"},
		{"non-octet", make([]byte, 60), enettest.NO, "rx_non_octet"},
		{"bad FCS", make([]byte, 60), enettest.CR, "rx_crc"},
		{"overrun", make([]byte, 60), enettest.OV, "rx_overrun"},
		{"truncated", make([]byte, 60), enettest.TR, "rx_truncated"},
		{"MAC error alone", make([]byte, 60), enettest.ME, "rx_mac_error"},
		{"bad FCS and MAC error", make([]byte, 60), enettest.CR | enettest.ME, "rx_crc"},
		{"non-octet and bad FCS", make([]byte, 60), enettest.NO | enettest.CR, "rx_non_octet"},
		{"truncated hides the rest", make([]byte, 60), enettest.TR | enettest.LG | enettest.CR | enettest.OV, "rx_truncated"},
		{"overrun hides the rest", make([]byte, 60), enettest.OV | enettest.NO | enettest.CR, "rx_overrun"},
		{"all", make([]byte, 60), enettest.LG | enettest.NO | enettest.CR | enettest.OV | enettest.TR | enettest.ME, "rx_truncated"},
		{"1524 bytes", long, 0, "rx_long"},
		{"1600 bytes", make([]byte, 1600), 0, "rx_truncated"},
		{"9000 bytes", make([]byte, 9000), 0, "rx_truncated"},
		{"empty", nil, 0, "rx_short"},
		{"one byte", make([]byte, 1), 0, "rx_short"},
		{"13 bytes", make([]byte, 13), 0, "rx_short"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, enettest.Options{Hold: true}, nil).up(t)
			good := bytes.Repeat([]byte{0x5a}, 60)
			const turns = 2*enet.RingSize + 3
			for range turns {
				b.InjectStatus(tt.frame, tt.status)
				b.Inject(good)
				slot, n := b.port.Receive()
				if n != 60 || !bytes.Equal(b.bytes(slot, n), good) {
					t.Fatalf("Receive = %d bytes, want the good frame behind the bad one", n)
				}
				b.port.Refill(slot)
				b.port.Resume()
			}
			want := map[string]uint64{tt.counter: turns, "rx_frames": turns}
			if d := cmp.Diff(want, b.counters()); d != "" {
				t.Error(d)
			}
			if got, err := b.dev.Shutdown(nil); err != nil || len(got) != enet.RingSize {
				t.Errorf("Shutdown = %d slots, %v, want %d", len(got), err, enet.RingSize)
			}
		})
	}
}

// TestOnlyBadFrames: a ring full of bad frames is recycled in one call, and the device goes on.
func TestOnlyBadFrames(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	for range enet.RingSize {
		b.InjectStatus(make([]byte, 60), enettest.CR)
	}
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive = %d bytes, want nothing", n)
	}
	b.port.Resume()
	b.Inject(make([]byte, 99))
	if _, n := b.port.Receive(); n != 99 {
		t.Errorf("Receive = %d bytes, want 99", n)
	}
	if d := cmp.Diff(map[string]uint64{"rx_crc": enet.RingSize, "rx_frames": 1}, b.counters()); d != "" {
		t.Error(d)
	}
}

// TestSplitFrames: with MRBR made smaller behind the driver's back, frames take several buffers. Each is counted once and
// recycled to its end, be its parts there at once or in two calls.
func TestSplitFrames(t *testing.T) {
	b := newBench(t, enettest.Options{Hold: true}, nil).up(t)
	const mrbr = 0x188
	for i := range 100 {
		b.WriteReg(mrbr, 128)
		b.Inject(make([]byte, 200+i*7%1000))
		b.WriteReg(mrbr, 1984)
		good := bytes.Repeat([]byte{byte(i)}, 61)
		b.Inject(good)
		slot, n := b.port.Receive()
		if n != 61 || !bytes.Equal(b.bytes(slot, n), good) {
			t.Fatalf("turn %d: Receive = %d bytes, want the 61 behind the split frame", i, n)
		}
		b.port.Refill(slot)
		b.port.Resume()
	}
	if d := cmp.Diff(map[string]uint64{"rx_split": 100, "rx_frames": 100}, b.counters()); d != "" {
		t.Error(d)
	}
}

// TestSplitFrameInTwoCalls puts the first part of a split frame into the ring, and the rest after Receive has seen it.
func TestSplitFrameInTwoCalls(t *testing.T) {
	b := newBench(t, enettest.Options{Hold: true, Unchecked: true}, nil).up(t)
	ctl := func(i int, v uint32) {
		a := b.rings.Desc + uintptr(i*32)
		**(**uint32)(unsafe.Pointer(&a)) = v
	}
	const last = 1 << 27
	ctl(0, 1984)
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive of a first part = %d bytes", n)
	}
	ctl(1, 1984)
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive of a middle part = %d bytes", n)
	}
	ctl(2, last|66) // looks like a good frame of 60 bytes
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive of a last part = %d bytes", n)
	}
	ctl(3, last|66)
	if slot, n := b.port.Receive(); n != 60 || slot != 3 {
		t.Fatalf("Receive = slot %d, %d bytes, want slot 3, 60 bytes", slot, n)
	}
	if d := cmp.Diff(map[string]uint64{"rx_split": 1}, b.counters(), cmp.FilterPath(ignoreFrames, cmp.Ignore())); d != "" {
		t.Error(d)
	}
}

func ignoreFrames(p cmp.Path) bool { return strings.Contains(p.Last().String(), "rx_frames") }

// TestTransmitError: a frame that the MAC gave up is counted, and its slot comes back.
func TestTransmitError(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.TxFail = 2
	for i := range uint32(4) {
		b.port.Transmit(100+i, 60)
	}
	b.port.Start()
	for i := range uint32(4) {
		if s, ok := b.port.Reclaim(); !ok || s != 100+i {
			t.Errorf("Reclaim = %d, %v, want %d", s, ok, 100+i)
		}
	}
	if d := cmp.Diff(map[string]uint64{"tx_frames": 4, "tx_error": 2}, b.counters()); d != "" {
		t.Error(d)
	}
	if n := len(b.Sent()); n != 2 {
		t.Errorf("%d frames sent, want 2", n)
	}
}

// TestStalledTransmitter: TDAR falls with a frame ready (ERR007885, ERR006358: the DMA had seen the descriptor unready).
// TDAR is not written while it is set (the fake fails the test), and Reclaim starts the transmitter again.
func TestStalledTransmitter(t *testing.T) {
	b := newBench(t, enettest.Options{Async: true}, nil).up(t)
	b.port.Transmit(100, 60)
	b.port.Start()
	b.port.Transmit(101, 60)
	b.port.Start() // TDAR is set: not written
	b.Stall()
	if _, ok := b.port.Reclaim(); ok {
		t.Fatal("Reclaim of a frame that was not sent")
	}
	if n := b.Complete(-1); n != 2 {
		t.Fatalf("%d frames sent after the restart, want 2", n)
	}
	for want := uint32(100); want < 102; want++ {
		if s, ok := b.port.Reclaim(); !ok || s != want {
			t.Errorf("Reclaim = %d, %v, want %d", s, ok, want)
		}
	}
	if got := b.counters()["tx_restart"]; got != 1 {
		t.Errorf("tx_restart = %d, want 1", got)
	}
}

func BenchmarkFakeEcho(b *testing.B) {
	for _, unchecked := range []bool{false, true} {
		b.Run(fmt.Sprintf("unchecked=%v", unchecked), func(b *testing.B) {
			e := newBench(b, enettest.Options{Unchecked: unchecked}, nil).up(b)
			f, spare := make([]byte, 64), uint32(100)
			for b.Loop() {
				e.Inject(f)
				e.port.Ack()
				slot, n := e.port.Receive()
				e.port.Send(slot, n)
				e.port.Refill(spare)
				e.port.Resume()
				spare, _ = e.port.Reclaim()
				e.Discard()
			}
		})
	}
}

// FuzzRing drives the port with random steps against a model of who owns each slot.
func FuzzRing(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, 2000, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps int, hold bool) {
		b := newBench(t, enettest.Options{Hold: hold, Async: true}, nil).up(t)
		r := rand.New(rand.NewPCG(seed, 5))
		var free []uint32
		for s := uint32(enet.RingSize); s < b.rings.Memory.Slots; s++ {
			free = append(free, s)
		}
		for range min(steps, 10000) {
			switch r.IntN(6) {
			case 0, 1:
				status := uint32(0)
				if r.IntN(4) == 0 {
					status = 1 << (16 + r.IntN(6))
				}
				b.InjectStatus(make([]byte, 14+r.IntN(1600)), status)
			case 2:
				b.port.Ack()
				for range r.IntN(2 * enet.RingSize) {
					slot, n := b.port.Receive()
					if n == 0 {
						break
					}
					if r.IntN(2) == 0 && len(free) > 0 && b.port.Send(slot, n) {
						slot, free = free[0], free[1:]
					}
					b.port.Refill(slot)
				}
				b.port.Resume()
			case 3:
				if len(free) > 0 && b.port.Transmit(free[0], uint32(r.IntN(1600))) {
					free = free[1:]
				}
				b.port.Start()
			case 4:
				b.Complete(r.IntN(enet.RingSize))
				if r.IntN(8) == 0 {
					b.Stall()
				}
			case 5:
				for slot, ok := b.port.Reclaim(); ok; slot, ok = b.port.Reclaim() {
					free = append(free, slot)
				}
			}
			b.Discard()
		}
		b.Check()
		got, err := b.dev.Shutdown(free)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		for i, s := range got {
			if uint32(i) != s {
				t.Fatalf("slot %d is missing or twice", i)
			}
		}
		if len(got) != int(b.rings.Memory.Slots) {
			t.Errorf("%d slots, want %d", len(got), b.rings.Memory.Slots)
		}
	})
}
