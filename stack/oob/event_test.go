package oob

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/stack/neigh"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// seen is an Event as tests compare it.
type seen struct {
	Kind, Dev uint8
	VID       uint16
	IP        [4]byte
	MAC       [6]byte
}

func TestEvents(t *testing.T) {
	b := newBench(t)
	s := &b.site
	conflict := s.VFrom()
	conflict.SrcIP = s.VAddr
	elsewhere := *conflict // it asks for a third
	elsewhere.DstIP = s.VPeer
	known := netip.AddrFrom4(s.VPeer)
	if err := neigh.Set(neigh.PortOf(0, uint32(s.VID)), known, s.PeerMAC, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { neigh.Remove(neigh.PortOf(0, uint32(s.VID)), known) })
	same := *s.VFrom() // a neighbour that announces its address (3, RFC 5227)
	same.DstIP = s.VPeer
	moved := same
	moved.Src = [6]byte{2, 0x50, 0x65, 0x65, 0x72, 2}
	group := same
	group.Src[0] |= 1
	probe := s.From()
	probe.SrcIP = [4]byte{}
	request := func(h *wire.Header) []byte { q, _ := wiretest.Who(h, wiretest.Broadcast, s.MAC); return q }
	echo, _ := wiretest.Echo(s.From(), 4000, nil)
	for _, tc := range []struct {
		name  string
		dev   uint32
		frame []byte
		want  []seen
	}{
		{"request", 0, request(s.From()), []seen{{EventNeighbour, 0, 0, s.Peer, s.PeerMAC}}},
		{"request, tagged", 1, request(s.VFrom()), []seen{{EventNeighbour, 1, s.VID, s.VPeer, s.PeerMAC}}},
		{"reply", 1, wire.AppendARP(nil, s.From(), 2, s.MAC), []seen{{EventNeighbour, 1, 0, s.Peer, s.PeerMAC}}},
		{"reply, tagged", 0, wire.AppendARP(nil, s.VFrom(), 2, s.MAC), []seen{{EventNeighbour, 0, s.VID, s.VPeer, s.PeerMAC}}},
		{"conflict", 0, request(conflict), []seen{{EventConflict, 0, s.VID, s.VAddr, s.PeerMAC}}},
		{"conflict, of who asks for another", 0, request(&elsewhere), []seen{{EventConflict, 0, s.VID, s.VAddr, s.PeerMAC}}},
		{"announcement", 0, request(&same), nil},
		{"announcement, of who has moved", 0, request(&moved), []seen{{EventNeighbour, 0, s.VID, s.VPeer, moved.Src}}},
		{"answer to another, of who has moved", 0, wire.AppendARP(nil, &moved, 2, moved.Src), []seen{{EventNeighbour, 0, s.VID, s.VPeer, moved.Src}}},
		{"announcement, of nobody known", 1, request(&moved), nil},
		{"announcement, of a group", 0, request(&group), nil},
		{"probe", 0, request(probe), nil},
		{"echo", 0, echo, nil},
	} {
		b.deliver(t, tc.dev, tc.frame)
		if got, want := PendingEvents(), uint32(len(tc.want)); got != want {
			t.Errorf("%s: PendingEvents() = %d, want %d", tc.name, got, want)
		}
		var got []seen
		for _, v := range drain() {
			got = append(got, seen{v.Kind, v.Dev, v.VID, v.IP(), v.MAC()})
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestEventLost: a full ring loses the new events, counts them, and the requests are answered all the same.
func TestEventLost(t *testing.T) {
	b := newBench(t)
	before := Snapshot(0)
	for i := range EventRingSize + 10 {
		h := b.site.From()
		h.SrcIP[3] = byte(2 + i)
		q, _ := wiretest.Who(h, wiretest.Broadcast, b.site.MAC)
		if action, _ := b.deliver(t, 0, q); action&Reply == 0 {
			t.Fatalf("request %d: Deliver = %#x, want an answer", i, action)
		}
	}
	if got := Snapshot(0)[EventLost] - before[EventLost]; got != 10 {
		t.Errorf("event_lost moved by %d, want 10", got)
	}
	list := drain()
	if len(list) != EventRingSize {
		t.Fatalf("%d events, want %d", len(list), EventRingSize)
	}
	for i, v := range list {
		if got, want := v.IP()[3], byte(2+i); got != want {
			t.Errorf("event %d is about host %d, want %d", i, got, want)
		}
	}
}

// TestEventRace: events come over in order while in-band reads them, none twice.
func TestEventRace(t *testing.T) {
	newBench(t)
	const n = 2000
	lost := banks[serving[0]][0].count[EventLost]
	var wg sync.WaitGroup
	done := make(chan struct{})
	got := []uint16{}
	wg.Go(func() {
		for {
			if v, ok := PopEvent(); ok {
				ip := v.IP()
				got = append(got, uint16(ip[2])<<8|uint16(ip[3]))
				continue
			}
			select {
			case <-done:
				if PendingEvents() == 0 {
					return
				}
			default:
			}
		}
	})
	d := &banks[serving[0]][0]
	for i := range uint32(n) {
		d.event(EventNeighbour, &d.port[1], 10|i>>8<<16|i&0xff<<24, 0, 0)
	}
	close(done)
	wg.Wait()
	if total := uint32(len(got)) + d.count[EventLost] - lost; total != n {
		t.Errorf("%d events read + %d lost, want %d", len(got), d.count[EventLost]-lost, n)
	}
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			t.Fatalf("event %d behind %d", got[i], got[i-1])
		}
	}
}
