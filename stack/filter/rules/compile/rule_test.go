package compile

import (
	"math/rand/v2"
	"strings"
	"testing"

	"mortise/stack/filter"
	"mortise/stack/filter/rules"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"protocol=udp port=7", "protocol=udp port=7 verdict=accept"},
		{"port=7,5000-5010 protocol=17 verdict=drop", "protocol=udp port=7,5000-5010 verdict=drop"},
		{"", "verdict=accept"},
		{"ethertype=ethercat,0x8892 verdict=skip", "ethertype=0x88a4,0x8892 verdict=skip"},
		{"ethertype=2048 src=10.0.0.1", "ethertype=0x0800 src=10.0.0.1/32 verdict=accept"},
		{"vlan=100,42-45 pcp=5-7", "vlan=42-45,100 pcp=5,6,7 verdict=accept"},
		{"vlan=none verdict=vlan", "vlan=none verdict=vlan"},
		{"src_mac=02-00-00-00-00-0A dst_mac=ff:ff:ff:ff:ff:ff", "src_mac=02:00:00:00:00:0a dst_mac=ff:ff:ff:ff:ff:ff verdict=accept"},
		{"src=10.0.0.0/8 dst=224.0.0.0/4 protocol=2", "src=10.0.0.0/8 dst=224.0.0.0/4 protocol=igmp verdict=accept"},
		{"protocol=tcp src_port=1-65535", "protocol=tcp src_port=1-65535 verdict=accept"},
		{"protocol=99", "protocol=99 verdict=accept"},
	} {
		r, err := ParseLine(tc.line)
		if err != nil {
			t.Errorf("%s: %v", tc.line, err)
			continue
		}
		if got := r.String(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.line, got, tc.want)
		}
	}
	r, err := Parse(map[string]any{"protocol": "udp", "port": int64(7)}) // as gateway.toml has it
	if err != nil || r.String() != "protocol=udp port=7 verdict=accept" || r.Verdict != filter.Accept {
		t.Errorf("numbers: %v, %v", r, err)
	}
}

// TestParseErrors: an error names the field, what was found and what is wanted.
func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"port", "port: expected name=value"},
		{"ports=7", "ports: expected one of ethertype, vlan"},
		{"protocol=udp protocol=tcp", `protocol = "tcp": expected each field once`},
		{"protocol=upd", `protocol = "upd": expected an IPv4 protocol`},
		{"protocol=256", `protocol = "256": expected`},
		{"port=7", `protocol: expected "udp", "tcp" or "sctp" beside ports`},
		{"protocol=icmp port=7", "beside ports"},
		{"protocol=udp port=0", `port = "0": expected ports from 1 to 65535`},
		{"protocol=udp port=9-7", "expected ports"},
		{"protocol=udp port=1-70000", "expected ports"},
		{"protocol=udp port=", "expected ports"},
		{"vlan=1", "VLAN ID 1 is the default VLAN"},
		{"vlan=4095", "is reserved"},
		{"vlan=0", "marks a priority tag"},
		{"vlan=", "expected VLAN IDs"},
		{"vlan=none pcp=3", "only a tag has a priority"},
		{"pcp=8", "expected priorities from 0 to 7"},
		{"src=10.0.0.1/24", "without bits behind it"},
		{"src=::1", "an IPv4 address"},
		{"dst=fe80::/10", "an IPv4 address"},
		{"dst=host", "an IPv4 address"},
		{"src_mac=02:00:00:00:00", "a MAC address"},
		{"src_mac=02:00:00:00:00:00:00:01", "a MAC address"},
		{"ethertype=0x5ff", "from 0x600"},
		{"ethertype=ethernet", "expected ethertypes"},
		{"ethertype=arp src=10.0.0.1", `ethertype: expected nothing or "ipv4" beside a field of IPv4`},
		{"verdict=pass", `verdict = "pass": expected "accept", "skip", "drop" or "vlan"`},
	} {
		_, err := ParseLine(tc.line)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.line, err, tc.want)
		}
	}
	for _, v := range []any{true, 7.5, nil, []any{int64(7)}, int64(-1)} {
		if _, err := Parse(map[string]any{"protocol": "udp", "port": v}); err == nil {
			t.Errorf("port = %v was accepted", v)
		}
	}
}

// TestExplain: a line for each rule up to the one that fits.
func TestExplain(t *testing.T) {
	list := lines(t, "vlan=42 protocol=udp\nprotocol=tcp\nprotocol=udp port=8\nprotocol=udp port=7 verdict=drop\nprotocol=udp\n")
	frame := randomFrame(rand.New(rand.NewPCG(1, 2)))[:12]
	frame = append(frame, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 0x0f, 0xa0, 0, 7, 0, 20, 0, 0)
	e := Explain(list, frame)
	want := `rule 1 (vlan=42 protocol=udp verdict=accept) does not fit: the frame has no tag
rule 2 (protocol=tcp verdict=accept) does not fit: the protocol is udp
rule 3 (protocol=udp port=8 verdict=accept) does not fit: the port is 7
rule 4 (protocol=udp port=7 verdict=drop) fits`
	if e.Rule != 3 || e.String() != want {
		t.Errorf("Explain = %d\n%s\nwant 3\n%s", e.Rule, e.String(), want)
	}
	if e := Explain(list[:3], frame); e.Rule != rules.None || !strings.HasSuffix(e.String(), "no rule fits") {
		t.Errorf("Explain of none = %d\n%s", e.Rule, e.String())
	}
}

// FuzzRules: no text makes the parser or the compiler panic; a rule that is read, written and read again is the same; and
// the table finds what the rules say.
func FuzzRules(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		var text strings.Builder
		for range r.IntN(8) {
			text.WriteString(randomRule(r) + "\n")
		}
		f.Add(text.String(), randomFrame(r))
	}
	f.Add("ethertype=ptp,0x22f0 verdict=skip\nprotocol=udp port=7,5000-5010 src_port=1-65535\nvlan=none", randomFrame(r))
	m := newMatcher(f)
	var frames [][]byte
	for range 16 {
		frames = append(frames, randomFrame(r))
	}
	var table rules.Table
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		if len(frame) > 1522 {
			return
		}
		var list []*Rule
		for line := range strings.Lines(text) {
			r, err := ParseLine(line)
			if err != nil {
				if err.Error() == "" {
					t.Fatal("refused without a reason")
				}
				continue
			}
			again, err := ParseLine(r.String())
			if err != nil || again.String() != r.String() {
				t.Fatalf("%q is written as %q, which is read as %v, %v", line, r.String(), again, err)
			}
			list = append(list, r)
		}
		if Compile(&table, list) != nil {
			return
		}
		for _, b := range append(frames, frame) {
			want := Explain(list, b)
			if got := m.match(&table, b); got != want.Rule {
				t.Fatalf("Match = %d, want %d, for %x\n%s", got, want.Rule, b, want.String())
			}
		}
	})
}
