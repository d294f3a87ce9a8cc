package forward_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/filter"
	"mortise/stack/filter/rules/compile"
	"mortise/stack/forward"
	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// bench is two diverted devices over fake controllers, Mortise's own companion core above them.
type bench struct {
	*testing.T
	site    wiretest.Site
	devices [divert.Devices]*divert.Device
	nics    [divert.Devices]*enettest.ENET
	config  oob.Config
}

func newBench(t *testing.T, shift16 bool) *bench {
	b := &bench{T: t, site: wiretest.DefaultSite()}
	memory := enettest.NewRings(t, divert.Devices*divert.SlotsPerDevice).Memory
	for i := range b.devices {
		rings := enettest.NewRings(t, 1)
		rings.Memory = memory
		o := enettest.Options{Base: [...]uintptr{0x02188000, 0x020b4000}[i]}
		b.nics[i] = enettest.New(t, rings, o)
		mac := b.site.MAC
		mac[5] += byte(i)
		d, err := divert.New(uint32(i), divert.Config{
			Name: "rt", TickHz: 1_000_000,
			Driver: enet.Config{
				Name: "ENET", Base: o.Base, ClkHz: 66_000_000, MAC: mac, Desc: rings.Desc, DescBus: rings.DescBus,
				Memory: memory, Clock: &enettest.Clock{}, TxShift16: shift16,
			},
			Hooks: divert.Hooks{Kick: func() { divert.Kicked() }, Route: func(bool) {}},
		})
		if err != nil {
			t.Fatal(err)
		}
		b.devices[i] = d
		b.config.Device[i].MAC = mac
	}
	p := &b.config.Device[0].Ports[0]
	*p = oob.PortConfig{Addr: b.site.Addr, Prefix: 24, Rules: true}
	b.configure()
	for _, d := range b.devices {
		d.Serve(true)
	}
	return b
}

func (b *bench) configure() {
	b.Helper()
	if err := oob.Configure(&b.config, divert.Adopt); err != nil {
		b.Fatal(err)
	}
}

// rule is a rule of the first device: what a frame must be, and what becomes of it.
type rule struct {
	match map[string]any
	do    forward.Rule
}

func (b *bench) rules(list ...rule) {
	b.Helper()
	c := new(forward.Classifier)
	var match []*compile.Rule
	for i, r := range list {
		m, err := compile.Parse(r.match)
		if err != nil {
			b.Fatal(err)
		}
		match = append(match, m)
		c.Rule[i] = r.do
	}
	if err := compile.Compile(&c.Table, match); err != nil {
		b.Fatal(err)
	}
	b.config.Device[0].Rules = c
	b.configure()
}

// send lets frames come in on the first device, and returns what each device has sent.
func (b *bench) send(frames ...[]byte) (sent [2][][]byte) {
	b.Helper()
	for _, f := range frames {
		b.nics[0].Inject(f)
	}
	divert.Poll(0)
	for i, nic := range b.nics {
		for _, f := range nic.Sent() {
			sent[i] = append(sent[i], bytes.Clone(f))
		}
		nic.Discard()
	}
	for _, d := range b.devices {
		sum := uint32(0)
		for _, p := range d.Slots() {
			if p.Place != "free_lowest" {
				sum += p.Slots
			}
		}
		if sum != divert.SlotsPerDevice {
			b.Errorf("slots in all places = %d, want %d: %+v", sum, divert.SlotsPerDevice, d.Slots())
		}
	}
	return sent
}

func to(outs ...forward.Out) forward.Rule {
	r := forward.Rule{Outs: uint32(len(outs))}
	copy(r.Out[:], outs)
	return r
}

// header returns that of a frame between two stations elsewhere.
func header(tags ...wire.VLAN) *wire.Header {
	return &wire.Header{
		Dst: [6]byte{2, 1, 1, 1, 1, 1}, Src: [6]byte{2, 2, 2, 2, 2, 2}, Tags: tags,
		SrcIP: [4]byte{192, 0, 2, 1}, DstIP: [4]byte{192, 0, 2, 2}, TTL: 3,
	}
}

func be(b [4]byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// Each change makes the frame that an independent builder makes of the changed headers: on a controller whose transmit buffers have
// an alignment, too.
func TestChanges(t *testing.T) {
	tag := func(vid uint16, pcp uint8) wire.VLAN { return wire.VLAN{VID: vid, PCP: pcp} }
	tci := func(vid uint16, pcp uint32) uint32 { return wire.Swap16(uint32(vid) | pcp<<13) }
	newDst, newSrc := [4]byte{198, 51, 100, 7}, [4]byte{198, 51, 100, 9}
	for _, shift16 := range []bool{false, true} {
		for _, c := range []struct {
			name     string
			out      forward.Out
			in, want *wire.Header
			ports    [2]uint16
		}{
			{"pass", forward.Out{Dev: 1}, header(), header(), [2]uint16{5000, 6000}},
			{"pass, tagged", forward.Out{Dev: 1}, header(tag(42, 3)), header(tag(42, 3)), [2]uint16{5000, 6000}},
			{"push", forward.Out{Dev: 1, Ops: forward.Push, TPID: wire.TypeCTag, TCI: tci(7, 6)}, header(), header(tag(7, 6)), [2]uint16{5000, 6000}},
			{"push a second", forward.Out{Dev: 1, Ops: forward.Push, TPID: wire.TypeSTag, TCI: tci(100, 0)}, header(tag(42, 1)),
				header(wire.VLAN{TPID: 0x88a8, VID: 100}, tag(42, 1)), [2]uint16{5000, 6000}},
			{"pop", forward.Out{Dev: 1, Ops: forward.Pop}, header(tag(42, 1)), header(), [2]uint16{5000, 6000}},
			{"pop of two", forward.Out{Dev: 1, Ops: forward.Pop}, header(tag(42, 1), tag(43, 2)), header(tag(43, 2)), [2]uint16{5000, 6000}},
			{"pop of none", forward.Out{Dev: 1, Ops: forward.Pop}, header(), header(), [2]uint16{5000, 6000}},
			{"rewrite the VLAN ID", forward.Out{Dev: 1, Ops: forward.Rewrite, TCI: tci(99, 0), Mask: tci(0xfff, 0)}, header(tag(42, 5)), header(tag(99, 5)), [2]uint16{5000, 6000}},
			{"set the priority", forward.Out{Dev: 1, Ops: forward.Rewrite, TCI: tci(0, 7), Mask: tci(0, 7)}, header(tag(42, 5)), header(tag(42, 7)), [2]uint16{5000, 6000}},
			{"rewrite of none", forward.Out{Dev: 1, Ops: forward.Rewrite, TCI: tci(99, 0), Mask: tci(0xfff, 0)}, header(), header(), [2]uint16{5000, 6000}},
			{"MAC addresses", forward.Out{Dev: 1, Ops: forward.SetDstMAC | forward.SetSrcMAC, DstMAC0: 0x0a0a0a02, DstMAC4: 0x0a0a, SrcMAC0: 0x0b0b0b02, SrcMAC4: 0x0b0b},
				header(tag(1, 0)), edit(header(tag(1, 0)), func(h *wire.Header) {
					h.Dst, h.Src = [6]byte{2, 10, 10, 10, 10, 10}, [6]byte{2, 11, 11, 11, 11, 11}
				}), [2]uint16{5000, 6000}},
			{"addresses and ports", forward.Out{Dev: 1, Ops: forward.SetSrc | forward.SetDst | forward.SetPorts, Src: be(newSrc), Dst: be(newDst),
				Ports: wire.Swap32(1234<<16 | 4321), PortMask: ^uint32(0)},
				header(), edit(header(), func(h *wire.Header) { h.SrcIP, h.DstIP = newSrc, newDst }), [2]uint16{1234, 4321}},
			{"addresses and a tag", forward.Out{Dev: 1, Ops: forward.SetDst | forward.Push, Dst: be(newDst), TPID: wire.TypeCTag, TCI: tci(7, 0)},
				header(), edit(header(tag(7, 0)), func(h *wire.Header) { h.DstIP = newDst }), [2]uint16{5000, 6000}},
		} {
			t.Run(fmt.Sprintf("%s, aligned %v", c.name, shift16), func(t *testing.T) {
				b := newBench(t, shift16)
				b.rules(rule{map[string]any{"protocol": "udp"}, to(c.out)})
				for _, n := range []int{0, 5, 18, 64, 1400} {
					data := wiretest.Payload(n, byte(n))
					sent := b.send(wire.AppendUDP(nil, c.in, 5000, 6000, data))
					want := wire.AppendUDP(nil, c.want, c.ports[0], c.ports[1], data)
					if len(sent[0]) != 0 || len(sent[1]) != 1 {
						t.Fatalf("%d bytes: sent %d and %d frames, want one on the other device", n, len(sent[0]), len(sent[1]))
					}
					// A short frame keeps its length when a tag is pushed, and its padding.
					got := sent[1][0]
					if len(got) < len(want) || !bytes.Equal(got[:len(want)], want) || bytes.ContainsFunc(got[len(want):], func(r rune) bool { return r != 0 }) {
						t.Errorf("%d bytes: sent\n%x, want\n%x", n, got, want)
					}
				}
			})
		}
	}
}

func edit(h *wire.Header, f func(h *wire.Header)) *wire.Header {
	f(h)
	return h
}

// Checksums that were right stay right, wrong ones stay wrong, and none stays none, whatever the addresses.
func TestChecksums(t *testing.T) {
	b := newBench(t, false)
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		h := header()
		dst := [4]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), 0xff, 0xff}
		out := forward.Out{
			Dev: 1, Ops: forward.SetDst | forward.SetPorts, Dst: be(dst), Ports: wire.Swap32(rnd.Uint32() & 0xffff), PortMask: 0xffff0000,
		}
		b.rules(rule{map[string]any{"protocol": "udp"}, to(out)})
		f := wire.AppendUDP(nil, h, 5000, uint16(rnd.Uint32()), wiretest.Payload(int(rnd.Uint32()%40), byte(rnd.Uint32())))
		if rnd.Uint32()%4 == 0 {
			f[40], f[41] = 0, 0
			if got := b.send(f)[1][0]; got[40] != 0 || got[41] != 0 {
				t.Fatalf("a datagram without a checksum got one: %x", got)
			}
			continue
		}
		wrong := rnd.Uint32()%4 == 0
		if wrong {
			f[34] ^= 0x10 // the source port
		}
		got := b.send(f)[1][0]
		ip := got[14:]
		n := int(ip[2])<<8 | int(ip[3])
		pseudo := wire.Checksum(ip[12:n], 17+uint32(n-20))
		if wire.Checksum(ip[:20], 0) != 0 || (pseudo == 0) == wrong {
			t.Fatalf("wrong %v: checksum of the header %#x, of the datagram %#x in %x", wrong, wire.Checksum(ip[:20], 0), pseudo, got)
		}
	}
}

// Frames of any EtherType, to whomever, are forwarded; the first rule decides; what no rule names is as without rules.
func TestRules(t *testing.T) {
	b := newBench(t, false)
	b.rules(
		rule{map[string]any{"ethertype": "ethercat"}, to(forward.Out{Dev: 1})},
		rule{map[string]any{"ethertype": "profinet", "vlan": "42"}, to(forward.Out{Dev: 1}, forward.Out{Dev: 0}, forward.Out{Dev: 1, Ops: forward.Pop})},
		rule{map[string]any{"src": "192.0.2.66/32"}, forward.Rule{Verdict: filter.Drop}},
		rule{map[string]any{"protocol": "udp", "port": int64(7)}, forward.Rule{Verdict: filter.Accept}},
		rule{map[string]any{"protocol": "tcp"}, forward.Rule{Verdict: filter.Skip}},
		rule{map[string]any{"protocol": "udp"}, forward.Rule{Verdict: filter.VLAN}},
	)
	raw := func(typ uint16, tags ...wire.VLAN) []byte {
		return append(wire.AppendEthernet(nil, header(tags...), typ), wiretest.Payload(64, 7)...)
	}
	before := oob.Snapshot(0)
	cat := raw(0x88a4)
	if sent := b.send(cat, cat); len(sent[1]) != 2 || !bytes.Equal(sent[1][0], cat) {
		t.Errorf("EtherCAT: sent %x", sent)
	}
	net, popped := raw(0x8892, wire.VLAN{VID: 42}), raw(0x8892)
	sent := b.send(net)
	if len(sent[0]) != 1 || len(sent[1]) != 2 || !bytes.Equal(sent[0][0], net) || !bytes.Equal(sent[1][0], net) || !bytes.Equal(sent[1][1], popped) {
		t.Errorf("fan-out: sent %x, want %x on both, and %x", sent, net, popped)
	}
	echo, reply := wiretest.Echo(b.site.From(), 40000, []byte("hello"))
	if sent := b.send(echo); len(sent[0]) != 1 || !bytes.Equal(sent[0][0], reply) {
		t.Errorf("an accepted echo: sent %x", sent)
	}
	bad := b.site.From()
	bad.SrcIP = [4]byte{192, 0, 2, 66}
	tcp := wire.AppendIPv4(nil, header(), 6, 40)
	tcp = append(tcp, make([]byte, 40)...)
	b.send(wire.AppendUDP(nil, bad, 1, 7, nil), tcp, wire.AppendUDP(nil, b.site.From(), 1, 9, nil), raw(0x1234))
	after := oob.Snapshot(0)
	for _, c := range []struct {
		counter int
		want    uint32
	}{
		{oob.Forwarded, 3}, {oob.UDPEcho, 1}, {oob.RuleDrop, 1}, {oob.InbandRule, 1}, {oob.InbandUDPPort, 1}, {oob.ForeignMAC, 1},
	} {
		if got := after[c.counter] - before[c.counter]; got != c.want {
			t.Errorf("%s moved by %d, want %d", oob.CounterNames[c.counter], got, c.want)
		}
	}
	if !after.Balanced() {
		t.Errorf("counters do not add up: %v", after)
	}
	if got, want := oob.Matched(0), [64]uint32{2, 1, 1, 1, 1, 1}; got != want {
		t.Errorf("Matched = %v, want %v", got, want)
	}
}

// A rule that stays, wherever, goes on counting, one that is new begins at 0, and each destination that a frame is handed over to counts once.
func TestTallies(t *testing.T) {
	b := newBench(t, false)
	id := func(n uint32, match string, outs ...forward.Out) rule {
		do := to(outs...)
		do.ID = n
		return rule{map[string]any{"ethertype": match}, do}
	}
	raw := func(typ uint16) []byte {
		return append(wire.AppendEthernet(nil, header(), typ), wiretest.Payload(64, 7)...)
	}
	cat, net, ptp := raw(0x88a4), raw(0x8892), raw(0x88f7)
	one := id(1, "ethercat", forward.Out{Dev: 1})
	two := id(2, "profinet", forward.Out{Dev: 1}, forward.Out{Dev: 0}, forward.Out{Dev: 1, Ops: forward.SetDstMAC})
	check := func(matched, handedOver [3]uint32) {
		t.Helper()
		got := oob.Matched(0)
		for i := range matched {
			sum := uint32(0)
			tally, _ := oob.TallyOf(0, i)
			for _, n := range tally.Latency {
				sum += n
			}
			if got[i] != matched[i] || sum != handedOver[i] {
				t.Errorf("rule %d: matched %d, handed over %d, want %d and %d", i+1, got[i], sum, matched[i], handedOver[i])
			}
		}
	}
	b.rules(one, two)
	b.send(cat, net, cat)
	check([3]uint32{2, 1}, [3]uint32{2, 3})
	b.configure() // the same ones
	b.send(cat)
	check([3]uint32{3, 1}, [3]uint32{3, 3})
	b.rules(id(3, "ptp", forward.Out{Dev: 1}), two, one)
	b.send(net, ptp)
	check([3]uint32{1, 2, 3}, [3]uint32{1, 6, 3})
	b.rules(id(4, "ptp", forward.Out{Dev: 1}), one)
	b.send(cat)
	check([3]uint32{0, 4}, [3]uint32{0, 4})

	// 64 rules are replaced by 64 others, over and over.
	for round := range uint32(5) {
		var list []rule
		for i := range uint32(64) {
			list = append(list, rule{map[string]any{"vlan": fmt.Sprint(100 + i)}, forward.Rule{Verdict: filter.Drop, ID: 10 + 64*round + i}})
		}
		b.rules(list...)
		b.send(append(wire.AppendEthernet(nil, header(wire.VLAN{VID: uint16(100 + round)}), 0x88a4), wiretest.Payload(64, 1)...))
		for i, n := range oob.Matched(0) {
			if (n == 1) != (i == int(round)) || n > 1 {
				t.Errorf("round %d: rule %d matched %d", round, i+1, n)
			}
		}
	}

	// While a device is not the oob stage's nothing is handed over to it.
	b.rules(one)
	if err := b.devices[1].Divert(false); err != nil {
		t.Fatal(err)
	}
	b.send(cat)
	check([3]uint32{1}, [3]uint32{0})
}

// A tag that would make a frame too long drops it, by name.
func TestTooLong(t *testing.T) {
	b := newBench(t, false)
	b.rules(rule{map[string]any{}, to(forward.Out{Dev: 1, Ops: forward.Push, TPID: wire.TypeCTag, TCI: 1})})
	f := append(wire.AppendEthernet(nil, header(wire.VLAN{VID: 2}, wire.VLAN{VID: 3}), 0x88a4), make([]byte, 1500)...)
	before := oob.Snapshot(0)[oob.ForwardLong]
	if sent := b.send(f); len(sent[1]) != 0 || oob.Snapshot(0)[oob.ForwardLong] != before+1 {
		t.Errorf("sent %d frames, forward_long moved by %d", len(sent[1]), oob.Snapshot(0)[oob.ForwardLong]-before)
	}
}

// Frames to other stations stay let in when in-band joins a group and leaves it.
func TestPromiscuous(t *testing.T) {
	b := newBench(t, false)
	check := func(after string, want bool) {
		t.Helper()
		if got := b.nics[0].Reg(uint32(enet.RCR))&enet.RCR_PROM != 0; got != want {
			t.Errorf("after %s: promiscuous %v, want %v", after, got, want)
		}
	}
	d, group := b.devices[0], netip.MustParseAddr("224.0.1.129")
	check("the start", false)
	for _, on := range []bool{true, false} {
		if err := d.Promiscuous(on); err != nil {
			t.Fatal(err)
		}
		check("Promiscuous", on)
		for _, member := range []bool{true, false} {
			if err := d.Join(group, member); err != nil {
				t.Fatal(err)
			}
			check("Join", on)
		}
	}
}
