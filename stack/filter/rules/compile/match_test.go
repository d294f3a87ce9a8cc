package compile

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"mortise/stack/filter"
	"mortise/stack/filter/rules"
	"mortise/stack/frame"
)

// matcher gives frames to a table as they lie in a slot.
type matcher struct {
	t   testing.TB
	m   frame.Memory
	one int // matches that MatchOne was asked for, too, and found its rule
}

func newMatcher(t testing.TB) *matcher {
	t.Helper()
	m, release, err := frame.NewMemory(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return &matcher{t: t, m: m}
}

func (m *matcher) match(t *rules.Table, b []byte) int {
	copy(unsafe.Slice((*byte)(unsafe.Add(nil, m.m.Frame(0))), frame.MaxLen), b)
	i := t.Match(m.m.Frame(0), uint32(len(b)))
	if t.HasOne != 0 {
		if one := t.MatchOne(m.m.Frame(0), uint32(len(b))); one != i {
			m.t.Fatalf("MatchOne = %d, Match = %d for %x", one, i, b)
		} else if i != rules.None {
			m.one++
		}
	}
	return int(i)
}

// lines reads rules, one a line.
func lines(t testing.TB, text string) []*Rule {
	t.Helper()
	var list []*Rule
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		r, err := ParseLine(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, r)
	}
	return list
}

// Values that rules and frames of the random tests share, so that they meet.
var (
	someTypes = []uint16{0x0800, 0x0800, 0x0800, 0x0800, 0x0806, 0x88a4, 0x8892, 0x88f7, 0x22f0, 0xb62c, 0x2292}
	somePorts = []uint16{1, 7, 8, 255, 256, 257, 4000, 5005, 65535}
	someVIDs  = []uint16{0, 1, 2, 42, 43, 45, 100, 4094}
	someHosts = []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "10.128.0.1", "192.168.1.77", "224.0.1.129", "255.255.255.255"}
	someMACs  = []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "01:00:5e:00:01:81", "ff:ff:ff:ff:ff:ff"}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// randomRule returns a rule of a few fields.
func randomRule(r *rand.Rand) string {
	var f []string
	add := func(one int, name string, value any) {
		if r.IntN(one) == 0 {
			f = append(f, fmt.Sprintf("%s=%v", name, value))
		}
	}
	host := func() string {
		p, _ := prefix(pick(r, someHosts))
		p, _ = p.Addr().Prefix(pick(r, []int{0, 1, 8, 9, 15, 16, 24, 31, 32}))
		return p.String()
	}
	port := func() string {
		first, last := pick(r, somePorts), pick(r, somePorts)
		return fmt.Sprintf("%d-%d", min(first, last), max(first, last))
	}
	switch r.IntN(4) {
	case 0:
		add(3, "vlan", "none")
	default:
		if r.IntN(3) == 0 {
			add(2, "vlan", pick(r, someVIDs)|2)
		} else {
			add(4, "vlan", fmt.Sprintf("2-%d,%d", pick(r, someVIDs)|2, pick(r, someVIDs)|2))
		}
		add(6, "pcp", pick(r, []string{"5", "0-3", "6,7", "0"}))
	}
	add(8, "src_mac", pick(r, someMACs))
	add(8, "dst_mac", pick(r, someMACs))
	if r.IntN(4) == 0 {
		if r.IntN(2) == 0 {
			add(1, "ethertype", fmt.Sprintf("%#x", pick(r, someTypes)))
		} else {
			add(1, "ethertype", fmt.Sprintf("%#x,%#x", pick(r, someTypes), pick(r, someTypes)))
		}
		return strings.Join(f, " ")
	}
	add(4, "src", host())
	add(3, "dst", host())
	if r.IntN(2) == 0 {
		add(1, "protocol", pick(r, []string{"udp", "tcp"}))
		add(2, "src_port", port())
		if r.IntN(2) == 0 {
			add(2, "port", port())
		} else {
			add(2, "port", port()+","+port())
		}
	} else {
		add(3, "protocol", pick(r, []string{"icmp", "17", "0", "255"}))
	}
	return strings.Join(f, " ")
}

// randomFrame returns a frame of the values that random rules name, sometimes cut off.
func randomFrame(r *rand.Rand) []byte {
	var b []byte
	for range 2 {
		m, _ := mac(pick(r, someMACs))
		b = append(b, m[:]...)
	}
	for range []int{0, 0, 1, 1, 2, 3}[r.IntN(6)] {
		b = binary.BigEndian.AppendUint16(b, pick(r, []uint16{0x8100, 0x88a8}))
		b = binary.BigEndian.AppendUint16(b, pick(r, someVIDs)|uint16(r.IntN(16))<<12)
	}
	kind := pick(r, someTypes)
	b = binary.BigEndian.AppendUint16(b, kind)
	if kind == 0x0800 {
		words := pick(r, []byte{5, 5, 5, 5, 6, 15, 4})
		b = append(b, pick(r, []byte{0x40, 0x40, 0x40, 0x60})|words, 0, 0, 40, 1, 2, pick(r, []byte{0, 0, 0x40, 0x20, 0x80, 1}), pick(r, []byte{0, 0, 0, 9}))
		b = append(b, 64, pick(r, []byte{17, 17, 6, 6, 1, 0, 255}), 0, 0)
		for range 2 {
			p, _ := prefix(pick(r, someHosts))
			a := p.Addr().As4()
			b = append(b, a[:]...)
		}
		b = append(b, make([]byte, 4*max(0, int(words)-5))...)
		b = binary.BigEndian.AppendUint16(b, pick(r, somePorts))
		b = binary.BigEndian.AppendUint16(b, pick(r, somePorts))
		b = append(b, 0, 30, 0, 0)
	}
	b = append(b, make([]byte, r.IntN(20))...)
	if r.IntN(10) == 0 {
		b = b[:r.IntN(len(b)+1)]
	}
	return b
}

// TestRandom compares tables with the plain reading of their rules: 0 to 64 of them, on frames that they were made to meet.
func TestRandom(t *testing.T) {
	m, r := newMatcher(t), rand.New(rand.NewPCG(1, 2))
	lists, each := 300, 300
	if testing.Short() {
		lists = 80
	}
	var table rules.Table
	hits := [rules.Max + 1]int{}
	for n := range lists {
		var list []*Rule
		count := r.IntN(rules.Max + 1)
		if n%2 != 0 {
			count = 1
		}
		for range count {
			rule, err := ParseLine(randomRule(r))
			if err != nil {
				t.Fatal(err)
			}
			rule.Single = r.IntN(4) == 0
			list = append(list, rule)
		}
		if err := Compile(&table, list); err != nil {
			t.Fatal(err)
		}
		for range each {
			b := randomFrame(r)
			want := Explain(list, b)
			if got := m.match(&table, b); got != want.Rule {
				t.Fatalf("Match = %d, want %d, for %x\n%s", got, want.Rule, b, want.String())
			}
			hits[want.Rule]++
		}
	}
	if m.one < 100 {
		t.Errorf("MatchOne found its rule %d times: the test compares too little", m.one)
	}
	later := 0
	for _, n := range hits[8:rules.Max] {
		later += n
	}
	if hits[0] == 0 || hits[rules.None] == 0 || later < 100 {
		t.Errorf("hits by rule: %v: the test compares nothing", hits)
	}
}

// TestMatch: what fits, field by field.
func TestMatch(t *testing.T) {
	m := newMatcher(t)
	udp := "020000000001 020000000002 0800 4500002400010000401100000a0000020a000001 0fa00007 00100000 0000000000000000"
	tagged := "020000000001 020000000002 8100 a02a 0800 4500002400010000401100000a0000020a000001 0fa00007 00100000 0000000000000000"
	double := "020000000001 020000000002 88a8 0064 8100 a02a 0800 4500002400010000401100000a0000020a000001 0fa00007 00100000"
	options := "020000000001 020000000002 0800 4600002400010000401100000a0000020a000001 94040000 0fa00007 00100000 0000000000000000"
	fragment := "020000000001 020000000002 0800 4500002400012000401100000a0000020a000001 0fa00007 00100000 0000000000000000"
	ecat := "ffffffffffff 020000000002 88a4 0e100000000000000000000000000000"
	for _, tc := range []struct {
		rule, frame string
		fits        bool
	}{
		{"", udp, true},
		{"", ecat, true},
		{"protocol=udp port=7", udp, true},
		{"protocol=udp port=7", tagged, true},
		{"protocol=udp port=7", double, true},
		{"protocol=udp port=7", options, true},
		{"protocol=udp port=7", fragment, false},
		{"protocol=udp", fragment, true},
		{"protocol=udp port=8-9,1-6", udp, false},
		{"protocol=tcp port=7", udp, false},
		{"protocol=udp src_port=4000", udp, true},
		{"protocol=udp src_port=4001-65535", udp, false},
		{"vlan=42", tagged, true},
		{"vlan=42", double, true},
		{"vlan=100", double, false},
		{"vlan=42", udp, false},
		{"vlan=none", udp, true},
		{"vlan=none", tagged, false},
		{"pcp=5", tagged, true},
		{"pcp=0-4,6-7", tagged, false},
		{"pcp=0-7", udp, false},
		{"ethertype=ethercat", ecat, true},
		{"ethertype=0x8892,0x22f0", "ffffffffffff 020000000002 2292 00", false},
		{"ethertype=0x8100", tagged, false},
		{"ethertype=ipv4 vlan=42 pcp=5 src_mac=02:00:00:00:00:02 dst_mac=02-00-00-00-00-01 src=10.0.0.2 dst=10.0.0.0/31 protocol=17 port=7 src_port=4000", tagged, true},
		{"src=10.0.0.0/24", udp, true},
		{"src=10.0.0.0/31", udp, false},
		{"dst=10.0.0.0/31", udp, true},
		{"src=0.0.0.0/0", udp, true},
		{"src=0.0.0.0/0", ecat, false},
		{"src_mac=02:00:00:00:00:01", udp, false},
		{"dst_mac=02:00:00:00:00:01", udp, true},
		{"protocol=udp", udp[:len("020000000001 020000000002 0800 45000024")], false},
		{"", "020000000001 0200", false},
	} {
		var b []byte
		fmt.Sscanf(strings.ReplaceAll(tc.frame, " ", ""), "%x", &b)
		list := lines(t, tc.rule+"\n")
		if tc.rule == "" {
			list = []*Rule{{Protocol: Any}}
		}
		var table rules.Table
		if err := Compile(&table, list); err != nil {
			t.Fatalf("%s: %v", tc.rule, err)
		}
		want := rules.None
		if tc.fits {
			want = 0
		}
		e := Explain(list, b)
		if got := m.match(&table, b); got != want || e.Rule != want {
			t.Errorf("%s: Match = %d, Explain %d, want %d, for %s\n%s", tc.rule, got, e.Rule, want, tc.frame, e.String())
		}
	}
}

// TestSingle: a rule for one tag at most takes no frame with two, whatever else it asks for; its neighbours do.
func TestSingle(t *testing.T) {
	m := newMatcher(t)
	const head = "020000000001020000000002"
	none, one, two := head+"88920000", head+"8100a02a88920000", head+"88a8006481"+"00a02a88920000"
	twice := head + "88a8c0008100c00088920000"
	for _, tc := range []struct {
		rule                  string
		none, one, two, twice bool
	}{
		{"", true, true, false, false},
		{"vlan=none", true, false, false, false},
		{"vlan=42", false, true, false, false},
		{"ethertype=profinet", true, true, false, false},
		{"ethertype=profinet vlan=42 pcp=5", false, true, false, false},
		{"pcp=0-7", false, true, false, false},
	} {
		for frame, fits := range map[string]bool{none: tc.none, one: tc.one, two: tc.two, twice: tc.twice} {
			var b []byte
			fmt.Sscanf(frame, "%x", &b)
			list := lines(t, "vlan=none\n")
			if tc.rule != "" {
				list = lines(t, tc.rule+"\n")
			} else {
				list[0].Untagged = false
			}
			list[0].Single = true
			for _, all := range [][]*Rule{list, append(list, &Rule{Protocol: Any})} {
				var table rules.Table
				if err := Compile(&table, all); err != nil {
					t.Fatal(err)
				}
				want := 0
				if !fits {
					want = []int{rules.None, 1}[len(all)-1]
				}
				e := Explain(all, b)
				if got := m.match(&table, b); got != want || e.Rule != want {
					t.Errorf("%q, %d rules: Match = %d, Explain %d, want %d, for %s\n%s", tc.rule, len(all), got, e.Rule, want, frame, e.String())
				}
			}
		}
	}
}

// TestAllocs: matching allocates nothing.
func TestAllocs(t *testing.T) {
	m, list := newMatcher(t), lines(t, "protocol=udp port=7\n")
	var table rules.Table
	if err := Compile(&table, list); err != nil {
		t.Fatal(err)
	}
	b := randomFrame(rand.New(rand.NewPCG(1, 1)))
	m.match(&table, b)
	if n := testing.AllocsPerRun(10, func() { m.match(&table, b) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestLimits: what does not fit into a table is refused.
func TestLimits(t *testing.T) {
	var table rules.Table
	many := make([]*Rule, rules.Max+1)
	for i := range many {
		many[i] = &Rule{Protocol: Any}
	}
	if err := Compile(&table, many); err == nil || !strings.Contains(err.Error(), "at most 64") {
		t.Errorf("65 rules: %v", err)
	}
	if err := Compile(&table, many[:rules.Max]); err != nil {
		t.Errorf("64 rules: %v", err)
	}
	var spread []*Rule
	for i := range 64 {
		r := &Rule{Protocol: 17}
		for j := range 4 {
			r.Ports = append(r.Ports, PortRange{uint16(i*4+j)<<8 + 7, uint16(i*4+j)<<8 + 8 + uint16(i+j)})
		}
		spread = append(spread, r)
	}
	if err := Compile(&table, spread); err != nil {
		t.Errorf("ranges that begin and end in each block of 256 ports: %v", err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	var mixed []*Rule
	for range 64 {
		set := new(filter.VIDSet)
		for vid := range uint16(4094) {
			if r.IntN(2) == 0 {
				set.Add(vid)
			}
		}
		mixed = append(mixed, &Rule{Protocol: Any, VLANs: set})
	}
	if err := Compile(&table, mixed); err == nil || !strings.HasPrefix(err.Error(), "vlan: ") {
		t.Errorf("every VLAN in other rules: %v", err)
	}
}
