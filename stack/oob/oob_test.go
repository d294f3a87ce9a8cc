package oob

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/stack/core"
	"mortise/stack/frame"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// bench is a configured core with three slots of DMA memory: frames go into the middle one, the others must not change.
type bench struct {
	site   wiretest.Site
	memory frame.Memory
	all    []byte // the three slots
	before []byte // what they held ahead of Deliver
}

const slot = 1

// frameAt is the offset of the frame in bench.all.
const frameAt = slot*frame.SlotSize + frame.Headroom + frame.Pad

// room is what Deliver may write of a slot, whatever the frame's length.
const room = wire.MinLen + 2

// stale is what the slots hold before a frame comes.
var stale = bytes.Repeat([]byte{0xa5}, 3*frame.SlotSize)

// siteConfig returns the configuration of a site, on both devices.
func siteConfig(s wiretest.Site) *Config {
	c := new(Config)
	for i := range c.Device {
		d := &c.Device[i]
		d.MAC = s.MAC
		d.Ports[2] = PortConfig{Addr: s.Addr, Prefix: 24, Rules: true}
		d.Ports[2].UDP.Add(7, 7)
		d.Ports[5] = PortConfig{VID: s.VID, Addr: s.VAddr, Prefix: 24}
	}
	return c
}

func newBench(t testing.TB) *bench {
	t.Helper()
	m, release, err := frame.NewMemory(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	b := &bench{site: wiretest.DefaultSite(), memory: m}
	b.all = unsafe.Slice((*byte)(unsafe.Add(nil, m.Base)), 3*frame.SlotSize)
	b.before = make([]byte, len(b.all))
	if err := Configure(siteConfig(b.site), unpublished); err != nil {
		t.Fatal(err)
	}
	drain()
	return b
}

// drain empties the event ring.
func drain() (list []Event) {
	for {
		v, ok := PopEvent()
		if !ok {
			return list
		}
		list = append(list, v)
	}
}

// deliverAnswered is what stack/divert does with a frame whose answer finds room.
func deliverAnswered(dev uint32, addr uintptr, n uint32) (action uint32) {
	if action = Deliver(DeviceAt(dev), addr, n); action >= Reply {
		Answered(DeviceAt(dev), n, core.Length(action))
	}
	return action
}

// deliver puts f into the middle slot, where old bytes lie around it, and delivers it. Whatever the outcome, it checks that
// nothing but an answer's bytes changed. It returns the action and the answer.
func (b *bench) deliver(t testing.TB, dev uint32, f []byte) (action uint32, reply []byte) {
	t.Helper()
	copy(b.all, stale)
	copy(b.all[frameAt:], f)
	copy(b.before, b.all)
	action = deliverAnswered(dev, b.memory.Frame(slot), uint32(len(f)))
	end := frameAt
	switch {
	case action&Reply != 0:
		end += int(core.Length(action))
		reply = b.all[frameAt:end]
	case action == Drop:
		end += len(f)
	case action != Inband:
		t.Fatalf("Deliver(%x) = %#x: no action", f, action)
	}
	// Only an answer, or the remains of what was dropped, may differ; the pad in front belongs to the slot's user.
	begin := frameAt - frame.Pad
	if action == Inband {
		begin, end = frameAt, frameAt
	}
	if action != Inband {
		end = max(end, frameAt+room)
	}
	if !bytes.Equal(b.all[:begin], b.before[:begin]) || !bytes.Equal(b.all[end:], b.before[end:]) {
		t.Fatalf("Deliver(%x) changed bytes outside the frame", f)
	}
	if action == Inband && !bytes.Equal(b.all, b.before) {
		t.Fatalf("Deliver(%x) left the frame to in-band, but changed it", f)
	}
	return action, reply
}

// moved returns the names of the counters that differ, with by how much, but received and event_lost.
func moved(before, after Stats) (list []string) {
	for i := range before {
		if n := after[i] - before[i]; n != 0 && i != Received && i != EventLost {
			list = append(list, fmt.Sprintf("%s+%d", CounterNames[i], n))
		}
	}
	return list
}

func TestDeliver(t *testing.T) {
	b := newBench(t)
	for _, tc := range wiretest.Corpus(b.site) {
		t.Run(tc.Name, func(t *testing.T) {
			for dev := range uint32(Devices) {
				before := Snapshot(dev)
				action, reply := b.deliver(t, dev, tc.Frame)
				after := Snapshot(dev)
				want := Drop
				switch tc.Want {
				case wiretest.Answered:
					want = Reply | uint32(len(tc.Reply))
				case wiretest.Inband:
					want = Inband
				}
				if action != want {
					t.Errorf("Deliver(%x) = %#x, want %#x", tc.Frame, action, want)
				}
				if !bytes.Equal(reply, tc.Reply) {
					t.Errorf("answer to %x:\n%x, want\n%x", tc.Frame, reply, tc.Reply)
				}
				if diff := cmp.Diff([]string{tc.Counter + "+1"}, moved(before, after)); diff != "" {
					t.Errorf("counters (-want +got):\n%s", diff)
				}
				if after[Received] != before[Received]+1 || !after.Balanced() {
					t.Errorf("received %d, accepted %d + in-band %d + dropped %d", after[Received], after.Accepted(), after.Inband(), after.Dropped())
				}
				wantClass := map[wiretest.Outcome]Class{
					wiretest.Answered: ClassAccepted, wiretest.Consumed: ClassAccepted, wiretest.Inband: ClassInband, wiretest.Dropped: ClassDropped,
				}[tc.Want]
				if i := slices.Index(CounterNames[:], tc.Counter); ClassOf(i) != wantClass {
					t.Errorf("ClassOf(%s) = %v, want %v", tc.Counter, ClassOf(i), wantClass)
				}
			}
		})
	}
}

// isElsewhere tells the counters that no site without sockets and rules moves: the tests of packages socket and forward, and of programs, have them.
func isElsewhere(counter int) bool {
	switch counter {
	case SocketQueued, SocketFull, Forwarded, ForwardLong, InbandRule, RuleDrop, InbandProgram, ProgramDrop,
		FragmentKept, FragmentMalformed, FragmentDuplicate, FragmentRefused, FragmentNoRoom:
		return true
	}
	return false
}

// TestEveryCounterTested: the corpus moves each counter of a frame's fate.
func TestEveryCounterTested(t *testing.T) {
	seen := map[string]bool{"frame_long": true} // TestFrameLong
	for _, tc := range wiretest.Corpus(wiretest.DefaultSite()) {
		seen[tc.Counter] = true
	}
	for i := firstAccepted; i < EventLost; i++ {
		if !seen[CounterNames[i]] && !isElsewhere(i) {
			t.Errorf("no case in wiretest moves %s", CounterNames[i])
		}
	}
}

func TestFrameLong(t *testing.T) {
	b := newBench(t)
	request, _ := wiretest.Echo(b.site.From(), 4000, wiretest.Payload(1472, 0))
	long := append(request, make([]byte, frame.MaxLen+1-len(request))...)
	before := Snapshot(0)
	action, _ := b.deliver(t, 0, long)
	if diff := cmp.Diff([]string{"frame_long+1"}, moved(before, Snapshot(0))); action != Drop || diff != "" {
		t.Errorf("Deliver of %d bytes = %#x, want %#x; counters (-want +got):\n%s", len(long), action, Drop, diff)
	}
	action, _ = b.deliver(t, 0, long[:frame.MaxLen])
	if want := Reply | uint32(len(request)); action != want {
		t.Errorf("Deliver of %d bytes = %#x, want %#x", frame.MaxLen, action, want)
	}
}

// TestEchoOfEcho: the answer, delivered to the peer's own core, would be an echo reply from port 7: nobody answers that.
func TestEchoOfEcho(t *testing.T) {
	b := newBench(t)
	for _, tc := range wiretest.Corpus(b.site) {
		if tc.Want != wiretest.Answered || tc.Counter == "arp_answer" {
			continue
		}
		back := slices.Clone(tc.Reply)
		copy(back[:6], b.site.MAC[:])
		copy(back[6:12], b.site.PeerMAC[:])
		ip := back[wiretest.L3(back):]
		src, dst := [4]byte(ip[12:]), [4]byte(ip[16:])
		back = wiretest.IP(back, func(ip []byte) { copy(ip[12:], dst[:]); copy(ip[16:], src[:]) })
		if action, _ := b.deliver(t, 0, back); action&Reply != 0 {
			t.Errorf("%s: the answer is answered", tc.Name)
		}
	}
}

// TestLoopPorts: echo answers no source port of a service, the well-known ones and our own; all others it does.
func TestLoopPorts(t *testing.T) {
	b := newBench(t)
	refused := map[uint16]bool{0: true, 7: true}
	for _, port := range talkative {
		refused[port] = true
	}
	for port := range 1 << 16 {
		f, _ := wiretest.Echo(b.site.From(), uint16(port), nil)
		action, _ := b.deliver(t, 0, f)
		if got := action == Drop; got != refused[uint16(port)] {
			t.Errorf("echo request from port %d: action %#x, want refused = %v", port, action, refused[uint16(port)])
		}
	}
}

// TestPorts: each of the MaxPorts ports, in each place, is told apart by its VLAN, and its rules are its own.
func TestPorts(t *testing.T) {
	b := newBench(t)
	c := new(Config)
	d := &c.Device[1]
	d.MAC = b.site.MAC
	for i := range d.Ports {
		d.Ports[i] = PortConfig{VID: uint16(500 + i), Addr: [4]byte{10, 1, byte(i), 1}, Prefix: 24, Rules: true}
		d.Ports[i].UDP.Add(uint16(100+i), uint16(100+i))
		if i%2 == 0 {
			d.Ports[i].UDP.Add(7, 7)
		}
	}
	if err := Configure(c, unpublished); err != nil {
		t.Fatal(err)
	}
	for i := range d.Ports {
		h := b.site.From()
		h.Tags, h.DstIP, h.SrcIP = []wire.VLAN{{VID: uint16(500 + i)}}, [4]byte{10, 1, byte(i), 1}, [4]byte{10, 1, byte(i), 2}
		want := Inband
		request, reply := wiretest.Echo(h, 4000, wiretest.Payload(64, byte(i)))
		if i%2 == 0 {
			want = Reply | uint32(len(reply))
		}
		if action, _ := b.deliver(t, 1, request); action != want {
			t.Errorf("port %d: Deliver(echo) = %#x, want %#x", i, action, want)
		}
		for j := range d.Ports {
			want := Inband
			if i == j {
				want = Drop // accepted, and no service there
			}
			if action, _ := b.deliver(t, 1, wire.AppendUDP(nil, h, 4000, uint16(100+j), nil)); action != want {
				t.Errorf("port %d: Deliver(UDP port %d) = %#x, want %#x", i, 100+j, action, want)
			}
		}
	}
	if action, _ := b.deliver(t, 0, wiretest.Corpus(b.site)[0].Frame); action&Reply != 0 {
		t.Errorf("a device without ports answers: %#x", action)
	}
}

// TestVLANRule: a VLAN that is accepted without a port on it is oob all the same, and nothing claims it.
func TestVLANRule(t *testing.T) {
	b := newBench(t)
	c := siteConfig(b.site)
	c.Device[0].VLANs.Add(77)
	if err := Configure(c, unpublished); err != nil {
		t.Fatal(err)
	}
	h := b.site.VFrom()
	h.Tags[0].VID = 77
	anyone := *h
	anyone.DstIP = [4]byte{}
	echo, _ := wiretest.Echo(h, 4000, nil)
	nobody, _ := wiretest.Echo(&anyone, 4000, nil)
	ping, _ := wiretest.Ping(&anyone, 1, nil)
	who, _ := wiretest.Who(&anyone, wiretest.Broadcast, b.site.MAC)
	for _, tc := range []struct {
		name, counter string
		frame         []byte
	}{
		{"UDP", "ipv4_destination+1", echo}, {"UDP to 0.0.0.0", "unclaimed+1", nobody}, {"ping to 0.0.0.0", "unclaimed+1", ping},
		{"ARP for 0.0.0.0", "inband_arp+1", who},
	} {
		before := Snapshot(0)
		b.deliver(t, 0, tc.frame)
		if diff := cmp.Diff([]string{tc.counter}, moved(before, Snapshot(0))); diff != "" {
			t.Errorf("%s: counters (-want +got):\n%s", tc.name, diff)
		}
	}
	// Each device has its own rule: on the other one the VLAN is in-band's.
	before := Snapshot(1)
	if action, _ := b.deliver(t, 1, echo); action != Inband {
		t.Errorf("the other device: Deliver = %#x, want %#x", action, uint32(Inband))
	}
	if diff := cmp.Diff([]string{"inband_vlan+1"}, moved(before, Snapshot(1))); diff != "" {
		t.Errorf("the other device: counters (-want +got):\n%s", diff)
	}
}

// TestOwnAddresses: no answer to an address of the machine that is on no oob port; without the entry there is one.
func TestOwnAddresses(t *testing.T) {
	b := newBench(t)
	h := b.site.From()
	h.SrcIP = [4]byte{10, 0, 2, 15}
	request, reply := wiretest.Echo(h, 4000, nil)
	if action, got := b.deliver(t, 0, request); action&Reply == 0 || !bytes.Equal(got, reply) {
		t.Errorf("Deliver = %#x, want an answer", action)
	}
	c := siteConfig(b.site)
	c.Own[3] = h.SrcIP
	if err := Configure(c, unpublished); err != nil {
		t.Fatal(err)
	}
	before := Snapshot(0)
	b.deliver(t, 0, request)
	if diff := cmp.Diff([]string{"source_ip+1"}, moved(before, Snapshot(0))); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func TestAllocs(t *testing.T) {
	b := newBench(t)
	for _, tc := range wiretest.Corpus(b.site) {
		if n := testing.AllocsPerRun(10, func() {
			copy(b.all[frameAt:], tc.Frame)
			deliverAnswered(0, b.memory.Frame(slot), uint32(len(tc.Frame)))
			PopEvent()
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", tc.Name, n)
		}
	}
}

func TestCounterNames(t *testing.T) {
	seen := map[string]bool{}
	for i, name := range CounterNames {
		if name == "" || seen[name] {
			t.Errorf("CounterNames[%d] = %q: empty or twice", i, name)
		}
		seen[name] = true
	}
}

func BenchmarkDeliver(bench *testing.B) {
	b := newBench(bench)
	request, _ := wiretest.Echo(b.site.VFrom(), 4000, wiretest.Payload(64, 0))
	for bench.Loop() {
		copy(b.all[frameAt:], request)
		deliverAnswered(0, b.memory.Frame(slot), uint32(len(request)))
	}
}
