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
[device.rt1]
controller = "ENET2"
address = "10.0.1.1/24"
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
