package gateway

import (
	"os"
	"strings"
	"testing"
)

// docs/config.md names every planned field, and no other one as planned.
func TestPlannedInDocs(t *testing.T) {
	data, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(data), "\n## Planned\n")
	if !ok {
		t.Fatal("docs/config.md has no section Planned")
	}
	documented := map[string]bool{}
	for line := range strings.Lines(section) {
		if field, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(line, "| `") {
			documented[field] = true
		}
	}
	for prefix, planned := range map[string]map[string]string{
		"": plannedTop, "status.": plannedStatus, "device.NAME.": plannedDevice, "device.NAME.vlan.VID.": plannedVLAN,
		"oob.": plannedOob, "accept.": plannedRule,
	} {
		for field := range planned {
			if !documented[prefix+field] {
				t.Errorf("%s%s is planned, docs/config.md does not say so", prefix, field)
			}
			delete(documented, prefix+field)
		}
	}
	for field := range documented {
		t.Errorf("docs/config.md says that %s is planned, the parser does not know it", field)
	}
}

// docs/config.md has a row for every field that there is.
func TestFieldsInDocs(t *testing.T) {
	data, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	fields, _, _ := strings.Cut(string(data), "\n## Planned\n")
	text := `
name = "x"
status = { port = 80, control = true }
echo.port = 7777
oob.restarts_per_minute = 3
watchdog = { timeout_s = 10, reset_without_inband = true }
[device.a]
controller = "ENET1"
driver = "stock"
timestamps = "software"
mac = "02:00:00:00:00:01"
address = "10.0.0.1/24"
gateway = "10.0.0.2"
divert = true
oob_vlans = "100"
filter = { file = "f.ddd", function = "", match = "accept", else = "skip" }
oob.accept = [ { protocol = "udp", port = 7 } ]
oob.pool = 2048
oob.neighbours = [ { address = "10.0.0.3", mac = "02:00:00:00:00:03" } ]
oob.solicit = [ "10.0.0.4" ]
[device.a.vlan.42]
address = "10.0.42.1/24"
[device.b]
controller = "ENET2"
address = "10.0.2.15/24"
filter = { file = "f.ddd", codes = true }
[[forward]]
name = "r"
from = "a"
ethertype = "ipv4"
vlan = 2
pcp = 1
src_mac = "02:00:00:00:00:01"
dst_mac = "02:00:00:00:00:01"
src = "10.0.0.9"
dst = "10.0.0.9"
protocol = "udp"
src_port = 5
port = 5
to = [ { device = "a", vid = 3, pcp = 4, src_ip = "10.0.0.1", dst_ip = "10.0.0.1", src_port = 1, dst_port = 1, src_mac = "02:00:00:00:00:01", dst_mac = "02:00:00:00:00:01" },
       { device = "a", push = { tpid = 0x8100, vid = 5, pcp = 6 } }, { device = "a", pop = true } ]
[[forward]]
from = "a"
verdict = "drop"
`
	classic := func(string) ([]byte, error) { return []byte("1\n6 0 0 1\n"), nil }
	if _, err := parse("x", []byte(text), nil, classic); err != nil {
		t.Fatal(err)
	}
	root, _ := parseTree("x", []byte(text))
	walk(root, func(n *node) {
		if n.key == "" || n.key == "a" || n.key == "b" || n.key == "42" {
			return
		}
		if !strings.Contains(fields, "\n| `"+n.key+"`") && !strings.Contains(fields, "`, `"+n.key+"` |") {
			t.Errorf("docs/config.md has no row for %s", n.key)
		}
	})
}
