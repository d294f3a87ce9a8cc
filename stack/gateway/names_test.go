package gateway_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/stack/gateway"
)

const named = `
[device.rt0]
controller = "ENET1"
address = "10.0.0.1/24"
name = "plc"

[device.rt0.vlan.42]
address = "10.0.42.1/24"
name = "drives"

[device.rt0.vlan.43]
address = "10.0.43.1/24"

[device.lan0]
controller = "ENET2"
name = "lan0"
address = "10.0.2.1/24"
`

// A port has the name that it is given, else its device's and VLAN's.
func TestPortNames(t *testing.T) {
	c, err := gateway.Parse("x", []byte(named), board)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := c.Tables([]byte("seed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range tables.Devices {
		for _, p := range d.Ports {
			got = append(got, d.Name+" "+p.Name)
		}
	}
	if diff := cmp.Diff([]string{"rt0 plc", "rt0 drives", "rt0 rt0.43", "lan0 lan0"}, got); diff != "" {
		t.Errorf("devices and ports (-want +got):\n%s", diff)
	}
}

// A rule from port to port changes the tag as the ports' VLANs ask for.
func TestForwardBetweenPorts(t *testing.T) {
	for _, tc := range []struct{ from, to, want string }{
		{`"plc"`, `"lan0"`, "vlan=none (one tag at most) to lan0"}, // the device, as frames are
		{`"plc"`, `"drives"`, "vlan=none (one tag at most) to rt0 push=0x8100:42:0 or vid=42"},
		{`"plc"`, `{ device = "drives", pcp = 6 }`, "vlan=none (one tag at most) to rt0 push=0x8100:42:6 or vid=42 pcp=6"},
		{`"drives"`, `"plc"`, "vlan=42 (one tag at most) to rt0 pop"},
		{`"drives"`, `"rt0.43"`, "vlan=42 (one tag at most) to rt0 vid=43"},
		{`"drives"`, `{ device = "rt0.43", pcp = 1 }`, "vlan=42 (one tag at most) to rt0 vid=43 pcp=1"},
		{`"drives"`, `{ device = "lan0", pop = true }`, "vlan=42 to lan0 pop"},
		{`"rt0"`, `"lan0"`, "everything to lan0"},
	} {
		c, err := gateway.Parse("x", []byte(fmt.Sprintf("%s\n[[forward]]\nfrom = %s\nto = %s\n", named, tc.from, tc.to)), board)
		if err != nil {
			t.Errorf("%s to %s: %v", tc.from, tc.to, err)
			continue
		}
		if got := c.Forward[0].String(); got != tc.want || c.Forward[0].From != "rt0" || !c.Devices[0].Divert {
			t.Errorf("%s to %s: from %s: %s, want %s", tc.from, tc.to, c.Forward[0].From, got, tc.want)
		}
	}
}
