package packet

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var theirs = MAC{0x02, 0, 0, 0, 0x01, 0x01}

func link(vid uint16) *Link {
	return &Link{
		MAC: MAC{0x02, 0, 0, 0, 0xb0, 0x02}, VID: vid,
		Addr: netip.MustParseAddr("10.0.42.2"), Peer: netip.MustParseAddr("10.0.42.1"),
	}
}

// TestUDPFrame compares a datagram with one whose checksums were computed independently.
func TestUDPFrame(t *testing.T) {
	const want = "020000000101" + "02000000b002" + "8100002a" + "0800" +
		"4500002c00000000401112bf0a002a020a002a01" + // IPv4: 44 bytes, 10.0.42.2 to 10.0.42.1
		"9c4000070018def9" + // UDP: 40000 to 7, 24 bytes
		"6d6f7274697365206d00000000000102"
	payload, _ := hex.DecodeString("6d6f7274697365206d00000000000102")
	if got := link(42).UDP(theirs, 40000, 7, payload); hex.EncodeToString(got) != want {
		t.Errorf("UDP = %x\nwant  %s", got, want)
	}
}

func TestUDPRoundTrip(t *testing.T) {
	for _, vid := range []uint16{0, 42} {
		for _, size := range []int{0, 1, 64, 1472} {
			payload := bytes.Repeat([]byte{0xa5}, size)
			p, ok := Parse(link(vid).UDP(theirs, 40000, 7, payload))
			if !ok || p.Source != link(vid).MAC || p.Destination != theirs || p.VID != vid {
				t.Fatalf("Parse = %+v, %v", p, ok)
			}
			d, ok := p.UDP()
			if diff := cmp.Diff(Datagram{40000, 7, payload}, d); !ok || diff != "" {
				t.Errorf("VLAN %d, %d bytes: %v (-want +got):\n%s", vid, size, ok, diff)
			}
		}
	}
}

func TestARPRoundTrip(t *testing.T) {
	l := link(42)
	for _, operation := range []uint16{ARPRequest, ARPReply} {
		p, ok := Parse(l.ARP(operation, Broadcast))
		if !ok {
			t.Fatal("Parse: not ok")
		}
		m, ok := p.ARP()
		if want := (ARPMessage{operation, l.MAC, l.Addr, l.Peer}); !ok || m != want {
			t.Errorf("ARP = %+v, %v, want %+v", m, ok, want)
		}
	}
}

func TestTCPRoundTrip(t *testing.T) {
	for _, want := range []Segment{
		{From: 49152, To: 80, Seq: 0xfffffff0, Flags: SYN, Window: 0xffff, MSS: 1460},
		{From: 49152, To: 80, Seq: 1, Ack: 7001, Flags: ACK | PSH, Window: 1000, Payload: []byte("odd")},
		{From: 49152, To: 80, Seq: 1, Ack: 7001, Flags: ACK, Payload: make([]byte, 1460)},
	} {
		frame := link(0).TCP(theirs, &want)
		p, _ := Parse(frame)
		want.MSS = 0 // an option
		if want.Payload == nil {
			want.Payload = []byte{}
		}
		got, ok := p.TCP()
		if diff := cmp.Diff(want, got); !ok || diff != "" || len(frame) > 1514 {
			t.Errorf("TCP, a frame of %d bytes: %v (-want +got):\n%s", len(frame), ok, diff)
		}
	}
}

// TestRejects changes each bit from the IPv4 header on: the two checksums must tell.
func TestRejects(t *testing.T) {
	datagram := link(0).UDP(theirs, 40000, 7, make([]byte, 20))
	segment := link(0).TCP(theirs, &Segment{From: 1, To: 2, Flags: ACK, Payload: make([]byte, 20)})
	for name, frame := range map[string][]byte{"datagram": datagram, "segment": segment} {
		size := EthernetSize + IPv4Size + UDPSize + 20
		if name == "segment" {
			size += TCPSize - UDPSize
		}
		for i := EthernetSize; i < size; i++ {
			for bit := range 8 {
				b := bytes.Clone(frame)
				b[i] ^= 1 << bit
				p, ok := Parse(b)
				if _, udp := p.UDP(); ok && udp {
					t.Errorf("%s, byte %d, bit %d: accepted as a datagram", name, i, bit)
				}
				if _, tcp := p.TCP(); ok && tcp {
					t.Errorf("%s, byte %d, bit %d: accepted as a segment", name, i, bit)
				}
			}
		}
	}
	datagram[40], datagram[41] = 0, 0
	p, _ := Parse(datagram)
	if _, ok := p.UDP(); !ok {
		t.Error("a datagram without checksum is rejected: RFC 768 allows it")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(link(0).UDP(theirs, 40000, 7, make([]byte, 64)))
	f.Add(link(42).TCP(theirs, &Segment{From: 1, To: 2, Flags: SYN, MSS: 1460}))
	f.Add(link(42).ARP(ARPRequest, Broadcast))
	f.Add(link(42).Filler())
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, ok := Parse(frame)
		if !ok {
			return
		}
		p.ARP()
		p.Addresses()
		if s, ok := p.TCP(); ok && len(s.Payload) > len(frame) {
			t.Errorf("%d bytes of TCP in a frame of %d", len(s.Payload), len(frame))
		}
		if d, ok := p.UDP(); ok && len(d.Payload) > len(frame) {
			t.Errorf("%d bytes of UDP in a frame of %d", len(d.Payload), len(frame))
		}
	})
}
