package inband

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/packet"
	"mortise/tools/qemu"
)

func TestParse(t *testing.T) {
	guest := packet.Link{MAC: packet.MAC{0x02, 0, 0, 0, 0x01, 0x01}, Addr: cable.Peer, Peer: cable.Addr}
	segment := packet.Segment{From: 80, To: 40001, Seq: 0xfffffff0, Ack: 7, Flags: packet.ACK | packet.PSH, Window: 1000, Payload: []byte("odd")}
	whole := guest.TCP(cable.MAC, &segment)
	c, ok := parse(whole)
	if diff := cmp.Diff(&segment, c.tcp); !ok || diff != "" || c.source != guest.MAC {
		t.Errorf("parse of a segment from %v: %v (-want +got):\n%s", c.source, ok, diff)
	}
	if c, ok := parse(guest.UDP(cable.MAC, 7777, sourcePort, []byte("hello"))); !ok || string(c.datagram) != "hello" {
		t.Errorf("parse of a datagram = %q, %v", c.datagram, ok)
	}
	for i := packet.EthernetSize; i < packet.EthernetSize+packet.IPv4Size+packet.TCPSize+len(segment.Payload); i++ {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		if c, ok := parse(b); ok {
			t.Errorf("byte %d changed: parse = %+v, true", i, c.tcp)
		}
	}
	for n := range whole {
		parse(whole[:n]) // must not panic
	}
	for _, frame := range [][]byte{cable.TCP(guest.MAC, &segment), cable.ARP(packet.ARPRequest, packet.Broadcast)} {
		if _, ok := parse(frame); ok {
			t.Errorf("parse of a frame of our own, to the guest: ok")
		}
	}
	for _, operation := range []uint16{packet.ARPRequest, packet.ARPReply} {
		if c, ok := parse(guest.ARP(operation, cable.MAC)); !ok || c.arp != operation {
			t.Errorf("parse of ARP operation %d = %+v, %v", operation, c, ok)
		}
	}
}

// opened returns a connection with the guest's part of the handshake done.
func opened(t *testing.T) *conn {
	t.Helper()
	c := newConn(40000, 80)
	if out := c.output(); len(out) != 1 || out[0].Flags != packet.SYN {
		t.Fatalf("first output = %+v, want a SYN", out)
	}
	if out := c.output(); out != nil {
		t.Fatalf("output before the answer = %+v", out)
	}
	c.input(&packet.Segment{From: 80, To: 40000, Seq: 99, Ack: c.next, Flags: packet.SYN | packet.ACK, Window: 3 * mss})
	if out := c.output(); len(out) != 1 || out[0].Flags != packet.ACK || out[0].Ack != 100 {
		t.Fatalf("output after SYN, ACK = %+v, want an ACK of 100", out)
	}
	return c
}

func TestConnSends(t *testing.T) {
	c := opened(t)
	c.pending = make([]byte, 5*mss)
	if out := c.output(); len(out) != 3 || c.flow() != 3*mss {
		t.Fatalf("%d segments, %d bytes under way, want what the window of 3 segments allows", len(out), c.flow())
	}
	if out := c.output(); len(out) != 0 {
		t.Errorf("%d segments beyond the window", len(out))
	}
	c.input(&packet.Segment{From: 80, To: 40000, Seq: 100, Ack: c.next, Flags: packet.ACK, Window: 20 * mss})
	if out := c.output(); len(out) != 2 || out[1].Flags&packet.PSH == 0 || c.acked != 1+3*mss {
		t.Errorf("%d segments after the ACK, %d bytes acknowledged", len(out), c.acked)
	}
}

func TestConnReceives(t *testing.T) {
	c := opened(t)
	var got []byte
	c.deliver = func(b []byte) { got = append(got, b...) }
	in := func(seq uint32, s string) []packet.Segment {
		return c.input(&packet.Segment{From: 80, To: 40000, Seq: seq, Ack: c.next, Flags: packet.ACK, Window: 1, Payload: []byte(s)})
	}
	if out := in(100, "ab"); len(out) != 0 {
		t.Errorf("answer to the first segment: %+v", out)
	}
	if out := in(102, "cd"); len(out) != 1 || out[0].Ack != 104 {
		t.Errorf("answer to the second segment: %+v, want an ACK of 104", out)
	}
	in(104, "e")
	if out := c.output(); len(out) != 1 || out[0].Ack != 105 {
		t.Errorf("output of the release: %+v, want an ACK of 105", out)
	}
	if string(got) != "abcde" || c.received != 5 {
		t.Errorf("delivered %q, %d bytes", got, c.received)
	}
	if out := in(104, "e"); len(out) != 1 || out[0].Ack != 105 || c.received != 5 || c.again != 1 {
		t.Errorf("answer to a segment sent again: %+v, %d bytes received, want an ACK of 105 and 5", out, c.received)
	}
	if in(106, "gap"); c.err == nil {
		t.Error("a segment lost: no error")
	}
}

func TestResponse(t *testing.T) {
	for text, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n":                                 false,
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab":                           false,
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc":                          true,
		"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\nC: d\r\n\r\nabc":          true,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n":          false,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n": true,
	} {
		r := response{b: []byte(text)}
		if got := r.complete(); got != want {
			t.Errorf("complete(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	cases := []Case{
		{Name: "a", About: "one", Unit: "MiB", Bound: 1000}, {Name: "b", About: "two", Unit: "echo", Bound: 10},
		{Name: "c", About: "three", Unit: "ms, worst", Bound: 5, Worst: true}, {Name: "d", About: "four", Unit: "echo", Bound: 1},
	}
	r := Report{QEMU: "7.2.22", Results: []Result{
		{Case: "a", Image: Ours, Cost: 900}, {Case: "a", Image: Stock, Cost: 899},
		{Case: "b", Image: Ours, Cost: 11}, {Case: "c", Image: Ours, Cost: 5}, {Case: "c", Image: Stock, Cost: 4},
	}}
	var b strings.Builder
	if err := r.WriteText(&b, cases); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"one                              MiB                 900          899     100 %",
		"MISSED: a: 900 a MiB, want no more than stock's 899", "MISSED: b: 11 a echo, want at most 10", "MISSED: d: not measured",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if n := len(r.Check(cases)); n != 3 {
		t.Errorf("%d missed, want 3", n)
	}
}

// A session without an emulator ends with an error and closes.
func TestStartFails(t *testing.T) {
	_, err := Run(t.Context(), &qemu.Emulator{Path: "/nonexistent"}, "/nonexistent.elf", t.TempDir(), Ours, Cases())
	if err == nil {
		t.Error("Run without an emulator: no error")
	}
}
