package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mortise/stack/gateway"
)

// liveDevices are what rules at run time name: no board, and a device that is not diverted.
var liveDevices = []gateway.Device{
	{Name: "rt0", Ports: []gateway.Port{{}, {VID: 42, Label: "plc"}}},
	{Name: "lan0", Ports: []gateway.Port{{Label: "office"}}},
}

// A rule is the same, and is refused with the same words, whether it comes in a file, as TOML or as JSON.
func TestParseRule(t *testing.T) {
	there := []gateway.Forward{{From: "rt0", Name: "cyclic"}, {From: "lan0", Name: "rule-1"}}
	for _, tc := range []struct{ toml, json, want string }{
		{`from = "rt0", ethertype = "ethercat", to = "lan0"`, `{"from": "rt0", "ethertype": "ethercat", "to": "lan0"}`, "rt0 rule-2 ethertype=0x88a4 to lan0"},
		{`from = "rt0", name = "a", vlan = 7, pcp = 6, to = [ "rt0", { device = "lan0", push = { vid = 9, tpid = 0x88a8 } } ]`,
			`{"from": "rt0", "name": "a", "vlan": 7, "pcp": 6, "to": ["rt0", {"device": "lan0", "push": {"vid": 9, "tpid": 34984}}]}`,
			"rt0 a vlan=7 pcp=6 to rt0 and lan0 push=0x88a8:9:0"},
		{`from = "plc", to = "office"`, `{"from": "plc", "to": "office"}`, "rt0 rule-2 vlan=42 (one tag at most) to lan0 pop"},
		{`from = "lan0", name = "cyclic", verdict = "skip"`, `{"from": "lan0", "name": "cyclic", "verdict": "skip"}`, "lan0 cyclic everything: skip"},
		{`from = "rt0", name = "cyclic", to = "lan0"`, `{"from": "rt0", "name": "cyclic", "to": "lan0"}`, `forward.name: found "cyclic", expected a name of its own, a rule that is there has this one`},
		{`from = "rt0", to = "eth0"`, `{"from": "rt0", "to": "eth0"}`, `forward.to: found "eth0", expected the name of a device or a port: rt0, plc, lan0, office`},
		{`from = "rt0", to = []`, `{"from": "rt0", "to": []}`, "forward.to: found an array, expected a device's or port's name"},
		{`from = "rt0", port = 7, to = "lan0"`, `{"from": "rt0", "port": 7, "to": "lan0"}`, `forward.protocol: expected "udp", "tcp" or "sctp" beside ports`},
		{`from = "rt0", to = { device = "lan0", pcp = 8 }`, `{"from": "rt0", "to": {"device": "lan0", "pcp": 8}}`, "forward.to.pcp: found 8, expected a priority, 0 to 7"},
		{`from = "rt0", to = "lan0", rate = 1.5`, `{"from": "rt0", "to": "lan0", "rate": 1.5}`, "forward.rate: unknown field: expected one of "},
		{``, `{}`, "forward.from: found nothing, expected the name of a device or a port\nforward.to: found nothing, expected devices to send the frames on, or a verdict"},
		{`from = "rt0", to = "lan0" }` + "\n" + `other = { a = 1`, `{"from": "rt0", "to": null}`, ""},
	} {
		var fields map[string]any
		if err := json.Unmarshal([]byte(tc.json), &fields); err != nil {
			t.Fatal(err)
		}
		for _, text := range []gateway.RuleText{{TOML: tc.toml}, {JSON: fields}} {
			rule, err := gateway.ParseRule(text, liveDevices, there, "")
			got := ""
			if err == nil {
				got = rule.From + " " + rule.Name + " " + rule.String()
			} else {
				got = err.Error()
			}
			if tc.want == "" && err == nil || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%+v: %s, want %s", text, got, tc.want)
			}
		}
	}
	if rule, err := gateway.ParseRule(gateway.RuleText{TOML: `from = "rt0", to = "lan0"`}, liveDevices, there, "kept"); err != nil || rule.Name != "kept" {
		t.Errorf("a rule in the place of another: %+v, %v", rule, err)
	}
	if liveDevices[0].Divert {
		t.Error("reading a rule has changed the devices")
	}
}
