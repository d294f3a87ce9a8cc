package latency

import (
	"bytes"
	"testing"
)

// testBulk returns a peer whose connection is up: SYN and SYN+ACK have gone.
func testBulk(t *testing.T) *bulk {
	t.Helper()
	b, err := newBulk()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.wire.Close() })
	b.guest, b.round = testGuest, 1
	b.next = 1000
	if !b.take(segment{flags: tcpSYN | tcpACK, sequence: 7000, ack: 1001, window: 4 * bulkSegment}) {
		t.Fatal("SYN+ACK is not answered")
	}
	return b
}

func TestBulkTake(t *testing.T) {
	b := testBulk(t)
	if !b.established || b.connections != 1 || b.una != 1001 || b.expected != 7001 {
		t.Fatalf("after SYN+ACK: %+v", b)
	}
	b.next += 3000
	tests := []struct {
		name     string
		s        segment
		answer   bool
		acked    int64
		expected uint32
	}{
		{"acknowledgement", segment{flags: tcpACK, sequence: 7001, ack: 2461}, false, 1460, 7001},
		{"an old one", segment{flags: tcpACK, sequence: 7001, ack: 1001}, false, 1460, 7001},
		{"of what was not sent", segment{flags: tcpACK, sequence: 7001, ack: 9999}, false, 1460, 7001},
		{"data", segment{flags: tcpACK, sequence: 7001, ack: 4001, data: make([]byte, 10)}, true, 3000, 7011},
		{"data again", segment{flags: tcpACK, sequence: 7001, ack: 4001, data: make([]byte, 10)}, true, 3000, 7011},
	}
	for _, test := range tests {
		answer := b.take(test.s)
		if answer != test.answer || b.acked != test.acked || b.expected != test.expected {
			t.Errorf("%s: answer %v, acknowledged %d, expects %d, want %v, %d, %d", test.name, answer, b.acked, b.expected,
				test.answer, test.acked, test.expected)
		}
	}
	if b.take(segment{flags: tcpRST}); b.established {
		t.Error("established after a reset")
	}
}

func TestBulkSegment(t *testing.T) {
	b := testBulk(t)
	for _, data := range [][]byte{nil, []byte("x"), bulkUnit[:bulkSegment]} {
		frame := b.segment(tcpACK|tcpPSH, 1001, data)
		p, ok := parsePacket(frame)
		if !ok || len(frame) > 1514 {
			t.Fatalf("a frame of %d bytes, parsed %v", len(frame), ok)
		}
		s, ok := p.tcp()
		if !ok || s.to != bulkPort || s.sequence != 1001 || s.ack != 7001 || s.flags != tcpACK|tcpPSH || !bytes.Equal(s.data, data) {
			t.Errorf("%d bytes: %+v, %v", len(data), s, ok)
		}
		frame[40] ^= 1
		if p, _ := parsePacket(frame); len(data) > 0 {
			if _, ok := p.tcp(); ok {
				t.Error("a segment with a bit changed was accepted")
			}
		}
	}
}
