package demo

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"mortise/stack/filter/rules/compile"
	"mortise/stack/gateway"
	"mortise/tools/packet"
	"mortise/tools/pcap"
)

var update = flag.Bool("update", false, "write the golden files")

const us = time.Microsecond

func TestQuantiles(t *testing.T) {
	var h Histogram
	if got := h.Quantiles(0.5, 1); got[0] != 0 || got[1] != 0 {
		t.Errorf("Quantiles of nothing = %v, want zeros", got)
	}
	for n := range 100 {
		h.Add(time.Duration(100-n) * us)
	}
	want := []time.Duration{1 * us, 50 * us, 99 * us, 100 * us}
	if diff := cmp.Diff(want, h.Quantiles(0, 0.5, 0.99, 1)); diff != "" {
		t.Errorf("Quantiles (-want +got):\n%s", diff)
	}
}

var (
	host  = station{mac: peerMAC(0), addr: netip.MustParseAddr("10.0.0.2"), port: probePort}
	guest = station{mac: packet.MAC{2, 0, 0, 0, 0, 1}, addr: netip.MustParseAddr("10.0.0.1"), port: gateway.EchoPort}
)

// TestUDPFrame has gVisor, which shares no code with us, judge a frame.
func TestUDPFrame(t *testing.T) {
	for _, vid := range []uint16{0, 42} {
		p := probe{flow: 1, phase: Loaded, seq: 0x01020304}
		frame := udpFrame(host, guest, vid, p.payload())
		f, ok := packet.Parse(frame)
		if !ok || f.VID != vid || f.EtherType != packet.TypeIPv4 {
			t.Errorf("VLAN %d, EtherType %#04x, %v, want %d and IPv4", f.VID, f.EtherType, ok, vid)
		}
		ip := header.IPv4(f.Body)
		if !ip.IsValid(len(f.Body)) || !ip.IsChecksumValid() {
			t.Errorf("VLAN %d: the IPv4 header is not valid", vid)
		}
		udp := header.UDP(ip.Payload())
		src, dst := tcpip.AddrFrom4(host.addr.As4()), tcpip.AddrFrom4(guest.addr.As4())
		if !udp.IsChecksumValid(src, dst, checksum.Checksum(udp.Payload(), 0)) {
			t.Errorf("VLAN %d: the UDP checksum is not valid", vid)
		}
		got, from, to, ok := parseEcho(frame)
		if !ok || got != p || from != host.port || to != guest.port {
			t.Errorf("parseEcho = %+v, %d → %d, %v, want %+v, %d → %d", got, from, to, ok, p, host.port, guest.port)
		}
	}
}

func TestARP(t *testing.T) {
	if _, _, ok := parseARPReply(arpRequest(host, 42, guest.addr)); ok {
		t.Error("parseARPReply takes a request for a reply")
	}
	answer := packet.Link{MAC: guest.mac, Addr: guest.addr, Peer: host.addr, VID: 42}
	vid, from, ok := parseARPReply(answer.ARP(packet.ARPReply, host.mac))
	if !ok || vid != 42 || from.mac != guest.mac || from.addr != guest.addr {
		t.Errorf("parseARPReply = VLAN %d, %+v, %v, want VLAN 42, %+v", vid, from, ok, guest)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(udpFrame(host, guest, 42, probe{seq: 1}.payload()))
	f.Add(arpRequest(host, 0, guest.addr))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if p, _, _, ok := parseEcho(frame); ok {
			if again, ok := parseProbe(p.payload()); !ok || again != p {
				t.Errorf("probe %+v comes back as %+v, %v", p, again, ok)
			}
		}
		if p, _, ok := parseCyclic(frame); ok {
			if again, ok := parseHead(p.cyclic()); !ok || again != p {
				t.Errorf("probe %+v comes back as %+v, %v", p, again, ok)
			}
		}
		parseARPReply(frame)
	})
}

func TestTracker(t *testing.T) {
	const ms = time.Millisecond
	request := func(p probe) []byte { return udpFrame(host, guest, 0, p.payload()) }
	reply := func(p probe) []byte { return udpFrame(guest, host, 0, p.payload()) }
	tr := NewTracker([]Flow{{Port: gateway.EchoPort}})
	fast, slow, lost, late := probe{seq: 1}, probe{seq: 2, phase: Loaded}, probe{seq: 3}, probe{seq: 4, phase: Loaded}
	tr.See(0, 0*ms, request(fast))
	tr.See(0, 5*us, reply(fast))
	tr.See(0, 6*us, reply(fast)) // a second reply to the same request counts for nothing
	tr.See(0, 1*ms, request(slow))
	tr.See(0, 2*ms, request(lost))
	tr.See(0, 3*ms, reply(slow))
	tr.See(0, 3*ms, request(probe{flow: 7})) // nobody's flow
	tr.See(0, lostAfter+4*ms, request(late)) // by now lost is lost
	if got := tr.Pending(); got != 1 {
		t.Errorf("Pending = %d, want 1", got)
	}
	tr.See(0, lostAfter+5*ms, reply(lost)) // too late to be found again
	tr.Close()
	want := [NumPhases]Cell{
		Idle:   {Sent: 2, Lost: 1, Answered: 1, Median: 5 * us, P99: 5 * us, Max: 5 * us},
		Loaded: {Sent: 2, Lost: 1, Answered: 1, Median: 2 * ms, P99: 2 * ms, Max: 2 * ms},
	}
	if diff := cmp.Diff(want, tr.Cells(0)); diff != "" {
		t.Errorf("Cells (-want +got):\n%s", diff)
	}
}

// A frame that crosses the gateway is seen at two ports, of which two readers tell: in either order.
func TestTrackerCrossing(t *testing.T) {
	const ms = time.Millisecond
	x := &crossing{etherType: 0x8892}
	x.header = headerFor(&compile.Rule{EtherTypes: []uint16{0x8892}, PCP: 1 << 6}, peerMAC(0))
	tr := NewTracker([]Flow{{Port: gateway.EchoPort}, {EtherType: 0x8892, In: 0, Out: 1}})
	of := func(seq uint32) []byte { return x.frame(probe{flow: 1, seq: seq}) }
	tr.See(0, 1*ms, of(1))
	tr.See(1, 1*ms+3*us, of(1))
	tr.See(1, 2*ms+4*us, of(2)) // left, before we hear that it has entered
	tr.See(0, 2*ms, of(2))
	tr.See(1, 2*ms+9*us, of(2)) // again: counts for nothing
	tr.See(0, 3*ms, of(3))      // lost
	tr.See(0, 4*ms, of(4))
	tr.See(1, 4*ms+3*us, append(x.header[:len(x.header)-2:len(x.header)-2], of(4)[len(x.header)-1:]...)) // garbled
	if got := tr.Seen(2); got != 4 {
		t.Errorf("Seen = %d, want 4", got)
	}
	tr.See(0, lostAfter+5*ms, of(5))
	tr.See(1, lostAfter+5*ms+5*us, of(5))
	tr.Close()
	want := Cell{Sent: 5, Lost: 2, Answered: 3, Median: 4 * us, P99: 5 * us, Max: 5 * us}
	if got := tr.Cells(1)[Idle]; got != want {
		t.Errorf("Cells = %+v, want %+v", got, want)
	}
}

// dump writes frames as the emulator does, the first ones a second apart.
func dump(frames ...[]byte) []byte {
	b := pcap.AppendHeader(nil)
	for i, frame := range frames {
		b = pcap.AppendRecord(b, &pcap.Record{MicroS: int64(i)*1e6 + 7, Frame: frame})
	}
	return b
}

func TestTapsReadAndKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.pcap")
	tr := NewTracker([]Flow{{Port: gateway.EchoPort}})
	taps, err := newTaps(path, tr)
	if err != nil {
		t.Fatal(err)
	}
	stream := dump(udpFrame(host, guest, 0, probe{}.payload()), udpFrame(guest, host, 0, probe{}.payload()))
	if err := taps.read(0, bytes.NewReader(stream[:len(stream)-1])); err != nil {
		t.Errorf("read of a capture that was cut off: %v", err)
	}
	if got := tr.Pending(); got != 1 {
		t.Errorf("Pending = %d after a reply that was cut off, want 1", got)
	}
	if err := taps.close(); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := dump(udpFrame(host, guest, 0, probe{}.payload())); !bytes.Equal(kept, want) {
		t.Errorf("kept % x, want % x", kept, want)
	}
}

func TestTapsFollowAPipe(t *testing.T) {
	tr := NewTracker([]Flow{{Port: gateway.EchoPort}})
	taps, err := newTaps("", tr)
	if err != nil {
		t.Fatal(err)
	}
	path, err := taps.add(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, dump(udpFrame(host, guest, 0, probe{}.payload())), 0); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); tr.Pending() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the frame in the pipe was not seen in 10 s")
		}
	}
	if err := taps.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Errorf("%s is left behind", path)
	}
}

func TestCaptureRefusesAnotherFormat(t *testing.T) {
	for name, stream := range map[string][]byte{
		"pcapng": append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, make([]byte, 60)...),
		"record": append(pcap.AppendHeader(nil), bytes.Repeat([]byte{0xff}, 60)...),
	} {
		taps := taps{tracker: NewTracker(nil)}
		if err := taps.read(0, bytes.NewReader(stream)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func views() []View {
	oob := func(sent, lost int, median, p99, worst time.Duration) Cell {
		return Cell{Sent: sent, Lost: lost, Answered: sent - lost, Median: median, P99: p99, Max: worst}
	}
	return []View{
		{Elapsed: 500 * time.Millisecond, Load: Load{Collections: -1}, Rows: []Row{{Name: "oob untagged"}, {Name: "in-band lan0"}}},
		{Elapsed: 12 * time.Second, Phase: Loaded, Load: Load{Requests: 812, Errors: 1, Collections: 44}, Rows: []Row{
			{"oob untagged", [NumPhases]Cell{oob(1500, 0, 4*us, 5*us, 6*us), oob(1488, 0, 4*us, 5*us, 7*us)}},
			{"oob VLAN 4094", [NumPhases]Cell{oob(1500, 0, 4*us, 5*us, 6*us), oob(1487, 2, 4*us, 5*us, 7*us)}},
			{"in-band lan0", [NumPhases]Cell{oob(300, 0, 712*us, 890*us, 1203*us), oob(298, 3, 4021*us, 40222*us, 244389*us)}},
		}},
	}
}

func TestScreen(t *testing.T) {
	for name, inPlace := range map[string]bool{"terminal": true, "lines": false} {
		var out bytes.Buffer
		s := NewScreen(&out, inPlace)
		for _, v := range views() {
			s.Show(v)
		}
		golden(t, name+".golden", strings.ReplaceAll(out.String(), "\x1b", "ESC"))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), go test -update writes it:\n%s", path, diff)
	}
}

func TestVerdict(t *testing.T) {
	cell := func(sent, lost int) Cell { return Cell{Sent: sent, Lost: lost, Answered: sent - lost} }
	tests := []struct {
		name        string
		rows        []Row
		missing     int
		interrupted bool
		want        string // "" for a run that went well
	}{
		{"all answered", []Row{{"a", [NumPhases]Cell{cell(9, 0), cell(9, 0)}}}, 0, false, ""},
		{"one lost under load", []Row{{"a", [NumPhases]Cell{cell(9, 0), cell(9, 1)}}}, 0, false, "1 of 18 oob replies or forwarded frames were lost"},
		{"one lost by a stock driver", []Row{{"a*", [NumPhases]Cell{cell(9, 0), cell(9, 1)}}}, 0, false, ""},
		{"a stock driver silent", []Row{{"a*", [NumPhases]Cell{}}}, 0, false, "a*: no reply at all"},
		{"interrupted", []Row{{"a", [NumPhases]Cell{cell(9, 9)}}}, 0, true, ""},
		{"one never arrived", []Row{{"a", [NumPhases]Cell{cell(9, 0)}}}, 1, false, "1 oob requests never entered the NIC"},
		{"one row silent", []Row{{"a", [NumPhases]Cell{cell(9, 0)}}, {Name: "b"}}, 0, false, "b: no reply at all"},
		{"nothing measured", nil, 0, false, "no oob port was measured"},
	}
	for _, tt := range tests {
		err := Verdict(tt.rows, tt.missing, tt.interrupted)
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: Verdict = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestPlan(t *testing.T) {
	c, err := gateway.Load("../../../../gateway.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.oob {
		got = append(got, f.name+": "+f.from.addr.String()+" → "+f.target.String())
	}
	for _, f := range p.inband {
		got = append(got, f.name+": "+f.target.String())
	}
	want := []string{"oob untagged: 10.0.0.2 → 10.0.0.1", "oob VLAN 42: 10.0.42.2 → 10.0.42.1", "in-band lan0: 10.0.2.15"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan of the default configuration (-want +got):\n%s", diff)
	}
	crosses, err := newPlan(configuration(t))
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, f := range crosses.oob[len(p.oob):] {
		got = append(got, fmt.Sprintf("%s: %x from port %d to %d", f.name, f.crosses.header, f.port, f.crosses.out))
	}
	want = []string{
		"forward rt0 → lan0: 010ecf000000" + "027065657200" + "81000064" + "8892 from port 0 to 1",
		"forward lan0 → rt0: 010ecf000000" + "027065657201" + "8892 from port 1 to 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is forwarded in a run (-want +got):\n%s", diff)
	}
	if _, err := newPlan(&gateway.Config{}); err == nil {
		t.Error("plan without an oob port: no error")
	}
}

// configuration is the one that a run has.
func configuration(t *testing.T) *gateway.Config {
	t.Helper()
	text, err := Configuration("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gateway.toml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := gateway.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Rules that the peer has no frame for, or that an earlier one keeps frames from, are not measured.
func TestCrossings(t *testing.T) {
	c := configuration(t)
	rule := func(line string) *compile.Rule {
		r, err := compile.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	to := func(device string) []gateway.Destination { return []gateway.Destination{{Device: device}} }
	c.Forward = []gateway.Forward{
		{From: "rt0", Match: rule("protocol=udp"), To: to("lan0")},
		{From: "rt0", Match: rule("ethertype=ipv4"), To: to("lan0")},
		{From: "rt0", Match: rule("ethertype=ptp verdict=drop")},
		{From: "rt0", Match: rule("ethertype=ptp vlan=7"), To: to("lan0")},
		{From: "rt0", Match: rule("ethertype=avtp"), To: to("rt0")},
		{From: "rt0", Match: rule("ethertype=goose pcp=4 vlan=9 dst_mac=02:00:00:00:00:09"), To: to("lan0")},
	}
	flows := crossings(c)
	if len(flows) != 1 {
		t.Fatalf("%d flows, want 1", len(flows))
	}
	const want = "020000000009" + "027065657200" + "81008009" + "88b8"
	if got := fmt.Sprintf("%x", flows[0].crosses.header); got != want {
		t.Errorf("header %s, want %s", got, want)
	}
}

func TestNeighbour(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.0.0.1/24": "10.0.0.2", "10.0.0.254/24": "10.0.0.253", "10.0.0.1/30": "10.0.0.2", "10.0.0.2/30": "10.0.0.1",
		"10.0.0.1/32": "",
	} {
		got, err := neighbour(netip.MustParsePrefix(prefix))
		if want == "" && err == nil || want != "" && got.String() != want {
			t.Errorf("neighbour(%s) = %v, %v, want %q", prefix, got, err, want)
		}
	}
}

func TestFindMetric(t *testing.T) {
	const page = "# HELP x y\ngo_gc_cycles_total_more 9\ngo_gc_cycles_total 1.2e+01\n"
	if got, ok := findMetric(strings.NewReader(page), "go_gc_cycles_total"); !ok || got != 12 {
		t.Errorf("findMetric = %d, %v, want 12", got, ok)
	}
	if _, ok := findMetric(strings.NewReader(page), "none"); ok {
		t.Error("findMetric finds what is not there")
	}
}

// Flows over a stock driver are marked, and the table says what the mark means.
func TestStockIsMarked(t *testing.T) {
	c, err := gateway.Load("../../../../gateway.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Devices {
		c.Devices[i].Stock = c.Devices[i].Name == "rt0"
	}
	p, err := newPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	v := View{Rows: []Row{{Name: p.inband[0].name}}}
	if text := v.Table(); strings.Contains(text, "*") {
		t.Errorf("a mark without a stock driver:\n%s", text)
	}
	for _, f := range p.oob {
		v.Rows = append(v.Rows, Row{Name: f.name})
	}
	text := v.Table()
	for _, want := range []string{"\noob untagged* ", "\noob VLAN 42* ", "\nin-band lan0 ", "\n* stock driver, not real-time\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}
}
