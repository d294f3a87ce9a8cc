package plan_test

import (
	"strings"
	"testing"
	"unsafe"

	"mortise/stack/core"
	"mortise/stack/filter"
	"mortise/stack/filter/rules"
	"mortise/stack/forward"
	"mortise/stack/forward/plan"
	"mortise/stack/frame"
	"mortise/stack/gateway"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"

	_ "mortise/stack/divert" // what package core's functions are linked to
	_ "mortise/stack/oob"
)

// tables reads rules for two devices.
func tables(t *testing.T, text string) *gateway.Tables {
	t.Helper()
	c, err := gateway.Parse("x", []byte(`
[device.rt0]
controller = "ENET1"
address = "10.0.0.1/24"
name = "plc"
[device.rt1]
controller = "ENET2"
address = "10.0.1.1/24"
name = "office"
`+text), nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Tables(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func header(tags ...wire.VLAN) *wire.Header {
	return &wire.Header{
		Dst: [6]byte{2, 1, 1, 1, 1, 1}, Src: [6]byte{2, 2, 2, 2, 2, 2}, Tags: tags,
		SrcIP: [4]byte{192, 0, 2, 1}, DstIP: [4]byte{192, 0, 2, 2}, TTL: 3,
	}
}

// apply has frame changed as an Out says, and returns it with the action.
func apply(t *testing.T, o *forward.Out, b []byte) ([]byte, uint32) {
	t.Helper()
	m, release, err := frame.NewMemory(1)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	at := m.Frame(0)
	copy(unsafe.Slice((*byte)(unsafe.Add(nil, at)), frame.MaxLen), b)
	action := o.Apply(at, uint32(len(b)))
	switch {
	case action&core.Back != 0:
		at -= wire.TagLen
	case action&core.Ahead != 0:
		at += wire.TagLen
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Add(nil, at)), core.Length(action))...), action
}

// What the file says becomes of a frame is what becomes of it: the wanted frame comes from an independent builder.
func TestChanges(t *testing.T) {
	tag := wire.VLAN{VID: 42, PCP: 3}
	data := wiretest.Payload(64, 5)
	for _, c := range []struct {
		to       string
		in, want *wire.Header
		ports    [2]uint16
	}{
		{`"rt1"`, header(), header(), [2]uint16{5000, 6000}},
		{`{ device = "rt1", push = { vid = 7, pcp = 6 } }`, header(), header(wire.VLAN{VID: 7, PCP: 6}), [2]uint16{5000, 6000}},
		{`{ device = "rt1", push = { vid = 7, tpid = 0x88a8 } }`, header(tag), header(wire.VLAN{TPID: 0x88a8, VID: 7}, tag), [2]uint16{5000, 6000}},
		{`{ device = "rt1", pop = true }`, header(tag), header(), [2]uint16{5000, 6000}},
		{`{ device = "rt1", vid = 43 }`, header(tag), header(wire.VLAN{VID: 43, PCP: 3}), [2]uint16{5000, 6000}},
		{`{ device = "rt1", pcp = 7 }`, header(tag), header(wire.VLAN{VID: 42, PCP: 7}), [2]uint16{5000, 6000}},
		{`{ device = "rt1", vid = 0, pcp = 1 }`, header(tag), header(wire.VLAN{PCP: 1}), [2]uint16{5000, 6000}},
		{`{ device = "rt1", dst_mac = "01:02:03:04:05:06", src_mac = "0a:0b:0c:0d:0e:0f" }`, header(), func() *wire.Header {
			h := header()
			h.Dst, h.Src = [6]byte{1, 2, 3, 4, 5, 6}, [6]byte{10, 11, 12, 13, 14, 15}
			return h
		}(), [2]uint16{5000, 6000}},
		{`{ device = "rt1", src_ip = "198.51.100.9", dst_port = 4321 }`, header(), func() *wire.Header {
			h := header()
			h.SrcIP = [4]byte{198, 51, 100, 9}
			return h
		}(), [2]uint16{5000, 4321}},
		{`{ device = "rt1", dst_ip = "198.51.100.7", src_port = 1234 }`, header(tag), func() *wire.Header {
			h := header(tag)
			h.DstIP = [4]byte{198, 51, 100, 7}
			return h
		}(), [2]uint16{1234, 6000}},
	} {
		list := tables(t, "[[forward]]\nfrom = \"rt0\"\nprotocol = \"udp\"\nto = "+c.to+"\n")
		got, err := plan.Classifier(list, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rule[0].Outs != 1 || got.Rule[0].Out[0].Dev != 1 {
			t.Fatalf("to = %s: %+v", c.to, got.Rule[0])
		}
		sent, action := apply(t, &got.Rule[0].Out[0], wire.AppendUDP(nil, c.in, 5000, 6000, data))
		if want := wire.AppendUDP(nil, c.want, c.ports[0], c.ports[1], data); string(sent) != string(want) || core.To(action) != 1 {
			t.Errorf("to = %s: device %d,\n%x, want\n%x", c.to, core.To(action), sent, want)
		}
	}
}

// A frame of one port leaves as one of the other: with one tag, of the other's VLAN, or none, and with the priority that it had as long as it has
// a tag. Of two tags, the inner one would tell the port and the outer one be changed: such frames fit no rule that changes a tag.
func TestBetweenPorts(t *testing.T) {
	tag := func(vid uint16, pcp uint8) wire.VLAN { return wire.VLAN{VID: vid, PCP: pcp} }
	service := func(vid uint16, pcp uint8) wire.VLAN { return wire.VLAN{TPID: 0x88a8, VID: vid, PCP: pcp} }
	one := func(v wire.VLAN) []wire.VLAN { return []wire.VLAN{v} }
	untagged, no := []wire.VLAN{}, []wire.VLAN(nil)
	text := `[device.rt0.vlan.42]
address = "10.0.42.1/24"
[device.rt1.vlan.42]
address = "10.1.42.1/24"
[device.rt1.vlan.43]
address = "10.1.43.1/24"
[[forward]]
`
	for _, c := range []struct {
		from, to string
		in, want []wire.VLAN // nil: does not fit
	}{
		{`"plc"`, `"rt1.42"`, untagged, one(tag(42, 0))},
		{`"plc"`, `"rt1.42"`, one(tag(0, 6)), one(tag(42, 6))}, // PROFINET
		{`"plc"`, `"rt1.42"`, one(tag(0, 0)), one(tag(42, 0))},
		{`"plc"`, `"rt1.42"`, one(service(0, 5)), one(service(42, 5))},
		{`"plc"`, `"rt1.42"`, one(tag(42, 6)), no},
		{`"plc"`, `"rt1.42"`, []wire.VLAN{service(100, 0), tag(0, 6)}, no},
		{`"plc"`, `"rt1.42"`, []wire.VLAN{tag(0, 6), tag(0, 6)}, no},
		{`"plc"`, `{ device = "rt1.42", pcp = 5 }`, untagged, one(tag(42, 5))},
		{`"plc"`, `{ device = "rt1.42", pcp = 5 }`, one(tag(0, 6)), one(tag(42, 5))},
		{`"plc"`, `"office"`, one(tag(0, 6)), one(tag(0, 6))},
		{`"plc"`, `"office"`, []wire.VLAN{service(100, 0), tag(0, 6)}, no},
		{`"rt0.42"`, `"office"`, one(tag(42, 6)), untagged},
		{`"rt0.42"`, `"office"`, one(service(42, 6)), untagged},
		{`"rt0.42"`, `"office"`, []wire.VLAN{service(100, 0), tag(42, 6)}, no},
		{`"rt0.42"`, `"office"`, []wire.VLAN{service(0, 7), tag(42, 6)}, no},
		{`"rt0.42"`, `"office"`, untagged, no},
		{`"rt0.42"`, `"rt1.43"`, one(tag(42, 6)), one(tag(43, 6))},
		{`"rt0.42"`, `"rt1.43"`, []wire.VLAN{service(100, 0), tag(42, 6)}, no},
		{`"rt0.42"`, `{ device = "rt1.43", pcp = 1 }`, one(tag(42, 6)), one(tag(43, 1))},
		{`"rt0.42"`, `{ device = "rt1.43", pcp = 1 }`, []wire.VLAN{service(100, 0), tag(42, 6)}, no},
		{`"rt0.42"`, `["rt1.42", "rt1.43"]`, []wire.VLAN{service(100, 0), tag(42, 6)}, no},
		{`"rt0.42"`, `"rt1.42"`, one(tag(42, 6)), one(tag(42, 6))},
		{`"rt0.42"`, `"rt1.42"`, []wire.VLAN{service(100, 0), tag(42, 6)}, []wire.VLAN{service(100, 0), tag(42, 6)}}, // no tag is changed
		{`"rt0.42"`, `{ device = "rt1", vid = 0 }`, one(tag(42, 6)), one(tag(0, 6))},                                 // keeps its priority
		{`"rt0.42"`, `{ device = "rt1.42", pcp = 1 }`, one(tag(42, 6)), one(tag(42, 1))},
	} {
		for _, more := range []string{"", "ethertype = \"profinet\"\n"} { // compared as it is, or looked up
			list := tables(t, text+"from = "+c.from+"\n"+more+"to = "+c.to+"\n")
			got, err := plan.Classifier(list, 0)
			if err != nil {
				t.Fatal(err)
			}
			frame := func(tags []wire.VLAN) []byte {
				return append(wire.AppendEthernet(nil, header(tags...), 0x8892), wiretest.Payload(60, 1)...)
			}
			fits := fits(t, &got.Table, frame(c.in))
			if fits != (c.want != nil) {
				t.Errorf("%s to %s, %v: fits %v", c.from, c.to, c.in, fits)
			}
			if !fits || c.want == nil {
				continue
			}
			if sent, _ := apply(t, &got.Rule[0].Out[0], frame(c.in)); string(sent) != string(frame(c.want)) {
				t.Errorf("%s to %s, %v: sent %x, want tags %v", c.from, c.to, c.in, sent[:26], c.want)
			}
		}
	}
}

// fits reports whether a frame fits the only rule of a table, as the oob stage asks.
func fits(t *testing.T, c *rules.Table, b []byte) bool {
	t.Helper()
	m, release, err := frame.NewMemory(1)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	copy(unsafe.Slice((*byte)(unsafe.Add(nil, m.Frame(0))), frame.MaxLen), b)
	if c.HasOne != 0 {
		return c.MatchOne(m.Frame(0), uint32(len(b))) == 0
	}
	return c.Match(m.Frame(0), uint32(len(b))) == 0
}

// Rules keep their order and their device, verdicts and destinations.
func TestClassifier(t *testing.T) {
	list := tables(t, `
[[forward]]
from = "rt0"
ethertype = "ethercat"
to = ["rt1", "rt0", { device = "rt1", pop = true }]
[[forward]]
from = "rt1"
to = "rt0"
[[forward]]
from = "rt0"
ethertype = "profinet"
verdict = "skip"
`)
	c, err := plan.Classifier(list, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Rule[0]; r.Outs != 3 || r.Out[0].Dev != 1 || r.Out[1].Dev != 0 || r.Out[2].Ops != forward.Pop {
		t.Errorf("rule 1: %+v", r)
	}
	if r := c.Rule[1]; r.Outs != 0 || r.Verdict != filter.Skip {
		t.Errorf("rule 2: %+v", r)
	}
	if got, want := c.Table.All, (rules.Set{3}); got != want {
		t.Errorf("rules of rt0 = %v, want %v", got, want)
	}
	if c, err := plan.Classifier(tables(t, ""), 1); c != nil || err != nil {
		t.Errorf("no rules: %v, %v", c != nil, err)
	}
	list.Devices[0].Forward[0].To[0].Device = "rt9"
	if _, err := plan.Classifier(list, 0); err == nil || !strings.Contains(err.Error(), "rt9") {
		t.Errorf("a device that is not there: %v", err)
	}
}
