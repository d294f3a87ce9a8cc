package gateway_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mortise"
	"mortise/stack/gateway"
	"mortise/stack/oob"
	"mortise/stack/socket"
)

var update = flag.Bool("update", false, "write the golden files")

var board = &gateway.Board{Name: "mx6ullevk", Controllers: []gateway.Controller{
	{Name: "ENET1", OobCapable: true, Stock: true}, {Name: "ENET2", OobCapable: true}, {Name: "USB"},
}, Buffers: 30000}

var compare = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// The default configuration is the one of the README.
func TestDefault(t *testing.T) {
	got, err := gateway.Parse("gateway.toml", mortise.GatewayTOML, board)
	if err != nil {
		t.Fatal(err)
	}
	want := &gateway.Config{
		Name:   "mortise",
		Status: gateway.Status{Port: 80},
		Echo:   gateway.Echo{Port: 7777},

		RestartsPerMinute: 3,
		Watchdog:          gateway.Watchdog{Timeout: 10 * time.Second},
		Devices: []gateway.Device{
			{Name: "rt0", Controller: "ENET1", Divert: true, Held: true, Ports: []gateway.Port{
				{
					Address: netip.MustParsePrefix("10.0.0.1/24"),
					Oob:     &gateway.Oob{Rules: []gateway.Rule{{UDP: []gateway.PortRange{{First: 7, Last: 7}}}}, Pool: 2048},
				},
				{VID: 42, Address: netip.MustParsePrefix("10.0.42.1/24"), Oob: &gateway.Oob{Pool: 2048}},
			}},
			{Name: "lan0", Controller: "ENET2", Ports: []gateway.Port{
				{Address: netip.MustParsePrefix("10.0.2.15/24"), Gateway: netip.MustParseAddr("10.0.2.2")},
			}},
		},
	}
	if diff := cmp.Diff(want, got, compare, comparePrefix); diff != "" {
		t.Errorf("the default configuration (-want +got):\n%s", diff)
	}
}

func TestDefaultTables(t *testing.T) {
	c, err := gateway.Parse("gateway.toml", mortise.GatewayTOML, board)
	if err != nil {
		t.Fatal(err)
	}
	c.Devices[1].OobVLANs.Add(100)
	fuse := func(controller string) (gateway.MAC, bool) {
		return gateway.MAC{0, 4, 0x9f, 1, 2, 3}, controller == "ENET2"
	}
	got, err := c.Tables([]byte("seed"), fuse)
	if err != nil {
		t.Fatal(err)
	}
	want := &gateway.Tables{Devices: []gateway.DeviceTable{
		{
			Name: "rt0", Controller: "ENET1", MAC: gateway.DeriveMAC([]byte("seed"), "rt0"), MACSource: gateway.MACDerived,
			Diverted: true, Held: true, Ports: []gateway.PortTable{
				{
					Name: "rt0", Addr: 0x0a000001, Prefix: 24, Oob: true, Echo: true, Pool: 2048,
					UDP: []gateway.PortRange{{First: 7, Last: 7}},
				},
				{Name: "rt0.42", VID: 42, Addr: 0x0a002a01, Prefix: 24, Oob: true, Echo: true, AllIPv4: true, Pool: 2048},
			},
		},
		{
			Name: "lan0", Controller: "ENET2", MAC: gateway.MAC{0, 4, 0x9f, 1, 2, 3}, MACSource: gateway.MACFuses,
			Ports: []gateway.PortTable{{Name: "lan0", Addr: 0x0a00020f, Prefix: 24, Gateway: netip.MustParseAddr("10.0.2.2")}},
		},
	}}
	want.Devices[1].OobVLANs.Add(100)
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

func TestMAC(t *testing.T) {
	a, b := gateway.DeriveMAC([]byte("seed"), "rt0"), gateway.DeriveMAC([]byte("seed"), "lan0")
	for _, mac := range []gateway.MAC{a, b} {
		if mac[0]&3 != 2 {
			t.Errorf("DeriveMAC = %s, want a locally administered unicast address", mac)
		}
	}
	if a == b || a == gateway.DeriveMAC([]byte("other"), "rt0") || a != gateway.DeriveMAC([]byte("seed"), "rt0") {
		t.Error("DeriveMAC does not follow from seed and name alone")
	}
	same := func(string) (gateway.MAC, bool) { return gateway.MAC{0, 4, 0x9f, 1, 2, 3}, true }
	c := &gateway.Config{Devices: []gateway.Device{{Name: "rt0"}, {Name: "lan0"}}}
	if _, err := c.Tables(nil, same); err == nil {
		t.Error("the same fuses for two devices: no error")
	}
	blank := func(string) (gateway.MAC, bool) { return gateway.MAC{}, true }
	tables, err := c.Tables([]byte("seed"), blank)
	if err != nil || tables.Devices[0].MAC != a {
		t.Errorf("blank fuses: %v, %v, want the derived address", tables, err)
	}
}

// Each file of testdata/errors is wrong; what is reported stands beside it.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := gateway.Parse("gateway.toml", data, board)
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			golden := strings.TrimSuffix(file, ".toml") + ".golden"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// What is valid without being the default.
func TestValid(t *testing.T) {
	text := `
[device.'lan-0']
controller = 'ENET2'
divert = true
oob_vlans = "100, 200-202"

[loopback]

[device.lan-0.vlan.7]
address = "192.168.7.1/31"
oob.accept = [{ protocol = "udp", port = "7,5000-5010" }, { protocol = "udp", port = 9 }]
`
	got, err := gateway.Parse("x", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &gateway.Config{Name: "mortise", RestartsPerMinute: gateway.DefaultRestartsPerMinute, Loopback: gateway.Loopback{On: true, Pool: 2048}, Devices: []gateway.Device{{
		Name: "lan-0", Controller: "ENET2", Divert: true, Held: true, Ports: []gateway.Port{{
			VID: 7, Address: netip.MustParsePrefix("192.168.7.1/31"), Oob: &gateway.Oob{Rules: []gateway.Rule{
				{UDP: []gateway.PortRange{{First: 7, Last: 7}, {First: 5000, Last: 5010}}},
				{UDP: []gateway.PortRange{{First: 9, Last: 9}}},
			}, Pool: 2048},
		}},
	}}}
	for _, vid := range []uint16{100, 200, 201, 202} {
		want.Devices[0].OobVLANs.Add(vid)
	}
	if diff := cmp.Diff(want, got, compare, comparePrefix); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

// The limits are those of the oob stage's tables, which this package does not import.
func TestLimits(t *testing.T) {
	if gateway.MinBuffer != socket.MinBuffer || gateway.MaxBuffer != socket.MaxBuffer {
		t.Errorf("buffers of %d to %d bytes, package socket has %d to %d", gateway.MinBuffer, gateway.MaxBuffer, socket.MinBuffer, socket.MaxBuffer)
	}
	for _, bytes := range []int{0, 2048, 2960, 2961, 8192, 32768} {
		o := gateway.Oob{Pool: 10, Buffer: bytes}
		if got, want := o.Slots(), 10*socket.SlotsOf(bytes); got != want {
			t.Errorf("10 buffers of %d bytes take %d slots, package socket says %d", bytes, got, want)
		}
	}
	if gateway.MaxOobPorts != oob.MaxPorts || gateway.MaxInbandPorts+oob.Devices*oob.MaxPorts != oob.MaxOwn ||
		gateway.DefaultPool != socket.DefaultPool || gateway.MaxPool != socket.MaxPool {
		t.Errorf("limits %d and %d, the oob stage has %d and %d",
			gateway.MaxOobPorts, gateway.MaxInbandPorts, oob.MaxPorts, oob.MaxOwn)
	}
}
