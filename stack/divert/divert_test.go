package divert

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/frame"
	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// A bench is a device of the table over a fake controller.
type bench struct {
	*Device
	nic  *enettest.ENET
	site wiretest.Site
	// What the hooks saw.
	kicks  int
	routed []bool
}

// newBench sets device 0 up for the default configuration's rt0.
func newBench(t testing.TB, diverted bool, o enettest.Options) *bench {
	t.Helper()
	b := &bench{site: wiretest.DefaultSite()}
	rings := enettest.NewRings(t, SlotsPerDevice)
	o.Base = 0x02188000
	b.nic = enettest.New(t, rings, o)
	var err error
	counters[0] = [NumCounters]uint32{}
	b.Device, err = New(0, Config{
		Name: "rt0", TickHz: 1_000_000,
		Driver: enet.Config{
			Name: "ENET1", Base: o.Base, ClkHz: 66_000_000, MAC: b.site.MAC,
			Desc: rings.Desc, DescBus: rings.DescBus, Memory: rings.Memory, Clock: &enettest.Clock{},
		},
		Hooks: Hooks{
			Kick:  func() { b.kicks++; Kicked() },
			Route: func(toOob bool) { b.routed = append(b.routed, toOob) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := oob.Configure(siteConfig(b.site), Adopt); err != nil {
		t.Fatal(err)
	}
	b.Serve(diverted)
	return b
}

func siteConfig(s wiretest.Site) *oob.Config {
	var c oob.Config
	d := &c.Device[0]
	d.MAC = s.MAC
	d.Ports[0] = oob.PortConfig{Addr: s.Addr, Prefix: 24, Rules: true}
	d.Ports[0].UDP.Add(7, 7)
	d.Ports[1] = oob.PortConfig{VID: s.VID, Addr: s.VAddr, Prefix: 24}
	return &c
}

// inband returns a frame that the companion core leaves to in-band, with a number in it.
func (b *bench) inband(n uint32) []byte {
	return wire.AppendUDP(nil, b.site.From(), 40000, 7777, binary.BigEndian.AppendUint32(nil, n))
}

func number(f []byte) uint32 { return binary.BigEndian.Uint32(f[14+20+8:]) }

// slots checks that every slot is in exactly one place.
func (b *bench) slots(t testing.TB) {
	t.Helper()
	sum := uint32(0)
	for _, p := range b.Slots() {
		if p.Place != "free_lowest" {
			sum += p.Slots
		}
	}
	if sum != SlotsPerDevice {
		t.Fatalf("slots in all places = %d, want %d: %+v", sum, SlotsPerDevice, b.Slots())
	}
	v := &table[0]
	if got := v.rx.Size(); got != inbandRx {
		t.Fatalf("in-band's receiving share = %d, want %d", got, inbandRx)
	}
	if got := v.tx.Size(); got != inbandTx {
		t.Fatalf("in-band's sending share = %d, want %d", got, inbandTx)
	}
}

func (b *bench) count(c Counter) uint32 { return counters[0][c] }

func TestAnswerGoesOutAtOnce(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	b.nic.Inject(b.inband(1))
	b.nic.Inject(request)
	b.nic.Inject(b.inband(2))
	if todo := Poll(0); todo != WakeInband {
		t.Errorf("Poll = %#x, want WakeInband", todo)
	}
	sent := b.nic.Sent()
	if len(sent) != 1 || !bytes.Equal(sent[0], reply) {
		t.Errorf("sent %x, want the echo", sent)
	}
	var got []uint32
	if n := b.Receive(10, func(f []byte) { got = append(got, number(f)) }); n != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("in-band received %v, want 1 and 2", got)
	}
	b.slots(t)
}

// A frame whose event Ack clears is served in the same activation; one behind Ack raises the interrupt again.
func TestNoEventIsMissed(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	first, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	second, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 2))
	for _, requests := range [][][]byte{{first}, {}, {first, second}} {
		for _, r := range requests {
			b.nic.Inject(r)
		}
		b.nic.AtAck = func() { b.nic.Inject(second) }
		Poll(0)
		if got, want := len(b.nic.Sent()), len(requests)+1; got != want {
			t.Errorf("%d requests, one more ahead of Ack: %d answers, want %d", len(requests), got, want)
		}
		if b.nic.Interrupt() {
			t.Error("interrupt asserted for frames that were served")
		}
	}
	b.nic.Inject(first)
	if !b.nic.Interrupt() {
		t.Error("interrupt not asserted for a frame behind Ack")
	}
	b.slots(t)
}

// A received frame for which no empty slot is left to give the ring in its place is dropped, and counted as that: the ring is whole.
func TestNoSlotLeft(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	v := &table[0]
	var kept []uint32
	for v.free.Len() > 2 { // cannot be: the reserve is for this
		s, _ := v.free.Get()
		kept = append(kept, s)
	}
	for n := range uint32(5) {
		b.nic.Inject(b.inband(n))
	}
	Poll(0)
	if got := b.count(NoSlot); got != 3 {
		t.Errorf("no_slot = %d, want 3", got)
	}
	b.noTxSlot.Store(4)
	if got := b.Dropped(); got != 3+4 {
		t.Errorf("Dropped = %d, want 7", got)
	}
	var got []uint32
	b.Receive(8, func(f []byte) { got = append(got, number(f)) })
	if len(got) != 2 || got[0] != 0 || got[1] != 1 {
		t.Errorf("in-band got %v, want the two that there were slots for", got)
	}
	for _, s := range kept {
		v.free.Put(s)
	}
	b.slots(t)
	for n := range uint32(enet.RingSize) {
		b.nic.Inject(b.inband(n))
	}
	for b.nic.Interrupt() || v.throttled != 0 {
		clock += 1000
		Tick(0)
		Poll(0)
	}
	if n := b.Receive(enet.RingSize, func([]byte) {}); n != enet.RingSize {
		t.Errorf("%d frames through the whole ring afterwards, want %d", n, enet.RingSize)
	}
}

// What waits for in-band is taken when it has been done with, whatever has come since.
func TestBehind(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	next := uint32(0)
	bring := func(n int) {
		for range n {
			clock += 1000
			b.nic.Inject(b.inband(next))
			next++
			Poll(0)
		}
	}
	if behind := b.Behind(); behind() {
		t.Error("behind with no frame")
	}
	for _, waiting := range []int{1, 5, inbandRx} {
		bring(waiting)
		behind := b.Behind()
		for i := range waiting {
			if b.Receive(1, func([]byte) {
				if !behind() {
					t.Errorf("%d frames: not behind, with number %d in hand", waiting, i)
				}
			}) != 1 {
				t.Fatal("no frame")
			}
			if i < waiting-1 && !behind() {
				t.Errorf("%d frames: not behind after %d", waiting, i+1)
			}
			bring(1) // they go on coming
		}
		b.Receive(1, func([]byte) {}) // the one that follows says that the last was done with
		if behind() {
			t.Errorf("%d frames: behind with frames that came later", waiting)
		}
		for b.Receive(64, func([]byte) {}) != 0 {
		}
	}
	b.slots(t)
}

// The slot that in-band reads is the one the controller wrote: the same address, no copy.
func TestCrossingDoesNotCopy(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	b.nic.Inject(b.inband(7))
	Poll(0)
	slot, _ := table[0].rx.Oldest()
	want := table[0].mem.Frame(slot)
	b.Receive(1, func(f []byte) {
		if got := addressOf(f); got != want {
			t.Errorf("in-band reads at %#x, the controller wrote at %#x", got, want)
		}
	})
}

// An in-band side that does not come by loses its own frames, counted by name, and nothing of the oob stage's.
func TestSlowInband(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(8, 1))
	const frames = inbandRx + 100
	for i := range uint32(frames) {
		clock += 1000 // a window each
		b.nic.Inject(b.inband(i))
		b.nic.Inject(request)
		Poll(0)
	}
	if got := len(b.nic.Sent()); got != frames {
		t.Errorf("echoes = %d, want %d", got, frames)
	}
	if got := b.count(InbandFull); got != 100 {
		t.Errorf("inband_full = %d, want 100", got)
	}
	if got := b.count(Received); got != 2*frames {
		t.Errorf("received = %d, want %d", got, 2*frames)
	}
	next := uint32(0)
	for b.Receive(64, func(f []byte) {
		if number(f) != next {
			t.Fatalf("frame %d, want %d", number(f), next)
		}
		next++
	}) > 0 {
	}
	if next != inbandRx {
		t.Errorf("in-band got %d frames, want %d", next, inbandRx)
	}
	b.slots(t)
}

// In-band gets so many frames a window; the others are dropped at once, and the next window starts anew.
func TestInbandCap(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	clock += 10_000
	send := func(n int) {
		for i := range n {
			b.nic.Inject(b.inband(uint32(i)))
			Poll(0)
		}
	}
	send(DefaultCapPerMS + 5)
	if got := b.count(InbandCapped); got != 5 {
		t.Errorf("inband_capped = %d, want 5", got)
	}
	clock += 1000
	send(1)
	if got := b.count(Inband); got != DefaultCapPerMS+1 {
		t.Errorf("inband = %d, want %d", got, DefaultCapPerMS+1)
	}

	// What a window allowed and nobody used is there until the next one begins: less than two windows' frames at once.
	clock += 100_000
	b.Receive(inbandRx, func([]byte) {})
	counters[0] = [NumCounters]uint32{}
	send(3 * DefaultCapPerMS)
	if got := b.count(Inband); got != 2*DefaultCapPerMS-1 {
		t.Errorf("inband = %d, want %d", got, 2*DefaultCapPerMS-1)
	}
}

// An activation takes a budget of frames and no more; Tick goes on with the rest, and reception with it.
func TestBudget(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(8, 1))
	for range rxBudget + 3 {
		b.nic.Inject(request)
	}
	if todo := Poll(0); todo&Rearm == 0 {
		t.Errorf("Poll = %#x, want Rearm", todo)
	}
	if got := len(b.nic.Sent()); got != rxBudget {
		t.Errorf("echoes = %d, want the budget, %d", got, rxBudget)
	}
	if b.nic.Interrupt() {
		t.Error("the interrupt is not masked")
	}
	if todo := Tick(0); todo != 0 {
		t.Errorf("Tick = %#x, want 0", todo)
	}
	if got := len(b.nic.Sent()); got != 3 {
		t.Errorf("echoes behind Tick = %d, want 3", got)
	}
	b.nic.Inject(request)
	if !b.nic.Interrupt() {
		t.Error("the interrupt is still masked after Tick")
	}
}

// The oob stage leaves a device that is not diverted alone, whatever waits there: its rings are in-band's.
func TestOobLeavesInbandDevicesAlone(t *testing.T) {
	b := newBench(t, false, enettest.Options{})
	v := &table[0]
	slot, _ := v.tx.Room()
	v.tx.Fill(slot, 60) // in-band, interrupted in the middle of Send
	v.throttled = 1
	b.nic.Inject(b.inband(1))
	if todo := Kicked() | Ticked(); todo != 0 {
		t.Errorf("Kicked | Ticked = %#x, want 0", todo)
	}
	if v.tx.Full() != 1 || v.throttled != 1 || b.count(Received) != 0 || len(b.nic.Sent()) != 0 {
		t.Error("the oob stage touched the rings of an in-band device")
	}
}

// Frames of in-band leave descriptors to the oob stage, and go on when there is room.
func TestTransmitReserve(t *testing.T) {
	b := newBench(t, true, enettest.Options{Async: true})
	const taken = enet.RingSize - txReserve + inbandTx // queued for the controller, and waiting behind them
	for i := range taken {
		if !b.Device.Send(60, func(f []byte) { f[59] = byte(i) }) {
			t.Fatalf("frame %d refused", i)
		}
	}
	if b.Device.Send(60, func([]byte) {}) {
		t.Error("a frame was taken without a slot")
	}
	if got := b.noTxSlot.Load(); got != 1 {
		t.Errorf("no_tx_slot = %d, want 1", got)
	}
	for range 10 {
		Tick(0)
	}
	if got := table[0].hw.Free(); got != txReserve {
		t.Errorf("descriptors left to the oob stage = %d, want %d", got, txReserve)
	}
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(8, 1))
	b.nic.Inject(request)
	Poll(0)
	if got := b.count(TxOob); got != 1 {
		t.Errorf("tx_oob = %d, want 1", got)
	}
	for range 20 {
		b.nic.Complete(-1)
		Tick(0)
	}
	b.nic.Complete(-1)
	sent := b.nic.Sent()
	if len(sent) != taken+1 {
		t.Fatalf("sent %d frames, want %d", len(sent), taken+1)
	}
	Poll(0) // takes back what completed
	b.slots(t)
}

func TestOversizeIsRefused(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	if b.Device.Send(frame.MaxLen+1, func([]byte) { t.Error("filled") }) {
		t.Error("Send took a frame that is too long")
	}
	b.slots(t)
}

// What carries a frame to in-band allocates nothing. (The fake keeps what is sent; drivers/nic/nictest has the answers.)
func TestNoAllocation(t *testing.T) {
	b := newBench(t, true, enettest.Options{Unchecked: true})
	other := b.inband(1)
	noop := func([]byte) {}
	inject := testing.AllocsPerRun(40, func() { b.nic.Inject(other) })
	Poll(0)
	Tick(0)
	b.Receive(64, noop)
	all := testing.AllocsPerRun(100, func() {
		clock += 1000
		b.nic.Inject(other)
		Poll(0)
		b.Receive(4, noop)
	})
	if all > inject {
		t.Errorf("allocations = %v, of which the fake's %v", all, inject)
	}
	if got := b.count(Inband); got < 100 {
		t.Errorf("inband = %d, want 100 and more", got)
	}
}

func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
