package admin_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mortise/stack/admin"
	"mortise/stack/console"
	"mortise/stack/core"
	"mortise/stack/gateway"
	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// forwards returns all rules.
func (b *bench) forwards() []admin.Rule {
	b.Helper()
	list, err := b.Forwards("")
	b.ok(err)
	return list
}

// toml is a rule as the console takes it.
func toml(format string, args ...any) gateway.RuleText {
	return gateway.RuleText{TOML: fmt.Sprintf(format, args...)}
}

// raw is a frame of an EtherType.
func (b *bench) raw(typ uint16) []byte {
	h := &wire.Header{Dst: [6]byte{2, 9, 9, 9, 9, 9}, Src: [6]byte{2, 0, 0, 0, 0, 9}}
	return append(wire.AppendEthernet(nil, h, typ), wiretest.Payload(64, 3)...)
}

// Rules come, are replaced and go while frames flow: each frame meets the rules as they are, what stays goes on counting, and what is wrong is
// told as of the configuration, and changes nothing.
func TestForwardRules(t *testing.T) {
	b := newBench(t)
	const ethercat, profinet = 0x88a4, 0x8892
	sends := func(typ uint16, want int) {
		t.Helper()
		b.nic.Discard()
		b.nic.Inject(b.raw(typ))
		b.poll(func([]byte) {})
		if got := len(b.nic.Sent()); got != want {
			t.Errorf("%#x: %d frames sent on, want %d", typ, got, want)
		}
		b.nic.Discard()
	}
	counted := func(want ...string) {
		t.Helper()
		var got []string
		for _, r := range b.forwards() {
			got = append(got, fmt.Sprintf("%d %s %d/%d", r.Place, r.Name, r.Matched, r.Latency.Frames))
		}
		if !slices.Equal(got, want) {
			t.Errorf("rules %q, want %q", got, want)
		}
	}
	sends(ethercat, 0)
	r, err := b.AddForward(toml(`from = "rt0", name = "cyclic", ethertype = "ethercat", to = "rt0"`), "")
	b.ok(err)
	if r.Device != "rt0" || r.Place != 1 || r.Does != "ethertype=0x88a4 to rt0" {
		t.Errorf("added %+v", r)
	}
	sends(ethercat, 1)
	sends(profinet, 0)
	r, err = b.AddForward(gateway.RuleText{JSON: map[string]any{
		"from": "rt0", "ethertype": "profinet", "to": []any{"rt0", map[string]any{"device": "rt0", "push": map[string]any{"vid": float64(7), "pcp": float64(6)}}},
	}}, "cyclic")
	b.ok(err)
	if r.Name != "rule-1" || r.Place != 1 || r.Does != "ethertype=0x8892 to rt0 and rt0 push=0x8100:7:6" {
		t.Errorf("added %+v", r)
	}
	sends(profinet, 2)
	sends(ethercat, 1)
	counted("1 rule-1 1/2", "2 cyclic 2/2")
	_, err = b.ReplaceForward("rt0", "rule-1", toml(`from = "rt0", ethertype = "profinet", verdict = "drop"`))
	b.ok(err)
	sends(profinet, 0)
	counted("1 rule-1 1/0", "2 cyclic 2/2")
	_, err = b.ReplaceForward("rt0", "cyclic", toml(`ethertype = "ethercat", from = "rt0", to = "rt0"`)) // the same one
	b.ok(err)
	counted("1 rule-1 1/0", "2 cyclic 2/2")

	before := b.settings()
	for _, tc := range []struct{ change, want string }{
		{`add from = "rt0", ethertype = "nothing", to = "rt0"`, `invalid rule: forward.ethertype: found "nothing", expected `},
		{`add from = "rt9", to = "rt0"`, `forward.from: found "rt9", expected the name of a device or a port: rt0, rt0.42, `},
		{`add from = "rt0"`, "forward.to: found nothing, expected devices to send the frames on, or a verdict"},
		{`add from = "rt0", to = "rt0", push = 3`, "forward.push: unknown field: expected one of "},
		{`add from = "rt0", name = "cyclic", to = "rt0"`, `forward.name: found "cyclic", expected a name of its own, a rule that is there has this one`},
		{`add from = "rt0", to = "rt0" } x = { y = 1`, "not TOML"},
		{`add from = "rt0", to = [ "rt0", { device = "rt0", push = { vid = 4095 } } ]`, "forward.to[1].push.vid: found 4095, expected a VLAN ID"},
		{`add -b gone from = "rt0", to = "rt0"`, `rule "gone" from rt0: no such port or device, there are rule-1 cyclic`},
		{`add from = "rt0", to = "rt0.42"`, "expected the name of a device: to send frames on to a port, say in from which port they are of"},
		{`add`, "words behind the flags"},
		{`replace -i rt0 -n gone from = "rt0", to = "rt0"`, `rule "gone" from rt0`},
		{`replace -i rt0 from = "rt0", to = "rt0"`, "name the rule: -n NAME"},
		{`replace -i rt0 -n cyclic from = "rt0", name = "rule-1", to = "rt0"`, `a name of its own`},
		{`remove -i rt0 -n gone`, `rule "gone" from rt0`},
		{`remove -i rt9 -n cyclic`, `device "rt9"`},
		{`latency -i rt0 -n gone`, `rule "gone" from rt0`},
	} {
		var out strings.Builder
		console.New(b.Commands()...).Do(&out, "net forward "+tc.change)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %s, want %s", tc.change, out.String(), tc.want)
		}
		if after := b.settings(); after != before {
			t.Fatalf("%s has changed\n%s\nto\n%s", tc.change, before, after)
		}
	}
	for i := range 62 {
		_, err := b.AddForward(toml(`from = "rt0", vlan = %d, to = "rt0"`, 1000+i), "")
		b.ok(err)
	}
	if _, err := b.AddForward(toml(`from = "rt0", vlan = 99, to = "rt0"`), ""); !errors.Is(err, admin.ErrRefused) || !strings.Contains(err.Error(), "65 rules: at most 64 are taken") {
		t.Errorf("a rule beyond the last: %v", err)
	}
	for _, r := range b.forwards() {
		if r.Name != "cyclic" {
			b.ok(b.RemoveForward("rt0", r.Name))
		}
	}
	counted("1 cyclic 2/2")
	sends(profinet, 0)
	sends(ethercat, 1)
	b.ok(b.RemoveForward("rt0", "cyclic"))
	counted()
	sends(ethercat, 0)
}

// What a rule took, and how long that was, is told.
func TestForwardTold(t *testing.T) {
	b := newBench(t)
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{`net forward add from = "rt0", ethertype = "ptp", to = "rt0"`, "rt0 1 rule-1: ethertype=0x88f7 to rt0; 0 frames\n"},
		{"net forward", "rt0 1 rule-1: ethertype=0x88f7 to rt0; 1 frames, handed over 1 times, half within 1µs, 99 % within 1µs, all within 1µs\n1 rules\n"},
		{"net forward latency -i rt0 -n rule-1", "          0s to 1µs                  1 ########################################\n" +
			"1 frames handed over, 0s each on average, from the beginning of the activation on\n"},
		{"net forward remove -i rt0 -n rule-1", "rt0: rule rule-1 is gone\n"},
		{"net forward", "0 rules\n"},
	} {
		var out strings.Builder
		if c.Do(&out, tc.line); out.String() != tc.want {
			t.Errorf("%s:\n%swant\n%s", tc.line, out.String(), tc.want)
		}
		if strings.Contains(tc.line, "add") {
			b.nic.Inject(b.raw(0x88f7))
			b.poll(func([]byte) {})
		}
	}
	b.nic.Discard()
}

func TestLatencyWithin(t *testing.T) {
	l := admin.Latency{Frames: 100, Buckets: []admin.Bucket{{Below: 2, Frames: 50}, {From: 2, Below: 4, Frames: 49}, {From: 9, Frames: 1}}}
	for _, tc := range []struct {
		permille uint64
		want     time.Duration
	}{{1, 2}, {500, 2}, {501, 4}, {990, 4}, {991, 0}, {1000, 0}} {
		if got := l.Within(tc.permille); got != tc.want {
			t.Errorf("Within(%d) = %v, want %v", tc.permille, got, tc.want)
		}
	}
}

// A device is diverted while a rule names it, ahead of the first frame that meets the rule; what fails is taken back.
func TestForwardDiverts(t *testing.T) {
	var steps []string
	var refuse string
	step := func(s string) error {
		if refuse != "" && strings.HasPrefix(s, refuse) {
			return errors.New("no")
		}
		steps = append(steps, s)
		return nil
	}
	tables := &gateway.Tables{}
	for i, name := range []string{"rt0", "lan0"} {
		tables.Devices = append(tables.Devices, gateway.DeviceTable{
			Name: name, MAC: gateway.MAC{2, 0, 0, 0, 0, byte(1 + i)},
			Ports: []gateway.PortTable{{Name: name, Addr: 10<<24 | uint32(i)<<8 | 1, Prefix: 24}},
		})
	}
	a, err := admin.New(tables, admin.Hooks{
		Adopt:       func(dev uint32, d core.Device) { _ = step(fmt.Sprintf("rules %d", dev)) },
		Divert:      func(dev uint32, on bool) error { return step(fmt.Sprintf("divert %d %v", dev, on)) },
		Promiscuous: func(dev uint32, on bool) error { return step(fmt.Sprintf("promiscuous %d %v", dev, on)) },
	})
	if err == nil {
		err = a.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { oob.Configure(new(oob.Config), func(uint32, core.Device) {}) })
	took := func(want ...string) {
		t.Helper()
		if !slices.Equal(steps, want) {
			t.Errorf("steps %q, want %q", steps, want)
		}
		steps = nil
	}
	took("rules 0", "rules 1")
	add := func(text string) error { _, err := a.AddForward(toml("%s", text), ""); return err }

	for _, refuse = range []string{"divert 1 true", "promiscuous 0 true"} {
		if err := add(`from = "rt0", to = "lan0"`); !errors.Is(err, admin.ErrRefused) || a.Diverted(0) || a.Diverted(1) {
			t.Errorf("%s refused: %v; diverted %v, %v", refuse, err, a.Diverted(0), a.Diverted(1))
		}
		if rules, _ := a.Forwards(""); len(rules) != 0 {
			t.Errorf("%s refused: rules %v", refuse, rules)
		}
		if refuse == "divert 1 true" {
			took("divert 0 true", "divert 0 false")
		} else {
			took("divert 0 true", "divert 1 true", "rules 0", "rules 1", "promiscuous 0 false", "rules 0", "rules 1", "divert 0 false", "divert 1 false")
		}
	}
	refuse = ""
	if err := add(`from = "rt0", name = "out", to = "lan0"`); err != nil {
		t.Fatal(err)
	}
	took("divert 0 true", "divert 1 true", "rules 0", "rules 1", "promiscuous 0 true")
	if d, _ := a.Device("lan0"); !d.Diverted || !slices.Equal(d.For, []string{"forwarding rules"}) {
		t.Errorf("lan0: %+v", d)
	}
	had, _ := a.Forwards("")
	refuse = "divert 1 false"
	if err := a.RemoveForward("rt0", "out"); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("lan0 stays: %v", err)
	}
	if rules, _ := a.Forwards(""); !reflect.DeepEqual(rules, had) || !a.Diverted(0) || !a.Diverted(1) {
		t.Errorf("after a removal that failed: rules %v, diverted %v, %v", rules, a.Diverted(0), a.Diverted(1))
	}
	refuse, steps = "", nil
	if err := a.RemoveForward("rt0", "out"); err != nil || a.Diverted(0) || a.Diverted(1) {
		t.Errorf("the last rule removed: %v; diverted %v, %v", err, a.Diverted(0), a.Diverted(1))
	}
	took("rules 0", "rules 1", "promiscuous 0 false", "divert 0 false", "divert 1 false")

	// The configuration's do the same, all at once.
	other := *tables
	other.Devices = slices.Clone(tables.Devices)
	one, err := gateway.ParseRule(toml(`from = "lan0", name = "in", to = "rt0"`), []gateway.Device{{Name: "rt0"}, {Name: "lan0"}}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	other.Devices[1].Forward = []gateway.Forward{*one}
	if err := a.Reload(&other); err != nil || !a.Diverted(0) || !a.Diverted(1) {
		t.Errorf("Reload: %v", err)
	}
	if err := a.Reload(tables); err != nil || a.Diverted(0) || a.Diverted(1) {
		t.Errorf("Reload back: %v", err)
	}
	steps, refuse = nil, "promiscuous 1 true"
	before, _ := a.Forwards("")
	if err := a.Reload(&other); err == nil || a.Diverted(0) || a.Diverted(1) {
		t.Errorf("Reload that is refused: %v", err)
	}
	if after, _ := a.Forwards(""); !reflect.DeepEqual(after, before) {
		t.Errorf("Reload that is refused: rules %v", after)
	}
}
