package divert

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/filter/rules/compile"
	"mortise/stack/forward"
	"mortise/stack/frame"
	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// pair is two diverted devices whose controllers send when they are told to.
type pair struct {
	*testing.T
	devices [Devices]*Device
	nics    [Devices]*enettest.ENET
	stuck   [Devices]bool // transmitters that stand still; the others send at a kick
	sent    [Devices][][]byte
}

// newPair makes the devices; what comes in on the first goes to the destinations.
func newPair(t *testing.T, outs ...forward.Out) *pair {
	p := &pair{T: t}
	t.Cleanup(func() { all = [Devices]*Device{} })
	memory := enettest.NewRings(t, Devices*SlotsPerDevice).Memory
	counters = [Devices][NumCounters]uint32{}
	shares, lent, calledIn, returned, late = [frame.MaxSlots]uint8{}, 0, 0, frame.Ring{}, [Devices]frame.List{}
	site := wiretest.DefaultSite()
	var c oob.Config
	for i := range p.devices {
		rings := enettest.NewRings(t, 1)
		rings.Memory = memory
		o := enettest.Options{Base: [...]uintptr{0x02188000, 0x020b4000}[i], Async: true, Shared: true}
		p.nics[i] = enettest.New(t, rings, o)
		mac := site.MAC
		mac[5] += byte(i)
		c.Device[i].MAC = mac
		var err error
		p.devices[i], err = New(uint32(i), Config{
			Name: [...]string{"rt0", "rt1"}[i], TickHz: 1_000_000,
			Driver: enet.Config{
				Name: "ENET", Base: o.Base, ClkHz: 66_000_000, MAC: mac, Desc: rings.Desc, DescBus: rings.DescBus,
				Memory: memory, Clock: &enettest.Clock{},
			},
			Hooks: Hooks{Kick: p.kick, Route: func(bool) {}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := compile.ParseLine("ethertype=profinet")
	if err != nil {
		t.Fatal(err)
	}
	rules := new(forward.Classifier)
	if err := compile.Compile(&rules.Table, []*compile.Rule{r}); err != nil {
		t.Fatal(err)
	}
	rules.Rule[0].Outs = uint32(copy(rules.Rule[0].Out[:], outs))
	c.Device[0].Rules = rules
	if err := oob.Configure(&c, Adopt); err != nil {
		t.Fatal(err)
	}
	for _, d := range p.devices {
		d.Serve(true)
	}
	return p
}

// kick is the activation for a kick, before which the transmitters that do not stand still have sent.
func (p *pair) kick() {
	for i := range p.nics {
		if !p.stuck[i] {
			p.complete(i, enet.RingSize)
		}
	}
	Kicked()
}

// complete lets device i send up to n frames.
func (p *pair) complete(i, n int) {
	p.nics[i].Complete(n)
	for _, f := range p.nics[i].Sent() {
		p.sent[i] = append(p.sent[i], bytes.Clone(f))
	}
	p.nics[i].Discard()
}

// queue lets a frame with a number in it come in on the first device.
func (p *pair) queue(n uint32) {
	clock += 100
	p.nics[0].Inject(numbered(n))
	Poll(0)
}

func numbered(n uint32) []byte {
	h := &wire.Header{Dst: [6]byte{2, 1, 1, 1, 1, 1}, Src: [6]byte{2, 2, 2, 2, 2, 2}}
	return append(binary.BigEndian.AppendUint32(wire.AppendEthernet(nil, h, 0x8892), n), wiretest.Payload(64, byte(n))...)
}

// check looks for each slot in all places: a slot that is not shared is in one, a shared one in as many rings as hold it.
func (p *pair) check() {
	p.Helper()
	var places [Devices * SlotsPerDevice]int
	for i, d := range p.devices {
		v := &table[i]
		for _, s := range d.driver.Held(nil) {
			places[s]++
		}
		for j := range v.free.Len() {
			places[v.free.At(j)]++
		}
		for j := range late[i].Len() {
			places[late[i].At(j)]++
		}
		for _, x := range []*frame.Exchange{&v.rx, &v.tx} {
			for j := range x.Size() {
				s, _ := x.At(j)
				places[s]++
			}
		}
	}
	shared := uint32(0)
	for s, n := range places {
		want := 1
		if holds := int(shares[s] % ownerUnit); holds != 0 {
			want = holds
			shared++
		}
		if n != want {
			p.Fatalf("slot %d is in %d places, want %d", s, n, want)
		}
	}
	if shared != lent {
		p.Fatalf("%d slots are shared, %d lent", shared, lent)
	}
}

// quiet takes back all that is sent, and checks that each device has its own number of slots.
func (p *pair) quiet() {
	p.Helper()
	for i := range p.nics {
		p.complete(i, enet.RingSize)
	}
	for _, d := range p.devices {
		for range enet.RingSize / reclaimBudget * 2 {
			table[d.d].reclaim()
		}
	}
	p.check()
	for i, d := range p.devices {
		sum := uint32(0)
		for _, place := range d.Slots() {
			if place.Place != "free_lowest" {
				sum += place.Slots
			}
		}
		if sum != SlotsPerDevice || lent != 0 {
			p.Fatalf("device %d: %d slots, want %d; %d lent", i, sum, SlotsPerDevice, lent)
		}
	}
}

// What goes to several devices as it came lies in one slot, the receiver's, until the last of them has sent it.
func TestFanSharesTheSlot(t *testing.T) {
	p := newPair(t, forward.Out{Dev: 1}, forward.Out{Dev: 0}, forward.Out{Dev: 1})
	free := [Devices]uint32{table[0].free.Len(), table[1].free.Len()}
	want := func(when string, lentNow uint32) {
		t.Helper()
		p.check()
		if got := [Devices]uint32{table[0].free.Len(), table[1].free.Len()}; got != [Devices]uint32{free[0] - lentNow, free[1]} || lent != lentNow {
			t.Errorf("%s: %d lent, free %v, of %v; want %d lent", when, lent, got, free, lentNow)
		}
	}
	p.queue(1)
	want("queued", 1)
	if got := [Devices]uint32{table[0].hw.Free(), table[1].hw.Free()}; got != [Devices]uint32{enet.RingSize - 1, enet.RingSize - 2} {
		t.Errorf("transmit positions free: %v", got)
	}
	p.complete(0, 1)
	table[0].reclaim()
	p.complete(1, 1)
	table[1].reclaim()
	want("sent but once", 1)
	p.complete(1, 1)
	table[1].reclaim()
	want("sent", 0)
	if f := numbered(1); len(p.sent[0]) != 1 || len(p.sent[1]) != 2 || !bytes.Equal(p.sent[0][0], f) || !bytes.Equal(p.sent[1][0], f) || !bytes.Equal(p.sent[1][1], f) {
		t.Errorf("sent %x", p.sent)
	}
	p.quiet()
}

// A device that is no destination any more leaves no hold behind, and a full ring none either.
func TestFanWithoutRoom(t *testing.T) {
	p := newPair(t, forward.Out{Dev: 1}, forward.Out{Dev: 1})
	for n := range uint32(3 * enet.RingSize) {
		p.queue(n)
		p.check()
	}
	if got := counters[0][ForwardFull]; got == 0 {
		t.Error("nothing was dropped")
	}
	if got := table[0].free.Len(); got <= rxBudget {
		t.Errorf("%d slots free on the device that lends, want more than what its reception needs, %d", got, rxBudget)
	}
	p.quiet()
	if err := p.devices[1].Divert(false); err != nil {
		t.Fatal(err)
	}
	p.queue(1)
	p.quiet()
	if got := counters[0][ForwardDown]; got != 2 {
		t.Errorf("%d frames for a device that is in-band's, want 2", got)
	}
}

// A device changes hands when nothing is lent: in-band waits for it, and fails when a transmitter stands still. It may rebuild that one.
func TestFanChangesHands(t *testing.T) {
	for stuck := range Devices {
		t.Run(fmt.Sprint(stuck), func(t *testing.T) { changeHands(t, stuck) })
	}
}

func changeHands(t *testing.T, stuck int) {
	p := newPair(t, forward.Out{Dev: 1}, forward.Out{Dev: 0})
	p.queue(1)
	p.stuck[stuck] = true
	for i, d := range p.devices {
		if err := d.Divert(false); err == nil || !strings.Contains(err.Error(), "1 frames for several devices") || table[i].diverted == 0 {
			t.Errorf("Divert of %s = %v, want an error", d.Name(), err)
		}
		p.check()
	}
	if err := p.devices[stuck].Rebuild(true); err != nil {
		t.Errorf("Rebuild = %v", err)
	}
	p.quiet()
	p.stuck[stuck] = false
	p.queue(2)
	for _, d := range p.devices {
		if err := d.Divert(false); err != nil {
			t.Errorf("Divert = %v", err)
		}
		p.check()
	}
	p.quiet()
}

// Both transmitters stand still with frames for several devices: each device can be rebuilt all the same, in any order, and all slots are
// back when both have been; or when one has been, and the other sends again.
func TestFanBothStuck(t *testing.T) {
	for _, tc := range []struct {
		name    string
		rebuild []int
		goes    int // sends again behind that; -1: none
	}{
		{"first, second", []int{0, 1}, -1}, {"second, first", []int{1, 0}, -1}, {"first twice, second", []int{0, 0, 1}, -1},
		{"first; the second goes on", []int{0}, 1}, {"second; the first goes on", []int{1}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPair(t, forward.Out{Dev: 1}, forward.Out{Dev: 0})
			for n := range uint32(5) {
				p.queue(n)
			}
			p.stuck = [Devices]bool{true, true}
			for _, i := range tc.rebuild {
				if err := p.devices[i].Rebuild(true); err != nil {
					t.Fatalf("Rebuild of %s = %v", p.devices[i].Name(), err)
				}
				p.check()
			}
			if tc.goes >= 0 {
				p.complete(tc.goes, enet.RingSize)
				table[tc.goes].reclaim()
			} else if lent != 0 {
				t.Errorf("%d slots are lent after both have been rebuilt", lent)
			}
			p.stuck = [Devices]bool{}
			p.quiet()
			p.queue(9)
			p.quiet()
			if n := len(p.sent[1]); n == 0 || !bytes.Equal(p.sent[1][n-1], numbered(9)) {
				t.Error("the next frame is not sent")
			}
			for _, d := range p.devices {
				if err := d.Divert(false); err != nil {
					t.Error(err)
				}
			}
			p.quiet()
		})
	}
}

// What another transmitter sends of a device's slots while the device is being rebuilt waits until the oob stage has it again.
func TestFanSentMeanwhile(t *testing.T) {
	p := newPair(t, forward.Out{Dev: 1}, forward.Out{Dev: 1})
	p.queue(1)
	p.stuck = [Devices]bool{true, true}
	free := table[0].free.Len()
	p.devices[0].hooks.Route = func(toOob bool) {
		if toOob { // the last moment at which it is in-band's
			p.complete(1, enet.RingSize)
			table[0].diverted = 0
			table[1].reclaim()
			table[0].diverted = driven
			if late[0].Len() != 1 || table[0].free.Len() > free {
				t.Errorf("%d slots are late, %d free, want 1 late and at most %d free", late[0].Len(), table[0].free.Len(), free)
			}
		}
	}
	if err := p.devices[0].Rebuild(true); err != nil {
		t.Fatal(err)
	}
	if late[0].Len() != 0 || lent != 0 {
		t.Errorf("%d slots are late, %d lent, want none", late[0].Len(), lent)
	}
	p.quiet()
}

// After a fault the stage starts again although no transmitter sends: the controllers are reset.
func TestFanRecoversStuck(t *testing.T) {
	p := newPair(t, forward.Out{Dev: 1}, forward.Out{Dev: 0})
	p.queue(1)
	p.stuck = [Devices]bool{true, true}
	for _, d := range p.devices {
		if err := d.Divert(false); err == nil {
			t.Fatal("a device changed hands while its slots are lent")
		}
	}
	if _, err := Recover(p.devices[:]...); err != nil {
		t.Fatal(err)
	}
	for _, d := range p.devices {
		if err := d.Divert(true); err != nil {
			t.Fatal(err)
		}
	}
	p.quiet()
	p.queue(2)
	p.stuck = [Devices]bool{}
	p.quiet()
	if len(p.sent[1]) != 1 || !bytes.Equal(p.sent[1][0], numbered(2)) {
		t.Errorf("sent %x, want the frame behind the fault only", p.sent[1])
	}
}

// Whatever happens while frames are under way for several devices, changed and not, none of them is touched before it is sent, and
// each slot stays in its place.
func TestFanRandom(t *testing.T) {
	rounds := 5_000
	if testing.Short() {
		rounds = 1_000
	}
	push := forward.Out{Dev: 1, Ops: forward.Push, TPID: wire.TypeCTag, TCI: wire.Swap16(7)}
	for i, outs := range [][]forward.Out{
		{{Dev: 1}, {Dev: 0}, {Dev: 1}, {Dev: 0}},
		{{Dev: 1}, push, {Dev: 0}, push},
		{push, {Dev: 1}},
		{push, push, push},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { fanRandom(t, rounds, outs...) })
	}
}

func fanRandom(t *testing.T, rounds int, outs ...forward.Out) {
	p, rnd := newPair(t, outs...), rand.New(rand.NewPCG(7, uint64(len(outs))))
	diverted := [Devices]bool{true, true}
	for n := range uint32(rounds) {
		i := rnd.IntN(Devices)
		switch rnd.IntN(40) {
		case 0:
			diverted[i] = !diverted[i]
			if err := p.devices[i].Divert(diverted[i]); err != nil {
				t.Fatal(err)
			}
		case 1:
			if err := p.devices[i].Rebuild(diverted[i]); err != nil {
				t.Fatal(err)
			}
		case 2:
			if diverted == [Devices]bool{true, true} {
				// A fault in the midst of anything: the stage stops, in-band takes the devices, the stage starts.
				if _, err := Recover(p.devices[:]...); err != nil {
					t.Fatal(err)
				}
				p.quiet()
				for _, d := range p.devices {
					if err := d.Divert(true); err != nil {
						t.Fatal(err)
					}
				}
			}
		case 3, 4, 5, 6, 7, 8, 9, 10:
			p.complete(i, 1+rnd.IntN(8))
		case 11:
			p.devices[i].Receive(64, func([]byte) {})
		default:
			p.queue(n)
		}
		p.check()
	}
	p.quiet()
	for i := range p.sent {
		for _, f := range p.sent[i] {
			if i == 1 && len(f) > 18 && f[12] == 0x81 { // pushed
				f = append(bytes.Clone(f[:12]), f[16:]...)
			}
			if want := numbered(binary.BigEndian.Uint32(f[14:])); !bytes.Equal(f, want) {
				t.Fatalf("device %d sent %x, want %x", i, f, want)
			}
		}
	}
	t.Logf("%d destinations: sent %d and %d frames, %d dropped", len(outs), len(p.sent[0]), len(p.sent[1]), counters[0][ForwardFull])
}
