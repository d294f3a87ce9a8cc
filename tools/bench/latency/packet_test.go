package latency

import (
	"testing"

	"mortise/tools/packet"
)

var testGuest = packet.MAC{0x02, 0, 0, 0, 0x01, 0x01}

func testPeer(vid uint16) *peer {
	p := (&Case{VID: vid, Mode: Oob}).peer()
	return &p
}

func TestRequestRoundTrip(t *testing.T) {
	for _, vid := range []uint16{0, 42} {
		p := testPeer(vid)
		for _, size := range []int{payloadHeader, 17, requestPayload, floodPayload} {
			got, ok := packet.Parse(p.request(testGuest, payload(flood, 7, size)))
			if !ok || got.Source != peerMAC || got.Destination != testGuest || got.VID != vid {
				t.Fatalf("Parse = %+v, %v", got, ok)
			}
			d, ok := got.UDP()
			kind, sequence, good := parsePayload(d.Payload)
			if !ok || !good || kind != flood || sequence != 7 || len(d.Payload) != size || d.To != echoPort {
				t.Errorf("VLAN %d, %d bytes: stream %c, number %d, to port %d, %v, %v", vid, size, kind, sequence, d.To, ok, good)
			}
		}
	}
}

// TestNoise checks that a flood comes from the port that in-band's echo answers to, or not.
func TestNoise(t *testing.T) {
	for _, c := range []Case{{Mode: Oob, Answered: true}, {Mode: Oob}} {
		p := c.noise()
		got, _ := packet.Parse(p.request(testGuest, payload(flood, 7, floodPayload)))
		d, ok := got.UDP()
		if want := (packet.Datagram{From: silentPort, To: inbandPort}); !ok || d.To != want.To || (d.From == want.From) == c.Answered {
			t.Errorf("answered %v: from port %d to port %d, %v", c.Answered, d.From, d.To, ok)
		}
	}
}
