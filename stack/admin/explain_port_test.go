package admin_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"mortise/stack/admin"
	"mortise/stack/core"
	"mortise/stack/divert"
	"mortise/stack/filter"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// decider has the companion core decide on frames, in a slot that no device has.
type decider struct {
	*bench
	slot    uint32
	sockets []socket.Socket
}

// newDecider returns one of the bench's device, whose ports have sockets of all kinds.
func newDecider(t *testing.T) *decider {
	c := &decider{bench: newBench(t), slot: divert.SlotsPerDevice} // a slot of the device that there is not
	task.SetHost(1<<40, nil)
	socket.Reassemble(0, life)
	t.Cleanup(func() {
		c.expire()
		socket.Reassemble(task.NoTimer, 0)
	})
	device, vlan := neigh.PortOf(0, 0), neigh.PortOf(0, uint32(c.site.VID))
	peer := netip.AddrPortFrom(netip.AddrFrom4(c.site.Peer), 4000)
	for _, o := range []struct {
		local  string
		device *neigh.Port
		peer   netip.AddrPort
	}{
		{local: "0.0.0.0:5000"}, {local: netip.AddrFrom4(c.site.Addr).String() + ":5000"}, {local: "0.0.0.0:5001", device: &vlan},
		{local: "0.0.0.0:5002", peer: peer}, {local: "224.0.0.251:5003", device: &vlan}, {local: "239.1.2.3:5003", device: &device},
		{local: "255.255.255.255:5004"}, {local: "0.0.0.0:5004"}, {local: "0.0.0.0:9999"}, {local: "0.0.0.0:5005", peer: peer}, {local: "0.0.0.0:5005"},
	} {
		s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort(o.local), Device: o.device})
		c.ok(err)
		if o.peer.IsValid() {
			c.ok(s.Connect(o.peer))
		}
		c.sockets = append(c.sockets, s)
	}
	c.raw(0x88f7, device)
	c.raw(0x0806, vlan)
	return c
}

// life is how long a datagram in fragments may take, in ticks.
const life = 1000

func (c *decider) raw(etherType uint16, p neigh.Port) {
	c.Helper()
	s, err := socket.OpenRaw(etherType, socket.Options{Device: &p})
	c.ok(err)
	c.sockets = append(c.sockets, s)
}

// expire gives up the datagrams of which not all has come.
func (c *decider) expire() {
	task.SetHost(1<<41, nil)
	socket.Expire()
	task.SetHost(1<<40, nil)
}

// decide returns the name of the counter that the core moves for a frame.
func (c *decider) decide(f []byte) string {
	c.Helper()
	at := c.memory.Frame(c.slot)
	copy(unsafe.Slice((*byte)(unsafe.Add(nil, at)), len(f)), f)
	before := oob.Snapshot(0)
	action := oob.Deliver(oob.DeviceAt(0), at, uint32(len(f)))
	switch {
	case action >= core.Reply:
		oob.Answered(oob.DeviceAt(0), uint32(len(f)), core.Length(action))
	case action >= core.Forward:
	case action >= core.Kept:
		c.slot = core.Slot(action)
	}
	after := oob.Snapshot(0)
	moved := ""
	for i, name := range oob.CounterNames {
		if i != oob.Received && i != oob.EventLost && after[i] != before[i] {
			if after[i] != before[i]+1 || moved != "" {
				c.Fatalf("frame %x moves %s by %d, beside %q", f, name, after[i]-before[i], moved)
			}
			moved = name
		}
	}
	for {
		if _, ok := oob.PopEvent(); !ok {
			break
		}
	}
	return moved
}

// read empties the sockets' queues.
func (c *decider) read() {
	for _, s := range c.sockets {
		for m, status := s.Receive(); status == socket.OK; m, status = s.Receive() {
			m.Release()
		}
	}
}

// vary gives the frame a turn towards what sockets take: other UDP ports, groups, broadcasts, fragments, other EtherTypes.
func (c *decider) vary(rnd *rand.Rand, f []byte) {
	if len(f) < 42 || rnd.IntN(2) == 0 {
		return
	}
	at := wiretest.L3(f)
	if len(f) < at+28 {
		return
	}
	pick := func(list ...uint16) uint16 { return list[rnd.IntN(len(list))] }
	if rnd.IntN(8) == 0 {
		binary.BigEndian.PutUint16(f[at-2:], pick(0x88f7, 0x86dd, 0x0806))
	}
	if f[at+9] == wire.ProtoUDP {
		binary.BigEndian.PutUint16(f[at+22:], pick(7, 5000, 5001, 5002, 5003, 5004, 5005, 5006, 9999, 80))
	}
	if rnd.IntN(3) == 0 {
		many := [][4]byte{{224, 0, 0, 251}, {239, 1, 2, 3}, {255, 255, 255, 255}, {10, 0, 0, 255}, {10, 0, 42, 255}, {}}
		to := many[rnd.IntN(len(many))]
		copy(f[at+16:], to[:])
		if rnd.IntN(2) == 0 {
			copy(f, wiretest.Broadcast[:])
		}
	}
	if rnd.IntN(4) == 0 {
		binary.BigEndian.PutUint16(f[at+6:], pick(0x2000, 0x2001, 0x2006, 0x0001, 0x000a, 0x1fff, 0x8000, 0x4000))
		f[at+5] = byte(rnd.IntN(4))
	}
	wiretest.Repair(f)
}

// TestExplainIsWhatBecomes: of 20,000 random frames for each of several settings of a device Explain says what the companion core then does: the
// counter that it moves, and so the verdict. The one thing left open is what the last of several fragments makes of the others.
func TestExplainIsWhatBecomes(t *testing.T) {
	seen := map[string]int{}
	for i, tc := range []struct {
		name string
		set  func(c *decider)
	}{
		{"ports", func(*decider) {}},
		{"a VLAN rule", func(c *decider) { c.ok(c.SetVLANs("rt0", "100")) }},
		{"a raw socket for IPv4", func(c *decider) { c.raw(0x0800, neigh.PortOf(0, uint32(c.site.VID))) }},
		{"a program", func(c *decider) {
			c.ok(c.SetFilter("rt0", admin.Program{Name: "gateway.o", Content: object(t, "gateway.o")}))
		}},
		{"a program that accepts all, a VLAN rule", func(c *decider) {
			c.ok(c.SetFilter("rt0", always(filter.Accept)))
			c.ok(c.SetVLANs("rt0", "100"))
			c.raw(0x0800, neigh.PortOf(0, uint32(c.site.VID)))
		}},
		{"rules and a program", func(c *decider) {
			c.ok(c.SetFilter("rt0", always(filter.VLAN)))
			for _, r := range []string{
				`name = "a", protocol = "udp", port = "5001", verdict = "accept"`, `name = "b", protocol = "icmp", verdict = "vlan"`,
				`name = "c", ethertype = "0x86dd", verdict = "skip"`, `name = "d", src_port = "4000", protocol = "udp", port = "80", verdict = "drop"`,
				`name = "e", ethertype = "arp", to = { device = "rt0", push = { vid = 7 } }`, `name = "f", ethertype = "0x88f7", to = "rt0"`,
				`name = "g", vlan = "42", verdict = "accept"`,
			} {
				_, err := c.AddForward(toml("%s", `from = "rt0", `+r), "")
				c.ok(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newDecider(t)
			tc.set(c)
			n := 20_000
			if raceEnabled || testing.Short() {
				n = 2_000 // nothing here runs at the same time as anything else
			}
			seed := uint64(20261123 + i)
			m, rnd := wiretest.NewMutator(c.site, seed), rand.New(rand.NewPCG(seed, 1))
			for k := range n {
				f := slices.Clone(m.Next())
				c.vary(rnd, f)
				if rnd.IntN(200) == 0 {
					f = append(f, make([]byte, max(0, 1519-len(f)))...)
				}
				if len(f) < wire.EthernetLen || len(f) > 1522 {
					continue
				}
				e, err := c.Explain("rt0", f)
				c.ok(err)
				got := c.decide(f)
				seen[got]++
				if last := strings.Contains(strings.Join(e.Why, ""), "of which others have come"); e.Counter != got && !(last && ofWhole(got)) {
					t.Fatalf("seed %d, frame %d, %x: counted as %s, explained as %s: %s by %s:\n%s", seed, k, f, got, e.Counter, e.Verdict, e.By, strings.Join(e.Why, "\n"))
				}
				class := oob.ClassOf(slices.Index(oob.CounterNames[:], e.Counter))
				if want := map[oob.Class]string{oob.ClassAccepted: "ACCEPT", oob.ClassInband: "SKIP", oob.ClassDropped: "DROP"}[class]; e.Verdict != want && !(e.Verdict == "FORWARD" && got == "forwarded") {
					t.Fatalf("frame %x, counted as %s: verdict %s", f, got, e.Verdict)
				}
				c.read()
				if k%50 == 49 {
					c.expire()
				}
			}
		})
	}
	for i, name := range oob.CounterNames {
		if !raceEnabled && !testing.Short() && oob.ClassOf(i) != oob.ClassTotal && oob.ClassOf(i) != oob.ClassOther && seen[name] == 0 {
			switch name {
			case "frame_short", "frame_long", "socket_full": // it has no length of a frame; the sockets have room
			default:
				t.Errorf("no frame moved %s", name)
			}
		}
	}
	t.Logf("%v", seen)
}

// ofWhole tells the counters of a fragment that may be the last one of its datagram, or no use to it.
func ofWhole(counter string) bool {
	return slices.Contains([]string{"socket_queued", "unclaimed", "udp_length", "udp_checksum", "fragment_duplicate", "fragment_refused"}, counter)
}
