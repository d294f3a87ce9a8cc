package gateway_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/stack/filter"
	"mortise/stack/gateway"
)

const forwardText = `
[[forward]]
name = "cyclic"
from = "rt0"
ethertype = "profinet"
vlan = "100-103"
to = "lan0"

[[forward]]
from = "lan0"
protocol = "udp"
dst = "10.0.2.0/24"
port = "5000-5010"
to = [
  { device = "rt0", push = { vid = 42, pcp = 6 }, dst_mac = "01:00:5e:00:00:01", src_mac = "02:00:00:00:00:09" },
  { device = "lan0", vid = 0, pcp = 7, src_ip = "10.0.0.1", dst_ip = "10.0.0.9", src_port = 1, dst_port = 65535 },
  { device = "rt0", pop = true },
  "lan0",
]

[[forward]]
from = "rt0"
src = "192.0.2.66"
verdict = "drop"

[device.rt0]
controller = "ENET1"
address = "10.0.0.1/24"

[device.lan0]
controller = "ENET2"
address = "10.0.2.15/24"
`

func TestForward(t *testing.T) {
	c, err := gateway.Parse("x", []byte(forwardText), board)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range c.Devices {
		if !d.Divert {
			t.Errorf("%s is not diverted, though a rule names it", d.Name)
		}
	}
	zero, seven := uint16(0), uint8(7)
	want := [][]gateway.Destination{
		{{Device: "lan0"}},
		{
			{
				Device: "rt0", Push: &gateway.Tag{TPID: 0x8100, VID: 42, PCP: 6},
				DstMAC: &gateway.MAC{1, 0, 0x5e, 0, 0, 1}, SrcMAC: &gateway.MAC{2, 0, 0, 0, 0, 9},
			},
			{
				Device: "lan0", VID: &zero, PCP: &seven, SrcPort: 1, DstPort: 65535,
				Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.9"),
			},
			{Device: "rt0", Pop: true},
			{Device: "lan0"},
		},
		nil,
	}
	names := []string{"cyclic", "rule-2", "rule-3"}
	says := []string{
		"ethertype=0x8892 vlan=100-103 to lan0",
		"dst=10.0.2.0/24 protocol=udp port=5000-5010 to rt0 push=0x8100:42:6 dst_mac=01:00:5e:00:00:01 src_mac=02:00:00:00:00:09" +
			" and lan0 vid=0 pcp=7 src_ip=10.0.0.1 dst_ip=10.0.0.9 src_port=1 dst_port=65535 and rt0 pop and lan0",
		"src=192.0.2.66/32: drop",
	}
	if len(c.Forward) != len(want) {
		t.Fatalf("%d rules, want %d", len(c.Forward), len(want))
	}
	for i := range want {
		f := &c.Forward[i]
		if diff := cmp.Diff(want[i], f.To, compare); diff != "" {
			t.Errorf("destinations of rule %d (-want +got):\n%s", i+1, diff)
		}
		if f.Name != names[i] || f.String() != says[i] {
			t.Errorf("rule %d: %s: %q, want %s: %q", i+1, f.Name, f, names[i], says[i])
		}
	}
	if got := c.Forward[2].Match.Verdict; got != filter.Drop {
		t.Errorf("verdict %v, want drop", got)
	}
	tables, err := c.Tables(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"cyclic", "rule-3"}, {"rule-2"}} {
		var got []string
		for _, f := range tables.Devices[i].Forward {
			got = append(got, f.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rules from %s (-want +got):\n%s", tables.Devices[i].Name, diff)
		}
	}
}
