package latency

import (
	"bytes"
	"testing"

	"mortise/tools/packet"
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
	if !b.take(packet.Segment{Flags: packet.SYN | packet.ACK, Seq: 7000, Ack: 1001, Window: 4 * bulkSegment}) {
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
		s        packet.Segment
		answer   bool
		acked    int64
		expected uint32
	}{
		{"acknowledgement", packet.Segment{Flags: packet.ACK, Seq: 7001, Ack: 2461}, false, 1460, 7001},
		{"an old one", packet.Segment{Flags: packet.ACK, Seq: 7001, Ack: 1001}, false, 1460, 7001},
		{"of what was not sent", packet.Segment{Flags: packet.ACK, Seq: 7001, Ack: 9999}, false, 1460, 7001},
		{"data", packet.Segment{Flags: packet.ACK, Seq: 7001, Ack: 4001, Payload: make([]byte, 10)}, true, 3000, 7011},
		{"data again", packet.Segment{Flags: packet.ACK, Seq: 7001, Ack: 4001, Payload: make([]byte, 10)}, true, 3000, 7011},
	}
	for _, test := range tests {
		answer := b.take(test.s)
		if answer != test.answer || b.acked != test.acked || b.expected != test.expected {
			t.Errorf("%s: answer %v, acknowledged %d, expects %d, want %v, %d, %d", test.name, answer, b.acked, b.expected,
				test.answer, test.acked, test.expected)
		}
	}
	if b.take(packet.Segment{Flags: packet.RST}); b.established {
		t.Error("established after a reset")
	}
}

func TestBulkSegment(t *testing.T) {
	b := testBulk(t)
	for _, data := range [][]byte{nil, []byte("x"), bulkUnit[:bulkSegment]} {
		frame := b.segment(packet.ACK|packet.PSH, 1001, data)
		p, ok := packet.Parse(frame)
		if !ok || len(frame) > 1514 {
			t.Fatalf("a frame of %d bytes, parsed %v", len(frame), ok)
		}
		s, ok := p.TCP()
		if !ok || s.To != bulkPort || s.Seq != 1001 || s.Ack != 7001 || s.Flags != packet.ACK|packet.PSH || !bytes.Equal(s.Payload, data) {
			t.Errorf("%d bytes: %+v, %v", len(data), s, ok)
		}
		frame[40] ^= 1
		if p, _ := packet.Parse(frame); len(data) > 0 {
			if _, ok := p.TCP(); ok {
				t.Error("a segment with a bit changed was accepted")
			}
		}
	}
}
