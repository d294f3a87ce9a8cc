package stock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/drivers/mmio"
	"mortise/drivers/nic"
	"mortise/stack/frame"
)

// memory stands for the registers that a Port behind a stock driver has: plain memory.
type memory [enet.FarRegisters / 4]uint32

func (m *memory) ReadReg(off uint32) uint32 { return m[off/4] }
func (m *memory) WriteReg(off, v uint32)    { m[off/4] = v }

// fake is a driver in TamaGo's shape, and the cable behind it.
type fake struct {
	in      [][]byte // to be received; a nil one is a bad frame, which the driver drops
	dropped uint64
	fails   int // receptions that end in an error
	out     [][]byte
	refuses int // transmissions to come that the driver has no room for
	asked   int
	hook    func() // called first by Receive
}

func (f *fake) Receive(buf []byte) (int, error) {
	if f.hook != nil {
		f.hook()
	}
	if f.fails > 0 {
		f.fails--
		return 0, errors.New("failed")
	}
	if len(f.in) == 0 {
		return 0, nil
	}
	b := f.in[0]
	f.in = f.in[1:]
	if b == nil {
		f.dropped++
		return 0, nil
	}
	return copy(buf, b), nil
}

func (f *fake) Transmit(buf []byte) error {
	if f.asked++; f.refuses > 0 {
		f.refuses--
		return errors.New("frame not sent")
	}
	f.out = append(f.out, bytes.Clone(buf))
	return nil
}

func (f *fake) Dropped() []nic.Counter {
	return []nic.Counter{{Name: "rx_bad", Value: f.dropped, Drop: true}}
}

// A bench is a device of which the test is the oob stage.
type bench struct {
	t *testing.T
	*Device
	port    enet.Port
	fake    fake
	clock   enettest.Clock
	rings   enettest.Rings
	free    []uint32
	arrived int
}

const slots = 2*enet.RingSize + 8

func newBench(t *testing.T) *bench {
	b := &bench{t: t, rings: enettest.NewRings(t, slots)}
	const base = 0x9bff0000
	t.Cleanup(mmio.Map(base, enet.FarRegisters, new(memory)))
	var err error
	b.Device, err = New(&b.port, Config{
		Rings: enet.Config{
			Name: "ENET1", Base: base, MAC: [6]byte{2, 0, 0, 0, 0, 1}, Desc: b.rings.Desc, DescBus: b.rings.DescBus,
			Memory: b.rings.Memory, Clock: &b.clock,
		},
		Hardware: Hardware{Driver: &b.fake, MaxLen: 1518},
		Arrived:  func() { b.arrived++ },
		Sent:     func() {},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ring []uint32
	for s := range uint32(slots) {
		if s < enet.RingSize {
			ring = append(ring, s)
		} else {
			b.free = append(b.free, s)
		}
	}
	if err := b.Init(ring); err != nil {
		t.Fatal(err)
	}
	return b
}

// bytes returns n bytes of the frame in slot.
func (b *bench) bytes(slot, n uint32) []byte {
	at := b.rings.Memory.Frame(slot)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), n)
}

func (b *bench) slot() uint32 {
	s := b.free[0]
	b.free = b.free[1:]
	return s
}

// take is what the oob stage does with what has arrived: it receives up to max frames, and gives other slots for them.
func (b *bench) take(max int) (got [][]byte) {
	for len(got) < max {
		slot, n := b.port.Receive()
		if n == 0 {
			break
		}
		got = append(got, bytes.Clone(b.bytes(slot, n)))
		b.port.Refill(b.slot())
		b.free = append(b.free, slot)
	}
	b.port.Resume()
	return got
}

// send is what the oob stage does to transmit a frame.
func (b *bench) send(f []byte) {
	b.t.Helper()
	s := b.slot()
	copy(b.bytes(s, uint32(len(f))), f)
	if !b.port.Send(s, uint32(len(f))) {
		b.t.Fatal("the transmit ring is full")
	}
}

// reclaim returns the slots whose transmission is over.
func (b *bench) reclaim() (n int) {
	for {
		s, ok := b.port.Reclaim()
		if !ok {
			return n
		}
		b.free = append(b.free, s)
		n++
	}
}

func (b *bench) count(name string) uint64 {
	for _, c := range b.Stats(nil) {
		if c.Name == name {
			return c.Value
		}
	}
	b.t.Fatalf("no counter %s", name)
	return 0
}

// numbered returns a frame of n bytes with a number in it.
func numbered(i, n int) []byte {
	f := bytes.Repeat([]byte{byte(i)}, n)
	binary.BigEndian.PutUint32(f, uint32(i))
	return f
}

// steps runs steps until none moves anything, and returns the last one's outcome.
func (b *bench) steps() (o Outcome) {
	for o = b.Step(); o == Moved; o = b.Step() {
	}
	return o
}

// Frames of all sizes come through both rings in their order, around and around.
func TestBothWays(t *testing.T) {
	b := newBench(t)
	for i := range 20 * enet.RingSize {
		want := numbered(i, 14+i%1505)
		b.fake.in = append(b.fake.in, want)
		if o := b.steps(); o != Idle {
			t.Fatalf("frame %d: outcome %v, want idle", i, o)
		}
		if got := b.take(2); len(got) != 1 || !bytes.Equal(got[0], want) || b.arrived != i+1 {
			t.Fatalf("frame %d came as %x, told %d times", i, got, b.arrived)
		}
		b.send(want)
		b.steps()
		if len(b.fake.out) != i+1 || !bytes.Equal(b.fake.out[i], want) || b.reclaim() != 1 {
			t.Fatalf("frame %d was not sent as it is", i)
		}
	}
	if rx, tx := b.count("rx_frames"), b.count("tx_frames"); rx != 20*enet.RingSize || tx != rx {
		t.Errorf("frames received %d, sent %d, want %d", rx, tx, 20*enet.RingSize)
	}
}

// A step moves a batch at most, and what the receive ring has no room for stays with the driver.
func TestBounded(t *testing.T) {
	b := newBench(t)
	for i := range 100 {
		b.fake.in = append(b.fake.in, numbered(i, 60))
	}
	if o := b.Step(); o != Moved || len(b.fake.in) != 100-batch {
		t.Fatalf("outcome %v, %d frames left, want %d", o, len(b.fake.in), 100-batch)
	}
	if o := b.steps(); o != Waits || len(b.fake.in) != 100-enet.RingSize {
		t.Fatalf("outcome %v with a full ring, %d frames left, want %d", o, len(b.fake.in), 100-enet.RingSize)
	}
	next := 0
	for next < 100 {
		got := b.take(10)
		for _, f := range got {
			if !bytes.Equal(f, numbered(next, 60)) {
				t.Fatalf("frame %d is %x", next, f)
			}
			next++
		}
		if len(got) == 0 {
			t.Fatalf("%d frames came, want 100", next)
		}
		b.steps()
	}
	for i := range enet.RingSize {
		b.send(numbered(i, 60))
	}
	if o := b.Step(); o != Moved || len(b.fake.out) != batch {
		t.Fatalf("outcome %v, %d frames sent in a step, want %d", o, len(b.fake.out), batch)
	}
	if o := b.steps(); o != Idle || len(b.fake.out) != enet.RingSize || b.reclaim() != enet.RingSize {
		t.Fatalf("outcome %v, %d frames sent, want %d", o, len(b.fake.out), enet.RingSize)
	}
}

// Frames that the driver drops, or fails at, hold nothing up that is behind them.
func TestBadFrames(t *testing.T) {
	b := newBench(t)
	b.fake.fails = 3
	b.fake.in = [][]byte{nil, numbered(1, 60), nil, nil, numbered(2, 13), numbered(3, 60)}
	b.Step()
	if got := b.take(10); len(got) != 2 || !bytes.Equal(got[1], numbered(3, 60)) {
		t.Errorf("%d frames came, want 2", len(got))
	}
	if bad, failed := b.count("rx_bad"), b.count("rx_failed"); bad != 3 || failed != 4 {
		t.Errorf("dropped by the driver %d, failed %d, want 3 and 4", bad, failed)
	}
}

// A driver that has no room is asked again for txLimit; then the frame is dropped, and the next one has its turn.
func TestTransmitRefused(t *testing.T) {
	b := newBench(t)
	b.fake.refuses = 2
	b.send(numbered(1, 60))
	for range 2 {
		if o := b.steps(); o != Waits {
			t.Fatalf("outcome %v, want to wait", o)
		}
		b.clock.Sleep(retryAfter)
	}
	if o := b.steps(); o != Idle || len(b.fake.out) != 1 || b.reclaim() != 1 || b.count("tx_error") != 0 {
		t.Fatalf("outcome %v, %d frames sent, %d errors", o, len(b.fake.out), b.count("tx_error"))
	}

	b.fake.refuses = 1 << 20
	b.send(numbered(2, 60))
	b.send(numbered(3, 60))
	asked := b.fake.asked
	for range 2 * (txLimit/retryAfter + 1) {
		b.steps()
		b.clock.Sleep(retryAfter)
	}
	if n := b.reclaim(); n != 2 || b.count("tx_error") != 2 || b.fake.asked-asked > 2*int(txLimit/retryAfter+1) {
		t.Errorf("%d frames given back, %d counted, the driver asked %d times", n, b.count("tx_error"), b.fake.asked-asked)
	}
	b.fake.refuses = 0
	b.send(numbered(4, 1519)) // longer than the driver takes: not offered
	b.send(numbered(5, 1518))
	if o := b.steps(); o != Idle || len(b.fake.out) != 2 || !bytes.Equal(b.fake.out[1], numbered(5, 1518)) || b.reclaim() != 2 || b.count("tx_error") != 3 {
		t.Errorf("outcome %v, %d frames sent, %d errors", o, len(b.fake.out), b.count("tx_error"))
	}
}

// A frame that begins a tag's length in front of its place, or behind it, is sent from there.
func TestShifted(t *testing.T) {
	for _, shift := range []int32{-4, 4} {
		b := newBench(t)
		s := b.slot()
		whole := b.bytes(s, 200)
		copy(whole, numbered(7, 200))
		want := numbered(7, 200)[4:104]
		if shift < 0 {
			at := b.rings.Memory.Frame(s) - 4
			head := unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), 4)
			copy(head, "head")
			want = append([]byte("head"), numbered(7, 200)[:96]...)
		}
		if !b.port.SendFrom(s, uint32(shift), 100) {
			t.Fatal("not queued")
		}
		b.steps()
		if len(b.fake.out) != 1 || !bytes.Equal(b.fake.out[0], want) {
			t.Errorf("shift %d: sent %x, want %x", shift, b.fake.out, want)
		}
	}
}

// What oob code has written astray into a descriptor is neither read nor sent.
func TestAstray(t *testing.T) {
	for name, off := range map[string]uint32{
		"in front of the memory": ^uint32(0) - 0xffff, "behind it": slots * frame.SlotSize, "over a slot's end": frame.SlotSize - 20,
	} {
		b := newBench(t)
		addr := b.rings.Memory.Bus + off
		b.send(numbered(1, 60))
		d := b.rings.Desc + enet.DescBytes/2 + 4 // the buffer's address in the first transmit descriptor
		*(*uint32)(*(*unsafe.Pointer)(unsafe.Pointer(&d))) = addr
		if o := b.steps(); o != Idle || len(b.fake.out) != 0 || b.reclaim() != 1 || b.count("tx_error") != 1 {
			t.Errorf("%s: outcome %v, sent %x", name, o, b.fake.out)
		}
	}
}

// After a fault in the oob stage the rings are built anew: every slot is known, what waited to be sent is, what had arrived is
// counted, and frames move again.
func TestReinit(t *testing.T) {
	b := newBench(t)
	for i := range 5 {
		b.fake.in = append(b.fake.in, numbered(i, 60))
	}
	b.steps()
	b.send(numbered(9, 60))
	if held := b.Held(nil); len(held) != enet.RingSize+1 {
		t.Errorf("%d slots are held, want %d", len(held), enet.RingSize+1)
	}
	var ring []uint32
	for s := range uint32(enet.RingSize) {
		ring = append(ring, slots-1-s)
	}
	if err := b.Reinit(ring); err != nil {
		t.Fatal(err)
	}
	if len(b.fake.out) != 1 || b.count("rx_aborted") != 5 || b.count("tx_aborted") != 0 {
		t.Errorf("sent %d, aborted %d and %d, want 1, 5 and 0", len(b.fake.out), b.count("rx_aborted"), b.count("tx_aborted"))
	}
	b.fake.in = [][]byte{numbered(6, 60)}
	b.free = []uint32{0}
	b.steps()
	if got := b.take(2); len(got) != 1 || !bytes.Equal(got[0], numbered(6, 60)) {
		t.Errorf("%x came afterwards", got)
	}
	if err := b.Reinit(ring[1:]); err == nil {
		t.Error("63 slots for the ring: no error")
	}
}

// Run carries what Wake and Interrupt tell of.
func TestRun(t *testing.T) {
	b := newBench(t)
	quiet, sent := 0, make(chan int, 8)
	b.c.Hardware.Quiet = func() { quiet++ }
	b.c.Sent = func() { sent <- len(b.fake.out) }
	b.send(numbered(1, 60))
	go b.Run()
	select {
	case <-sent:
	case <-time.After(10 * time.Second):
		t.Fatal("a frame that waited at the start was not sent")
	}
	looked := make(chan bool)
	b.mu.Lock()
	b.fake.hook = func() {
		close(looked)
		select {} // Run ends with the test
	}
	b.mu.Unlock()
	b.Interrupt()
	select {
	case <-looked:
	case <-time.After(10 * time.Second):
		t.Fatal("an interrupt does not have the driver asked")
	}
	if quiet != 1 {
		t.Errorf("the driver's interrupt was taken back %d times, want once", quiet)
	}
}

func TestUnsupported(t *testing.T) {
	b := newBench(t)
	_, readErr := b.ReadPHY(1, 2)
	for name, err := range map[string]error{
		"SetMAC": b.SetMAC([6]byte{2}), "ReadPHY": readErr, "WritePHY": b.WritePHY(1, 2, 3),
		"promiscuous": b.SetFilter(nil, true), "group": b.SetFilter([][6]byte{{1}}, false),
	} {
		if !errors.Is(err, errNot) || !strings.Contains(fmt.Sprint(err), "ENET1: ") {
			t.Errorf("%s: error %v, want one that says what is not supported", name, err)
		}
	}
	if err := b.SetFilter(nil, false); err != nil {
		t.Errorf("no filter: %v", err)
	}
	var wrong *nic.ConfigError
	if err := b.SetLink(nic.Link{Up: true, SpeedMbps: 10, FullDuplex: true}); !errors.As(err, &wrong) {
		t.Errorf("10 Mb/s: %v, want an error", err)
	}
	if err := b.SetLink(nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}); err != nil || !b.Link().Up {
		t.Errorf("100 Mb/s: %v", err)
	}
	if c := b.Capabilities(); c.OobCapable || c.MaxLen != 1518 {
		t.Errorf("capabilities %+v, want none for the oob stage", c)
	}
	if _, err := New(&enet.Port{}, Config{}); err == nil {
		t.Error("New without a driver: no error")
	}
}
