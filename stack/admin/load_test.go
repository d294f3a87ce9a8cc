package admin_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/filter"
	"mortise/stack/gateway"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

var changes = flag.Int("changes", 0, "changes of TestChangesUnderTraffic; 0: 10,000, 600 with -short or the race detector")

// TestChangesUnderTraffic: ports go on and off, VLAN rules and diversion change while frames come in at every step of each change.
// Each frame has one fate: none is lost, none goes to both stages, no buffer leaks.
func TestChangesUnderTraffic(t *testing.T) {
	b := newBench(t)
	n := *changes
	if n == 0 {
		if n = 10_000; raceEnabled || testing.Short() {
			n = 600
		}
	}
	random := rand.New(rand.NewPCG(20261122, 4))
	s, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000"), Queue: 8, Policy: socket.DropOldest})
	b.ok(err)
	var (
		number, answered, left uint32
		fates                  = map[uint32]int{}
		hands                  []socket.Message
		vids                   = []uint16{0, 42, 43, 44, 45, 100}
	)
	before := oob.Snapshot(0)
	traffic := func() {
		clear(fates)
		b.nic.Discard()
		first := number
		for range 3 {
			h := b.header(vids[random.IntN(len(vids))])
			number++
			port := uint16(7)
			if random.IntN(3) == 0 {
				port = 5000
			}
			payload := binary.BigEndian.AppendUint32(nil, number)
			b.nic.Inject(wire.AppendUDP(nil, h, 40000, port, payload))
		}
		was := oob.Snapshot(0)
		fate := func(f []byte) {
			at := wiretest.L3(f) + 28
			fates[binary.BigEndian.Uint32(f[at:])]++
		}
		b.poll(func(f []byte) { left++; fate(f) })
		for _, f := range b.nic.Sent() {
			answered++
			fate(f)
		}
		now := oob.Snapshot(0)
		// What a socket takes, and what comes on an oob VLAN without a port, has its fate there.
		consumed := uint32(0)
		for _, c := range []int{oob.SocketQueued, oob.SocketFull, oob.IPv4Destination, oob.ProgramDrop, oob.RuleDrop} {
			consumed += now[c] - was[c]
		}
		for i, times := range fates {
			if times != 1 || i <= first {
				t.Fatalf("frame %d of %d to %d: %d fates", i, first+1, number, times)
			}
		}
		if got := uint32(len(fates)) + consumed; got != 3 {
			t.Fatalf("frames %d to %d: %d have a fate, want 3; consumed %d", first+1, number, got, consumed)
		}
		if m, status := receive(s, len(hands) < 3); status == socket.OK {
			hands = append(hands, m)
		} else if len(hands) != 0 && random.IntN(2) == 0 {
			hands[0].Release()
			hands = hands[1:]
		}
	}
	b.moving = traffic
	programs := []admin.Program{
		always(filter.Drop), always(filter.Accept), always(filter.Skip), always(filter.VLAN), {Name: "gateway.o", Content: object(t, "gateway.o")},
		{Name: "whole.o", Content: object(t, "whole.o")},
	}
	ruled := func() gateway.RuleText { // judges frames to UDP port 5000
		verdict := []string{"drop", "accept", "skip", "vlan"}[random.IntN(4)]
		return gateway.RuleText{TOML: fmt.Sprintf(`from = "rt0", name = "udp", protocol = "udp", port = 5000, verdict = %q`, verdict)}
	}
	refused, beyond := 0, admin.Program{Content: object(t, "refused/beyond.o")}
	for range n {
		name := []string{"rt0", "rt0.42", "rt0.43", "rt0.44", "rt0.45"}[random.IntN(5)]
		switch random.IntN(10) {
		case 0, 1:
			if err := b.Enable(name, 1+random.IntN(40)); err != nil && !strings.Contains(err.Error(), "in use") && !strings.Contains(err.Error(), "disable it first") {
				t.Fatal(err)
			}
		case 2, 3:
			_, err = b.Disable(name)
			b.ok(err)
		case 4:
			b.ok(b.SetVLANs("rt0", []string{"", "100", "100-110"}[random.IntN(3)]))
		case 5:
			_, err = b.Divert("rt0", random.IntN(2) == 0)
			b.ok(err)
		case 6:
			b.ok(b.SetFilter("rt0", programs[random.IntN(len(programs))]))
		case 7:
			b.ok(b.RemoveFilter("rt0"))
		case 8:
			rules, err := b.Forwards("rt0")
			b.ok(err)
			switch {
			case len(rules) == 0:
				_, err = b.AddForward(ruled(), "")
			case random.IntN(3) == 0:
				err = b.RemoveForward("rt0", "udp")
			default:
				_, err = b.ReplaceForward("rt0", "udp", ruled())
			}
			b.ok(err)
		case 9:
			if b.SetFilter("rt0", beyond) == nil {
				t.Fatal("a program that is not safe was taken")
			}
			refused++
		}
		traffic()
	}
	b.moving = func() {}
	for i := range hands {
		hands[i].Release()
	}
	b.ok(b.SetVLANs("rt0", ""))
	b.ok(b.RemoveFilter("rt0"))
	for _, r := range b.forwards() {
		b.ok(b.RemoveForward(r.Device, r.Name))
	}
	_, err = b.Divert("rt0", false)
	b.ok(err)
	after := oob.Snapshot(0)
	moved := func(counter int) uint32 { return after[counter] - before[counter] }
	t.Logf("%d changes, %d of them refused, %d frames: %d answered by the oob stage, %d in-band (%d by programs, %d by rules), %d queued for a socket, "+
		"%d dropped by programs, %d by rules, 0 lost", n, refused, number, answered, left, moved(oob.InbandProgram), moved(oob.InbandRule),
		moved(oob.SocketQueued), moved(oob.ProgramDrop), moved(oob.RuleDrop))
	if answered == 0 || left == 0 || moved(oob.SocketQueued) == 0 || moved(oob.ProgramDrop) == 0 || moved(oob.RuleDrop) == 0 ||
		moved(oob.InbandProgram) == 0 || moved(oob.InbandRule) == 0 {
		t.Error("some fate never occurred")
	}
}

// receive takes a message from a socket, if there is room for it.
func receive(s socket.Socket, room bool) (socket.Message, socket.Status) {
	if !room {
		return socket.Message{}, socket.Empty
	}
	m, status := s.Receive()
	if status != socket.OK {
		return socket.Message{}, status
	}
	return *m, status
}
