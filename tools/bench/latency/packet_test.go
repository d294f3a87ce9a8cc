package latency

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
)

var testGuest = MAC{0x02, 0, 0, 0, 0x01, 0x01}

func testPeer(vid uint16) *peer {
	p := (&Case{VID: vid, Mode: Oob}).peer()
	return &p
}

// TestUDPFrame compares a request with one whose checksums were computed independently.
func TestUDPFrame(t *testing.T) {
	const want = "020000000101" + "02000000b002" + "8100002a" + "0800" +
		"4500002c00000000401112bf0a002a020a002a01" + // IPv4: 44 bytes, 10.0.42.2 to 10.0.42.1
		"9c4000070018def9" + // UDP: 40000 to 7, 24 bytes
		"6d6f7274697365206d00000000000102"
	got := testPeer(42).udp(testGuest, echoPort, payload(measured, 0x102, payloadHeader))
	if hex.EncodeToString(got) != want {
		t.Errorf("udp = %x\nwant  %s", got, want)
	}
}

func TestPacketRoundTrip(t *testing.T) {
	for _, vid := range []uint16{0, 42} {
		p := testPeer(vid)
		for _, size := range []int{payloadHeader, 17, requestPayload, floodPayload} {
			frame := p.udp(testGuest, p.port, payload(flood, 7, size))
			got, ok := parsePacket(frame)
			if !ok || got.source != peerMAC || got.destination != testGuest || got.vid != vid {
				t.Fatalf("parsePacket(%x) = %+v, %v", frame, got, ok)
			}
			data, ok := got.udp()
			if kind, sequence, good := parsePayload(data); !ok || !good || kind != flood || sequence != 7 || len(data) != size {
				t.Errorf("VLAN %d, %d bytes: stream %c, number %d, %v, %v", vid, size, kind, sequence, ok, good)
			}
		}
	}
}

func TestARPRoundTrip(t *testing.T) {
	p := testPeer(42)
	for _, operation := range []uint16{arpRequest, arpReply} {
		got, ok := parsePacket(p.arp(operation, broadcast))
		if !ok {
			t.Fatal("parsePacket: not ok")
		}
		m, ok := got.arp()
		want := message{operation, peerMAC, netip.MustParseAddr("10.0.42.2"), netip.MustParseAddr("10.0.42.1")}
		if !ok || m != want {
			t.Errorf("arp = %+v, %v, want %+v", m, ok, want)
		}
	}
}

func TestUDPRejects(t *testing.T) {
	good := testPeer(0).udp(testGuest, echoPort, payload(measured, 1, 20))
	tests := []struct {
		name   string
		offset int
		value  byte
	}{
		{"IP version", 14, 0x65},
		{"IP options", 14, 0x46},
		{"IP length beyond the frame", 16, 0xff},
		{"protocol", 23, 6},
		{"IP checksum", 24, 0},
		{"UDP length", 39, 0},
		{"UDP checksum", 40, 0},
		{"payload", 50, 0xff},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			frame := bytes.Clone(good)
			frame[test.offset] = test.value
			if p, ok := parsePacket(frame); ok {
				if data, ok := p.udp(); ok {
					t.Errorf("accepted: %x", data)
				}
			}
		})
	}
	t.Run("no checksum", func(t *testing.T) {
		frame := bytes.Clone(good)
		frame[40], frame[41] = 0, 0
		p, _ := parsePacket(frame)
		if _, ok := p.udp(); !ok {
			t.Error("rejected: RFC 768 allows it")
		}
	})
}

func FuzzParsePacket(f *testing.F) {
	f.Add(testPeer(0).udp(testGuest, echoPort, payload(measured, 1, requestPayload)))
	f.Add(testPeer(42).udp(testGuest, inbandPort, payload(flood, 1, floodPayload)))
	f.Add(testPeer(42).arp(arpRequest, broadcast))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, ok := parsePacket(frame)
		if !ok {
			return
		}
		p.arp()
		if s, ok := p.tcp(); ok && len(s.data) > len(frame) {
			t.Errorf("%d bytes of TCP in a frame of %d", len(s.data), len(frame))
		}
		if data, ok := p.udp(); ok && len(data) > len(frame) {
			t.Errorf("%d bytes of payload in a frame of %d", len(data), len(frame))
		}
	})
}
