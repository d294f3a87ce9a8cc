package inband

import (
	"bytes"
	"strings"
	"testing"

	"mortise/tools/qemu"
)

func TestParse(t *testing.T) {
	// What we build has our address as its source: turned round, it is a frame to us.
	turn := func(frame []byte) []byte {
		b := bytes.Clone(frame)
		copy(b[etherSize+12:], guestIP[:])
		copy(b[etherSize+16:], hostIP[:])
		return b
	}
	s := segment{from: 80, to: 40001, seq: 0xfffffff0, ack: 7, flags: ack | psh, window: 1000, payload: []byte("odd")}
	whole := turn(s.frame(hostMAC))
	p, ok := parse(whole)
	if !ok || p.tcp == nil || string(p.tcp.payload) != "odd" || p.tcp.seq != s.seq || p.tcp.ack != 7 || p.tcp.window != 1000 ||
		p.tcp.from != 80 || p.tcp.to != 40001 || p.tcp.flags != ack|psh {
		t.Errorf("parse(segment) = %+v, %v", p.tcp, ok)
	}
	if p, ok := parse(turn(udp(hostMAC, 7777, 40000, []byte("hello")))); !ok || string(p.datagram) != "hello" {
		t.Errorf("parse(datagram) = %q, %v", p.datagram, ok)
	}
	for i := etherSize; i < etherSize+ipSize+tcpSize+len(s.payload); i++ {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		if p, ok := parse(b); ok {
			t.Errorf("byte %d changed: parse = %+v, true", i, p.tcp)
		}
	}
	for n := range whole {
		parse(whole[:n]) // must not panic
	}
	if p, ok := parse(arp(2, hostMAC)); !ok || p.arp != 2 {
		t.Errorf("parse(ARP reply) = %+v, %v", p, ok)
	}
}

// opened returns a connection with the guest's part of the handshake done.
func opened(t *testing.T) *conn {
	t.Helper()
	c := newConn(40000, 80)
	if out := c.output(); len(out) != 1 || out[0].flags != syn {
		t.Fatalf("first output = %+v, want a SYN", out)
	}
	if out := c.output(); out != nil {
		t.Fatalf("output before the answer = %+v", out)
	}
	c.input(&segment{from: 80, to: 40000, seq: 99, ack: c.next, flags: syn | ack, window: 3 * mss})
	if out := c.output(); len(out) != 1 || out[0].flags != ack || out[0].ack != 100 {
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
	c.input(&segment{from: 80, to: 40000, seq: 100, ack: c.next, flags: ack, window: 20 * mss})
	if out := c.output(); len(out) != 2 || out[1].flags&psh == 0 || c.acked != 1+3*mss {
		t.Errorf("%d segments after the ACK, %d bytes acknowledged", len(out), c.acked)
	}
}

func TestConnReceives(t *testing.T) {
	c := opened(t)
	var got []byte
	c.deliver = func(b []byte) { got = append(got, b...) }
	in := func(seq uint32, s string) []segment {
		return c.input(&segment{from: 80, to: 40000, seq: seq, ack: c.next, flags: ack, window: 1, payload: []byte(s)})
	}
	if out := in(100, "ab"); len(out) != 0 {
		t.Errorf("answer to the first segment: %+v", out)
	}
	if out := in(102, "cd"); len(out) != 1 || out[0].ack != 104 {
		t.Errorf("answer to the second segment: %+v, want an ACK of 104", out)
	}
	in(104, "e")
	if out := c.output(); len(out) != 1 || out[0].ack != 105 {
		t.Errorf("output of the release: %+v, want an ACK of 105", out)
	}
	if string(got) != "abcde" || c.received != 5 {
		t.Errorf("delivered %q, %d bytes", got, c.received)
	}
	if out := in(104, "e"); len(out) != 1 || out[0].ack != 105 || c.received != 5 || c.again != 1 {
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
