package divert

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/drivers/mmio"
	"mortise/drivers/stock"
	"mortise/stack/oob"
	"mortise/stack/wire/wiretest"
)

// cable is a driver in TamaGo's shape, with a cable in the test's hands.
type cable struct{ in, out [][]byte }

func (c *cable) Receive(buf []byte) (n int, err error) {
	if len(c.in) > 0 {
		n = copy(buf, c.in[0])
		c.in = c.in[1:]
	}
	return n, nil
}

func (c *cable) Transmit(buf []byte) error {
	c.out = append(c.out, bytes.Clone(buf))
	return nil
}

// take returns what was sent.
func (c *cable) take() [][]byte {
	out := c.out
	c.out = nil
	return out
}

type registers [enet.FarRegisters / 4]uint32

func (r *registers) ReadReg(off uint32) uint32 { return r[off/4] }
func (r *registers) WriteReg(off, v uint32)    { r[off/4] = v }

// stockBench is bench with a stock driver: device 0 over a cable.
type stockBench struct {
	bench
	nic    cable
	raised int
	todo   uint32 // what the activations have asked for
}

func newStockBench(t *testing.T, diverted bool) *stockBench {
	t.Helper()
	const base = 0x9bff0000
	t.Cleanup(mmio.Map(base, enet.FarRegisters, new(registers)))
	b := &stockBench{bench: bench{site: wiretest.DefaultSite()}}
	rings := enettest.NewRings(t, SlotsPerDevice)
	var err error
	counters[0] = [NumCounters]uint32{}
	b.Device, err = New(0, Config{
		Name: "rt0", TickHz: 1_000_000,
		Driver: enet.Config{
			Name: "ENET1", Base: base, MAC: b.site.MAC, Desc: rings.Desc, DescBus: rings.DescBus, Memory: rings.Memory,
			Clock: &enettest.Clock{},
		},
		Stock: &stock.Hardware{Driver: &b.nic, MaxLen: 1518},
		Hooks: Hooks{
			Kick:  func() { b.kicks++; b.todo |= Kicked() },
			Route: func(toOob bool) { b.routed = append(b.routed, toOob) },
			Raise: func() { b.raised++; b.todo |= Poll(0) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { all[0] = nil })
	if err := oob.Configure(siteConfig(b.site), Adopt); err != nil {
		t.Fatal(err)
	}
	b.Serve(diverted)
	b.raised = 0
	return b
}

// carry is what Carry does, until nothing is left.
func (b *stockBench) carry() {
	for b.stock.Step() == stock.Moved {
	}
}

// inbandNumbers returns the numbers of the frames that in-band gets.
func (b *stockBench) inbandNumbers() (got []uint32) {
	for b.Receive(64, func(f []byte) { got = append(got, number(f)) }) > 0 {
	}
	return got
}

// The oob stage answers what a stock driver receives, and leaves in-band what is in-band's, in the activation that the driver's
// goroutine begins.
func TestStockAnswers(t *testing.T) {
	b := newStockBench(t, true)
	if b.RealTime() || b.Driver().Capabilities().OobCapable {
		t.Error("a stock driver is said to be real-time")
	}
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	b.nic.in = [][]byte{b.inband(1), request, b.inband(2)}
	b.carry()
	if out := b.nic.take(); len(out) != 1 || !bytes.Equal(out[0], reply) || b.raised != 1 || b.todo != WakeInband {
		t.Errorf("sent %x, raised %d times, asked for %#x, want the echo, once, and to wake in-band", out, b.raised, b.todo)
	}
	if got := b.inbandNumbers(); !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("in-band got %v, want 1 and 2", got)
	}
	if b.count(TxOob) != 1 || b.count(Received) != 3 || b.count(Inband) != 2 {
		t.Errorf("counters %v", counters[0])
	}
	b.slots(t)
}

// In-band sends over a stock driver whoever drives the device, more than the transmit ring holds, too.
func TestStockInbandSends(t *testing.T) {
	for _, diverted := range []bool{true, false} {
		b := newStockBench(t, diverted)
		const frames = inbandTx
		for i := range uint32(frames) {
			if !b.Send(100, func(f []byte) { binary.BigEndian.PutUint32(f, i) }) {
				t.Fatalf("frame %d was not taken", i)
			}
		}
		b.carry()
		out := b.nic.take()
		for i, f := range out {
			if binary.BigEndian.Uint32(f) != uint32(i) || len(f) != 100 {
				t.Fatalf("diverted %v: frame %d is %x", diverted, i, f)
			}
		}
		if len(out) != frames || b.count(TxInband) != frames {
			t.Errorf("diverted %v: %d frames sent, %d counted, want %d", diverted, len(out), b.count(TxInband), frames)
		}
		b.slots(t)
	}
}

// The device changes hands between any two steps: no frame is lost, none goes to both stages.
func TestStockDivert(t *testing.T) {
	b := newStockBench(t, true)
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	on, answered, sent := true, 0, uint32(0)
	var got []uint32
	for i := range 300 {
		clock += 1000 // in-band's frames have a limit for each millisecond
		b.nic.in = append(b.nic.in, b.inband(sent))
		sent++
		if on {
			b.nic.in = append(b.nic.in, request)
			answered++
		}
		if i%3 == 0 {
			b.stock.Step()
		}
		if i%5 == 0 {
			if b.carry(); len(b.nic.in) != 0 {
				t.Fatalf("round %d: %d frames are left with the driver", i, len(b.nic.in))
			}
			on = !on
			b.Divert(on)
		}
		if i%7 == 0 {
			got = append(got, b.inbandNumbers()...)
		}
	}
	b.carry()
	got = append(got, b.inbandNumbers()...)
	b.carry()
	for i, n := range got {
		if n != uint32(i) {
			t.Fatalf("in-band got frame %d in the place of %d", n, i)
		}
	}
	out := b.nic.take()
	for _, f := range out {
		if !bytes.Equal(f, reply) {
			t.Fatalf("sent %x", f)
		}
	}
	if uint32(len(got)) != sent || len(out) != answered {
		t.Errorf("in-band got %d frames of %d, the oob stage answered %d of %d", len(got), sent, len(out), answered)
	}
	b.slots(t)
}

// What arrived while the device was in nobody's hands is looked at when it is the oob stage's again.
func TestStockWaitsForDivert(t *testing.T) {
	b := newStockBench(t, false)
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	b.nic.in = [][]byte{request}
	b.carry() // in-band is told, and does not come by before the device is diverted
	b.Divert(true)
	b.carry()
	if out := b.nic.take(); len(out) != 1 || !bytes.Equal(out[0], reply) {
		t.Errorf("sent %x, want the echo", out)
	}
	b.slots(t)
}

// What a task submits makes in-band run; a device that is not diverted, or has an oob-capable driver, does not.
func TestStockSubmit(t *testing.T) {
	b := newStockBench(t, true)
	slot := table[0].free.At(0)
	wakes = 0
	table[0].free.Get()
	empty, ok := Submit(0, slot, 60)
	if !ok || wakes != 1 {
		t.Fatalf("submitted %v, %d wakes, want 1", ok, wakes)
	}
	table[0].free.Put(empty)
	b.carry()
	if out := b.nic.take(); len(out) != 1 || len(out[0]) != 60 {
		t.Errorf("sent %x", out)
	}
	b.Divert(false)
	if _, ok := Submit(0, slot, 60); ok || wakes != 1 {
		t.Errorf("submitted to a device that is in-band's: %v, %d wakes", ok, wakes)
	}
}

// A fault of the oob stage: in-band serves the device, what it owned is not lost, and the oob stage can have it again.
func TestStockRecover(t *testing.T) {
	b := newStockBench(t, true)
	b.nic.in = [][]byte{b.inband(1)}
	b.carry()
	b.Send(100, func(f []byte) { f[0] = 7 }) // in the transmit ring when the fault comes
	if _, err := Recover(b.Device); err != nil {
		t.Fatal(err)
	}
	b.nic.in = append(b.nic.in, b.inband(2))
	b.carry()
	if got := b.inbandNumbers(); !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("in-band got %v, want 1 and 2", got)
	}
	b.slots(t)
	if out := b.nic.take(); len(out) != 1 || out[0][0] != 7 {
		t.Errorf("sent %x, want what waited", out)
	}
	b.Divert(true)
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	b.nic.in = append(b.nic.in, request)
	b.carry()
	if out := b.nic.take(); len(out) != 1 || !bytes.Equal(out[0], reply) {
		t.Errorf("sent %x, want the echo", out)
	}
	b.slots(t)
}
