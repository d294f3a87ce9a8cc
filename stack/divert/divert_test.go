package divert

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
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

// Moving a device between the stages under load loses no frame and lets none go both ways.
func TestDivertUnderLoad(t *testing.T) {
	b := newBench(t, true, enettest.Options{Hold: true})
	request, reply := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(8, 1))
	answered, handed, next := 0, 0, uint32(0)
	for i := range 1000 {
		clock += 1000
		b.nic.Inject(request)
		b.nic.Inject(b.inband(next))
		next++
		if Diverted(0) {
			Poll(0)
		}
		if i%3 == 0 {
			b.Divert(!Diverted(0))
		}
		b.Receive(64, func(f []byte) { handed++ })
		for _, s := range b.nic.Sent() {
			if bytes.Equal(s, reply) {
				answered++
			}
		}
	}
	b.Divert(false)
	b.Receive(64, func([]byte) { handed++ })
	if answered == 0 || answered+handed != 2000 {
		t.Errorf("%d answered + %d handed to in-band, want 2000 in all and some of each", answered, handed)
	}
	b.slots(t)
}

// Frames that a budget left in the ring when the device was in-band's do not wait for the next one when it is diverted, whether their
// event is still there or Ack has cleared it.
func TestDivertWithFramesLeft(t *testing.T) {
	for _, before := range []int{rxBudget + 5, 3} { // Ack's turn comes when the ring was empty within the budget
		t.Run(fmt.Sprintf("%d frames ahead of Ack", before), func(t *testing.T) {
			b := newBench(t, false, enettest.Options{})
			const frames = rxBudget + 5
			next := uint32(0)
			inject := func(n int) {
				for range n {
					b.nic.Inject(b.inband(next))
					next++
				}
			}
			inject(before)
			b.nic.AtAck = func() { inject(frames - before) }
			got := b.Receive(8, func([]byte) {})
			if got != 8 || table[0].throttled == 0 || next != frames {
				t.Fatalf("Receive = %d, throttled = %d, %d frames, want 8 and a ring that is not empty", got, table[0].throttled, next)
			}
			b.Divert(true)
			for b.nic.Interrupt() {
				Poll(0)
			}
			got += b.Receive(frames, func([]byte) {})
			if got != frames {
				t.Errorf("%d of %d frames arrived, the others wait in the ring without an event", got, frames)
			}
			if table[0].throttled != 0 {
				t.Error("throttled, and no tick is armed")
			}
			b.slots(t)
		})
	}
}

// Frames that waited for in-band when the device was diverted have gone by the oob stage: in-band answers them, and none that
// came later.
func TestOobAnswers(t *testing.T) {
	b := newBench(t, false, enettest.Options{})
	var answers []bool
	take := func(max int) { b.Receive(max, func([]byte) { answers = append(answers, b.OobAnswers()) }) }
	for n := range uint32(5) {
		b.nic.Inject(b.inband(n))
	}
	take(1)
	b.Divert(true)
	for n := range uint32(2) {
		b.nic.Inject(b.inband(5 + n))
	}
	Poll(0)
	take(2)
	b.Divert(true) // it is already, and the third of them still waits
	take(64)
	if want := []bool{false, false, false, false, false, true, true}; !slices.Equal(answers, want) {
		t.Errorf("the oob stage answers frames 0 to 6: %v, want %v", answers, want)
	}
	b.Divert(false)
	if b.OobAnswers() {
		t.Error("the oob stage answers on a device that is in-band's")
	}
	b.slots(t)
}

// A device that is diverted stays so when it is diverted again, at every moment: a tick in between would pass it by, and what
// waits for that tick, because a budget paused reception, would wait for the next frame.
func TestDivertTwice(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	for range rxBudget + 8 {
		b.nic.Inject(request)
	}
	if todo := Poll(0); todo&Rearm == 0 || len(b.nic.Sent()) != rxBudget {
		t.Fatalf("Poll = %#x, want Rearm and a budget that is used up", todo)
	}
	b.routed = nil
	b.Divert(true)
	if len(b.routed) != 0 || b.nic.Interrupt() {
		t.Errorf("routed %v, interrupt %v: the device was in-band's for a moment", b.routed, b.nic.Interrupt())
	}
	if todo := Ticked(); todo != 0 || table[0].throttled != 0 || len(b.nic.Sent()) != 8 {
		t.Errorf("Ticked = %#x, throttled = %d, want 0, 0 and 8 answers behind the budget", todo, table[0].throttled)
	}
	b.nic.Inject(request)
	if !b.nic.Interrupt() {
		t.Error("the interrupt is still masked")
	}
	b.slots(t)
}

// After a fault in the middle of a swap every slot is accounted for again, and what in-band owned is still there.
func TestRecover(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(v *device)
	}{
		{"clean", func(*device) {}},
		{"a slot in the stage's hands", func(v *device) { v.free.Get() }},
		{"a frame sent, not yet taken", func(v *device) {
			slot, _ := v.tx.Room()
			v.tx.Fill(slot, 60)
			v.hw.Transmit(slot, 60)
		}},
		{"a frame given, its slot not yet elsewhere", func(v *device) {
			s, _ := v.tx.Room()
			v.tx.Fill(s, 60)
			v.tx.Take(v.free.At(0))
		}},
		{"a slot twice", func(v *device) {
			s, _ := v.tx.Room()
			v.tx.Fill(s, 60)
			other, _ := v.rx.At(100)
			v.tx.Take(other)
		}},
		{"a wild slot", func(v *device) { v.rx.Give(&[frame.MaxGive]uint32{60000<<16 | 60}, 1) }},
		{"tasks made ready", func(v *device) { v.decided = 1 }},
		{"the crossing overwritten", func(v *device) { v.tx = frame.Exchange{} }},
		{"the free list overwritten", func(v *device) { v.free = frame.List{} }},
		{"the driver's state overwritten", func(v *device) { v.hw = enet.Port{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, true, enettest.Options{Unchecked: true})
			for i := range uint32(5) {
				b.nic.Inject(b.inband(i))
			}
			Poll(0)
			c.damage(&table[0])
			if _, err := Recover(b.Device); err != nil {
				t.Fatal(err)
			}
			if table[0].decided != 0 {
				t.Error("the companion core's Decided is left to in-band")
			}
			b.slots(t)
			var got []uint32
			b.Receive(64, func(f []byte) { got = append(got, number(f)) })
			if len(got) != 5 || got[0] != 0 || got[4] != 4 {
				t.Errorf("in-band got %v, want the five frames it owned", got)
			}
			b.nic.Inject(b.inband(9))
			b.Interrupt()
			if n := b.Receive(64, func(f []byte) {}); n != 1 {
				t.Errorf("frames received in-band afterwards = %d, want 1", n)
			}
			if want := []bool{true, false}; len(b.routed) < 2 || b.routed[0] != want[0] || b.routed[len(b.routed)-1] != want[1] {
				t.Errorf("interrupt routed %v, want to oob first and in-band last", b.routed)
			}
			b.slots(t)
		})
	}
}

// A fault while no device is the oob stage's takes nothing from in-band, and tells which slots are the pools' all the same.
func TestRecoverNothing(t *testing.T) {
	b := newBench(t, false, enettest.Options{})
	b.nic.Inject(b.inband(1))
	rest, err := Recover()
	if err != nil || len(rest) != int(table[0].mem.Slots-SlotsPerDevice) {
		t.Errorf("Recover = %d slots, %v, want %d", len(rest), err, table[0].mem.Slots-SlotsPerDevice)
	}
	if n := b.Receive(10, func([]byte) {}); n != 1 {
		t.Errorf("in-band received %d frames, want 1", n)
	}
	b.slots(t)
}

// A device that is set up anew, diverted or not, keeps what in-band owned and each of its slots, wherever they come from.
func TestRebuild(t *testing.T) {
	for _, diverted := range []bool{true, false} {
		t.Run(fmt.Sprintf("diverted %v", diverted), func(t *testing.T) {
			b := newBench(t, true, enettest.Options{Unchecked: true})
			v := &table[0]
			s, _ := v.free.Get()
			refs := [frame.MaxGive]uint32{s<<16 | 60}
			v.rx.Give(&refs, 1)
			v.free.Put(refs[0]) // the two have changed places, as by a swap
			v.rx.Oldest()
			v.rx.Empty(s)
			for round := range uint32(3) {
				b.nic.Inject(b.inband(round))
				Poll(0)
				if err := b.Rebuild(diverted); err != nil {
					t.Fatal(err)
				}
				b.slots(t)
				seen := map[uint32]bool{}
				slots := b.Driver().Held(nil)
				for i := range v.free.Len() {
					slots = append(slots, v.free.At(i))
				}
				for _, s := range slots {
					seen[s] = true
				}
				if len(seen) != enet.RingSize+reserve {
					t.Errorf("the driving stage has %d slots, want %d", len(seen), enet.RingSize+reserve)
				}
				b.Divert(true)
				if n := b.Receive(64, func([]byte) {}); n != 1 {
					t.Errorf("round %d: in-band got %d frames, want the one it owned", round, n)
				}
			}
		})
	}
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
