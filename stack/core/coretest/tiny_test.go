package coretest_test

import (
	"bytes"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/core"
	"mortise/stack/core/coretest"
	"mortise/stack/divert"
)

// A bench is two diverted devices over fake controllers, with the tiny core above them.
type bench struct {
	devices [divert.Devices]*divert.Device
	nics    [divert.Devices]*enettest.ENET
	before  [divert.Devices][]divert.Count
	carried [divert.Devices]divert.Traffic
}

func newBench(t *testing.T, o enettest.Options) *bench {
	b := &bench{}
	memory := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice).Memory
	for i := range b.devices {
		rings := enettest.NewRings(t, 1)
		rings.Memory = memory
		o.Base = [...]uintptr{0x02188000, 0x020b4000}[i]
		b.nics[i] = enettest.New(t, rings, o)
		d, err := divert.New(uint32(i), divert.Config{
			Name: "rt", TickHz: 1_000_000,
			Driver: enet.Config{
				Name: "ENET", Base: o.Base, ClkHz: 66_000_000, MAC: [6]byte{2, 0, 0, 0, 0, byte(i)},
				Desc: rings.Desc, DescBus: rings.DescBus, Memory: memory, Clock: &enettest.Clock{},
			},
			Hooks: divert.Hooks{Kick: func() { divert.Kicked() }, Route: func(bool) {}},
		})
		if err != nil {
			t.Fatal(err)
		}
		divert.Adopt(uint32(i), core.Device(i))
		d.Serve(true)
		b.devices[i], b.before[i] = d, d.Counters()
		_, b.carried[i] = d.Traffic()
	}
	coretest.Delivered, coretest.Sent = [2]uint32{}, 0
	return b
}

// ethernet returns a frame of an EtherType, with a number in it.
func ethernet(typ uint16, n byte) []byte {
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, byte(typ >> 8), byte(typ), n})
	return f
}

// checkSlots checks that each slot is in one place, of all devices.
func (b *bench) checkSlots(t *testing.T) {
	t.Helper()
	for _, d := range b.devices {
		sum := uint32(0)
		for _, p := range d.Slots() {
			if p.Place != "free_lowest" {
				sum += p.Slots
			}
		}
		if sum != divert.SlotsPerDevice {
			t.Errorf("slots in all places = %d, want %d: %+v", sum, divert.SlotsPerDevice, d.Slots())
		}
	}
}

// count returns what a device counted since newBench.
func (b *bench) count(dev int, name string) uint32 {
	for i, c := range b.devices[dev].Counters() {
		if c.Name == name {
			return c.Value - b.before[dev][i].Value
		}
	}
	panic("no counter " + name)
}

func TestAnotherCore(t *testing.T) {
	b := newBench(t, enettest.Options{})
	for n, typ := range []uint16{0x88b5, 0x88b6, 0x0800, 0} {
		b.nics[0].Inject(ethernet(typ, byte(n)))
	}
	if todo := divert.Poll(0); todo != divert.WakeInband {
		t.Errorf("Poll = %#x, want WakeInband", todo)
	}
	back := ethernet(0x88b5, 0)
	copy(back, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1})
	if got := b.nics[0].Sent(); len(got) != 1 || !bytes.Equal(got[0], back) {
		t.Errorf("device 0 sent %x, want %x", got, back)
	}
	if got, want := b.nics[1].Sent(), ethernet(0x88b6, 1); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("device 1 sent %x, want %x", got, want)
	}
	_, from := b.devices[0].Traffic()
	_, to := b.devices[1].Traffic()
	from.RxPackets, from.RxBytes = from.RxPackets-b.carried[0].RxPackets, from.RxBytes-b.carried[0].RxBytes
	to.TxPackets, to.TxBytes = to.TxPackets-b.carried[1].TxPackets, to.TxBytes-b.carried[1].TxBytes
	if from.RxPackets != 1 || from.RxBytes != 60 || to.TxPackets != 1 || to.TxBytes != 60 {
		t.Errorf("forwarded from device 0: %+v, to device 1: %+v; want a frame of 60 bytes", from, to)
	}
	if coretest.Sent != uint32(len(back)) {
		t.Errorf("the core was told of %d bytes of answers, want %d", coretest.Sent, len(back))
	}
	inband := 0
	b.devices[0].Receive(8, func(f []byte) {
		inband++
		if !bytes.Equal(f, ethernet(0x0800, 2)) {
			t.Errorf("in-band got %x", f)
		}
	})
	if inband != 1 || coretest.Delivered != [2]uint32{4, 0} {
		t.Errorf("in-band got %d frames, delivered %v; want 1, and 4 of device 0", inband, coretest.Delivered)
	}
	b.checkSlots(t)
}

// Frames forwarded in both directions swap their slots: none is lost, whatever the other side does.
func TestForwardSwapsSlots(t *testing.T) {
	t.Run("sent at once", func(t *testing.T) { testForward(t, false) })
	t.Run("sent late", func(t *testing.T) { testForward(t, true) })
}

func testForward(t *testing.T, late bool) {
	b := newBench(t, enettest.Options{Async: late})
	const rounds = 5000
	sent := [2]uint32{}
	for n := range rounds {
		for d := range b.nics {
			for range n % 5 {
				b.nics[d].Inject(ethernet(0x88b6, byte(n)))
				sent[d]++
			}
			divert.Poll(uint32(d))
		}
		if n%64 == 63 {
			for _, nic := range b.nics {
				nic.Complete(-1)
				nic.Discard()
			}
		}
	}
	for d := range b.nics {
		b.nics[d].Complete(-1)
		divert.Poll(uint32(d))
		lost := b.count(d, "forward_full") + b.count(d, "no_slot")
		if got := b.count(1-d, "tx_forward"); got+lost != sent[d] || late != (lost != 0) {
			t.Errorf("device %d: %d of %d forwarded, %d dropped for want of room", d, got, sent[d], lost)
		}
	}
	b.checkSlots(t)
}

// A device that the oob stage does not drive gets nothing.
func TestForwardToDeviceInband(t *testing.T) {
	b := newBench(t, enettest.Options{})
	b.devices[1].Divert(false)
	b.nics[0].Inject(ethernet(0x88b6, 1))
	divert.Poll(0)
	if got := len(b.nics[1].Sent()); got != 0 || b.count(0, "forward_down") != 1 {
		t.Errorf("sent %d frames, forward_down = %d, want 0 and 1", got, b.count(0, "forward_down"))
	}
	b.checkSlots(t)
}

// After a fault both devices are set up anew from the slots that nobody else owns, wherever these were.
func TestRecoverAfterForwarding(t *testing.T) {
	b := newBench(t, enettest.Options{})
	for n := range 300 {
		b.nics[n%2].Inject(ethernet(0x88b6, byte(n)))
		b.nics[n%2].Inject(ethernet(0x0800, byte(n)))
		divert.Poll(uint32(n % 2))
		b.devices[n%2].Receive(8, func([]byte) {})
	}
	if err := b.devices[0].Rebuild(true); err != nil {
		t.Error(err)
	}
	b.checkSlots(t)
	if _, err := divert.Recover(b.devices[:]...); err != nil {
		t.Error(err)
	}
	b.checkSlots(t)
	seen := map[uint32]bool{}
	for _, d := range b.devices {
		for _, s := range d.Driver().Held(nil) {
			if seen[s] {
				t.Errorf("slot %d is in two receive rings", s)
			}
			seen[s] = true
		}
	}
}

// A core that listens is shown each frame of the device that the oob stage drives, with room for so many copies in an activation; what becomes
// of the frame is as before.
func TestShow(t *testing.T) {
	b := newBench(t, enettest.Options{})
	coretest.Shown = 0
	frames := func(dev int, n int) {
		for range n {
			b.nics[dev].Inject(ethernet(0x88b5, 1))
		}
		divert.Poll(uint32(dev))
	}
	frames(0, 2)
	b.devices[0].Listen(true)
	frames(0, 5)
	frames(1, 2)
	b.devices[0].Divert(false)
	frames(0, 1)
	b.devices[0].Divert(true)
	frames(0, 7)
	b.devices[0].Listen(false)
	frames(0, 3)
	if coretest.Shown != 12 {
		t.Errorf("%d frames shown, want 5 and 7", coretest.Shown)
	}
	if got := len(b.nics[0].Sent()); got != 17 {
		t.Errorf("%d frames sent back, want all 17 of the diverted device", got)
	}
	b.devices[0].Receive(8, func([]byte) {})
	b.checkSlots(t)
}
