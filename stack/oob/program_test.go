package oob

import (
	"fmt"
	"slices"
	"testing"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/filter/rules/compile"
	"mortise/stack/forward"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// bySender is a program whose verdict is the last byte of the frame's source address: ldb [11], ret a.
func bySender(t testing.TB) *bpf.Program {
	t.Helper()
	f, err := load.Classic([]load.Instruction{{Op: 0x30, K: 11}, {Op: 0x16}}, load.Returns{Codes: true})
	if err != nil {
		t.Fatal(err)
	}
	return &f.Program
}

// from returns h with a source address whose frames have the verdict.
func from(h *wire.Header, v filter.Verdict) *wire.Header {
	h.Src[5] = byte(v)
	return h
}

// configured returns the bench with c changed by edit.
func (b *bench) configured(t testing.TB, edit func(c *Config)) {
	t.Helper()
	c := siteConfig(b.site)
	edit(c)
	if err := Configure(c, unpublished); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Configure(siteConfig(b.site), unpublished) })
}

// TestProgram: the verdicts of a device's program have EVL's meaning: the program comes first, and VLAN has the ports decide as if
// there were none.
func TestProgram(t *testing.T) {
	b := newBench(t)
	s := &b.site
	b.configured(t, func(c *Config) { c.Device[0].Program = bySender(t) })
	port9 := func(h *wire.Header) []byte { return wire.AppendUDP(nil, h, 4000, 9999, make([]byte, 8)) }
	echo := func(h *wire.Header) []byte { f, _ := wiretest.Echo(h, 4000, nil); return f }
	group := func(h *wire.Header) []byte {
		f, _ := wiretest.Who(h, wiretest.Broadcast, s.MAC)
		return f
	}
	other := func(h *wire.Header) []byte { f := echo(h); f[14-2], f[14-1] = 0x88, 0xa4; return f }
	foreign := func(h *wire.Header) []byte { f := echo(h); f[5]++; return f }
	short := func(h *wire.Header) []byte { return echo(h)[:16] }
	elsewhere := s.VFrom()
	elsewhere.Tags = []wire.VLAN{{VID: s.VID + 1}}
	for _, tc := range []struct {
		name  string
		head  *wire.Header
		frame func(h *wire.Header) []byte
		want  [4]string // the counter, by verdict
	}{
		{"UDP that a port with rules takes", s.From(), echo, [4]string{"program_drop", "udp_echo", "inband_program", "udp_echo"}},
		{"UDP that it leaves to in-band", s.From(), port9, [4]string{"program_drop", "unclaimed", "inband_program", "inband_udp_port"}},
		{"the same on a port without rules", s.VFrom(), port9, [4]string{"program_drop", "unclaimed", "inband_program", "unclaimed"}},
		{"ARP for the port", s.From(), group, [4]string{"program_drop", "arp_answer", "inband_program", "arp_answer"}},
		{"neither IPv4 nor ARP: EVL's ACCEPT is for IPv4", s.From(), other, [4]string{"program_drop", "inband_ethertype", "inband_program", "inband_ethertype"}},
		{"a VLAN without a port, even when accepted", elsewhere, echo, [4]string{"program_drop", "inband_vlan", "inband_program", "inband_vlan"}},
		{"a tag that is cut off", s.VFrom(), short, [4]string{"program_drop", "tag_short", "inband_program", "tag_short"}},
		{"to another station: it is not asked", s.From(), foreign, [4]string{"foreign_mac", "foreign_mac", "foreign_mac", "foreign_mac"}},
	} {
		for v := filter.Drop; v <= filter.VLAN; v++ {
			h := *tc.head
			before, judged := Snapshot(0), JudgedBy(0)
			action, reply := b.deliver(t, 0, tc.frame(from(&h, v)))
			after, now := Snapshot(0), JudgedBy(0)
			if got := moved(before, after); !slices.Equal(got, []string{tc.want[v] + "+1"}) || !after.Balanced() {
				t.Errorf("%s, %s: moved %v, want %s", tc.name, load.VerdictName(v), got, tc.want[v])
			}
			if (action >= Reply) != (len(reply) > 0) || action >= Reply != slices.Contains([]string{"udp_echo", "arp_answer"}, tc.want[v]) {
				t.Errorf("%s, %s: action %#x", tc.name, load.VerdictName(v), action)
			}
			asked := uint32(1)
			if tc.want[v] == "foreign_mac" {
				asked = 0
			}
			if now.Verdicts[v]-judged.Verdicts[v] != asked || now.Runs()-judged.Runs() != asked || now.Steps-judged.Steps != 4*asked {
				t.Errorf("%s, %s: judged %+v, then %+v", tc.name, load.VerdictName(v), judged, now)
			}
		}
	}
	if j := JudgedBy(0); j.Longest != 4 {
		t.Errorf("the longest run took %d steps, want 4: two of the program, two ahead of it", j.Longest)
	}
	if j := JudgedBy(1); j.Runs() != 0 {
		t.Errorf("device 1 has no program and judged %+v", j)
	}
	// Taken away, it decides nothing; its counters are of the next one.
	b.configured(t, func(*Config) {})
	h := from(s.From(), filter.Drop)
	if action, _ := b.deliver(t, 0, echo(h)); action < Reply {
		t.Errorf("without a program: action %#x, want a reply", action)
	}
	if j := JudgedBy(0); j != (Judged{}) {
		t.Errorf("without a program: judged %+v", j)
	}
}

// TestAcceptedVLANWithoutPort: a VLAN that is accepted without a port on it takes nothing, whatever the program says, and keeps no fragment.
func TestAcceptedVLANWithoutPort(t *testing.T) {
	b := newBench(t)
	socket.Reassemble(0, 1000)
	t.Cleanup(func() { socket.Reassemble(task.NoTimer, 0) })
	b.configured(t, func(c *Config) {
		c.Device[0].Program = bySender(t)
		c.Device[0].VLANs.Add(77)
	})
	for _, v := range []filter.Verdict{filter.Accept, filter.VLAN} {
		h := from(b.site.VFrom(), v)
		h.Tags[0].VID, h.DstIP = 77, [4]byte{}
		echo, _ := wiretest.Echo(h, 4000, nil)
		h.DstIP = [4]byte{224, 0, 0, 1}
		group, _ := wiretest.Echo(h, 4000, nil)
		later := func(ip []byte) { ip[7] = 10 }
		for _, tc := range []struct {
			name, counter string
			frame         []byte
		}{
			{"an echo request to 0.0.0.0", "unclaimed", echo},
			{"a fragment to 0.0.0.0", "ipv4_fragment", wiretest.IP(echo, later)},
			{"a datagram to a group", "ipv4_destination", group},
			{"a fragment to a group", "ipv4_destination", wiretest.IP(group, later)},
		} {
			before := Snapshot(0)
			action, _ := b.deliver(t, 0, tc.frame)
			if got := moved(before, Snapshot(0)); action != Drop || !slices.Equal(got, []string{tc.counter + "+1"}) {
				t.Errorf("%s, %s: action %#x moved %v, want %s", tc.name, load.VerdictName(v), action, got, tc.counter)
			}
		}
	}
}

// TestRulesAndProgram: a rule that fits comes first, but for the verdict VLAN, which leaves a frame to what comes behind.
func TestRulesAndProgram(t *testing.T) {
	b := newBench(t)
	verdicts := []filter.Verdict{filter.Drop, filter.Accept, filter.Skip, filter.VLAN}
	classifier := new(forward.Classifier)
	var list []*compile.Rule
	for i, v := range verdicts {
		r, err := compile.Parse(map[string]any{"protocol": "udp", "src_port": int64(5000 + i)})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
		classifier.Rule[i].Verdict = v
	}
	if err := compile.Compile(&classifier.Table, list); err != nil {
		t.Fatal(err)
	}
	b.configured(t, func(c *Config) { c.Device[0].Program, c.Device[0].Rules = bySender(t), classifier })
	program := [4]string{"program_drop", "udp_echo", "inband_program", "udp_echo"}
	for i := range 5 { // the last one fits no rule
		for v := filter.Drop; v <= filter.VLAN; v++ {
			want := program[v]
			switch i {
			case 0:
				want = "rule_drop"
			case 1:
				want = "udp_echo"
			case 2:
				want = "inband_rule"
			}
			f, _ := wiretest.Echo(from(b.site.From(), v), uint16(5000+i), nil)
			before := Snapshot(0)
			b.deliver(t, 0, f)
			if got := moved(before, Snapshot(0)); !slices.Equal(got, []string{want + "+1"}) {
				t.Errorf("rule %d, program %s: moved %v, want %s", i, load.VerdictName(v), got, want)
			}
		}
	}
}

// TestProgramReplaced: Configure with another program is one store; the one that ran goes on counting until then, and a refused
// configuration leaves it.
func TestProgramReplaced(t *testing.T) {
	b := newBench(t)
	echo, _ := wiretest.Echo(from(b.site.From(), filter.Skip), 4000, nil)
	p := bySender(t)
	b.configured(t, func(c *Config) { c.Device[0].Program = p })
	for range 3 {
		b.deliver(t, 0, echo)
	}
	b.configured(t, func(c *Config) { c.Device[0].Program = p }) // the same again
	if j := JudgedBy(0); j.Verdicts != [4]uint32{filter.Skip: 3} {
		t.Errorf("after the same configuration again: %+v", j)
	}
	c := siteConfig(b.site)
	c.Device[0].Ports[5].VID = 1
	if err := Configure(c, unpublished); err == nil {
		t.Fatal("VLAN 1 was taken")
	}
	b.deliver(t, 0, echo)
	if j := JudgedBy(0); j.Verdicts != [4]uint32{filter.Skip: 4} {
		t.Errorf("after a refused configuration: %+v", j)
	}
	b.configured(t, func(c *Config) { c.Device[0].Program = bySender(t) })
	if j := JudgedBy(0); j != (Judged{}) {
		t.Errorf("another program begins with %+v", j)
	}
}

// TestProgramComesBack: a program that comes back with the next change has what it had counted, in either bank, up to the frame ahead of the change; the one
// between them had its own.
func TestProgramComesBack(t *testing.T) {
	b := newBench(t)
	skip, _ := wiretest.Echo(from(b.site.From(), filter.Skip), 4000, nil)
	drop, _ := wiretest.Echo(from(b.site.From(), filter.Drop), 4000, nil)
	p, q := bySender(t), bySender(t)
	counted := func(what string, want [4]uint32) {
		t.Helper()
		if j := JudgedBy(0); j.Verdicts != want || j.Steps != 4*j.Runs() || j.Runs() != 0 && j.Longest != 4 {
			t.Errorf("%s: %+v, want %v", what, j, want)
		}
	}
	set := func(p *bpf.Program) {
		b.configured(t, func(c *Config) { c.Device[0].Program = p })
	}
	for _, between := range []*bpf.Program{q, nil} {
		set(p)
		had := JudgedBy(0).Verdicts
		b.deliver(t, 0, skip)
		set(p) // what follows is counted in the other bank
		b.deliver(t, 0, skip)
		b.deliver(t, 0, drop)
		had[filter.Skip] += 2
		had[filter.Drop]++
		counted("the program", had)
		set(between)
		counted("the one in its place", [4]uint32{})
		b.deliver(t, 0, skip)
		set(p)
		counted("the program that came back", had)
	}
	set(q)
	set(nil)
	set(p)
	counted("one that has been away for longer", [4]uint32{})
}

// TestFrames: an activation runs a program for no more frames than its steps allow.
func TestFrames(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct{ insns, want int }{{2, 32}, {20, 32}, {22, 32}, {30, 24}, {126, 6}, {254, 3}} {
		program := make([]load.Instruction, tc.insns)
		for i := range program {
			program[i] = load.Instruction{Op: 0x04, K: 1} // add #1
		}
		program[tc.insns-1] = load.Instruction{Op: 0x16}
		f, err := load.Classic(program, load.Returns{Codes: true})
		if err != nil {
			t.Fatal(err)
		}
		b.configured(t, func(c *Config) { c.Device[0].Program = &f.Program })
		if got := Frames(DeviceAt(0), 32); got != uint32(tc.want) {
			t.Errorf("%s: %d frames, want %d", fmt.Sprint(f.Steps, " steps"), got, tc.want)
		}
		if got := Frames(DeviceAt(1), 32); got != 32 {
			t.Errorf("a device without a program: %d frames, want 32", got)
		}
	}
}

// TestBindBehind: a socket that is bound once a program, or a rule, accepts frames gets them.
func TestBindBehind(t *testing.T) {
	b := newBench(t)
	b.configured(t, func(c *Config) { c.Device[0].Program = bySender(t) })
	const port = 9998
	frame := wire.AppendUDP(nil, from(b.site.From(), filter.Accept), 4000, port, make([]byte, 8))
	frame[14+20+4]++ // the UDP length is wrong: it is looked at behind the socket's list
	for _, tc := range []struct {
		list int
		want string
	}{{-1, "unclaimed"}, {3, "udp_length"}, {-1, "unclaimed"}} {
		if err := Bind(port, tc.list); err != nil {
			t.Fatal(err)
		}
		before := Snapshot(0)
		b.deliver(t, 0, frame)
		if got := moved(before, Snapshot(0)); !slices.Equal(got, []string{tc.want + "+1"}) {
			t.Errorf("list %d: moved %v, want %s", tc.list, got, tc.want)
		}
	}
}
