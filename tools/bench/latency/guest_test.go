package latency

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/bench/plugin"
	"mortise/tools/packet"
	"mortise/tools/qemu"
)

// TestPeerCases holds the rows to what our own are measured with, and each to a guest of its own.
func TestPeerCases(t *testing.T) {
	guests := map[string]bool{}
	for _, c := range PeerCases() {
		if c.Guest == "" || guests[c.Guest] || c.Name != "peer-"+c.Guest {
			t.Errorf("case %s is of guest %q", c.Name, c.Guest)
		}
		guests[c.Guest] = true
		if c.Shift != loadShift || c.Interval != loadInterval || c.Payload != requestPayload || !c.exact() ||
			c.Requests != loadRequests && c.Requests != gcRequests {
			t.Errorf("case %s is not measured as the firmware's are: %+v", c.Name, c)
		}
		r := &Result{Case: c.Name, Panel: c.Panel, Told: map[Load]Told{c.Load: {1, 2}}}
		if c.Flood > 0 {
			r.Flood = FloodCount{2573, 348}
		}
		r.Requests, r.Lost = c.Requests, c.Requests
		if missed := c.Check(r); missed != nil {
			t.Errorf("case %s, all lost: missed %q, but nothing is demanded", c.Name, missed)
		}
	}
	if got := Loads(append(Cases()[:1], PeerCases()...)); !cmp.Equal(got, []Load{""}) {
		t.Errorf("firmware of loads %q is built for one case and the peers, want that case's", got)
	}
}

func TestGuestAddresses(t *testing.T) {
	c := PeerCases()[4]
	for _, p := range []peer{c.peer(), c.noise()} {
		if p.Addr != HostAddress || p.Peer != GuestAddress.Addr() || p.VID != 0 {
			t.Errorf("addresses %+v", p)
		}
	}
	if got := c.noise(); got.port != inbandPort || got.source != sourcePort {
		t.Errorf("flood from port %d to %d, want one that is answered, from %d to %d", got.source, got.port, sourcePort, inbandPort)
	}
}

func TestGuestKernel(t *testing.T) {
	c := PeerCases()[0]
	config := Config{Guests: map[string]Guest{c.Guest: {Kernel: "vmlinuz", Code: []plugin.Range{{First: 1, End: 2}}}}}
	if got, err := config.kernel(&c); err != nil || got != "vmlinuz" {
		t.Errorf("kernel %q, %v", got, err)
	}
	w, err := config.watch(&c, "vmlinuz")
	if err != nil || len(w.Stores) != 1 || w.Stores[0] != tdar2 || len(w.Code) != 1 {
		t.Errorf("watch %+v, %v, want ENET2's TDAR in the guest's code", w, err)
	}
	if _, err := (&Config{}).kernel(&c); !errors.Is(err, ErrNoImage) || !strings.Contains(err.Error(), Linux) {
		t.Errorf("without guests: %v, want %v", err, ErrNoImage)
	}
}

// TestSendGuest checks that a guest gets requests, and time fillers only.
func TestSendGuest(t *testing.T) {
	c := PeerCases()[0]
	s := session{peer: c.peer(), noise: c.noise()}
	var err error
	if s.wire, err = qemu.NewWire(); err != nil {
		t.Fatal(err)
	}
	defer s.wire.Close()
	if s.clock, err = qemu.NewWire(); err != nil {
		t.Fatal(err)
	}
	defer s.clock.Close()
	ports := s.ports(&c, "guest.pcap")
	if len(ports) != 2 || ports[0].Net != s.clock || ports[0].PCAP != "" || ports[1].Net != s.wire || ports[1].PCAP != "guest.pcap" ||
		ports[0].Release != c.Interval || ports[1].Release != c.Interval {
		t.Errorf("ports %+v, want the clock's and the guest's, both released every %v", ports, c.Interval)
	}
	request := s.peer.ARP(packet.ARPRequest, packet.Broadcast)
	waits, err := s.sendGuest([][]byte{s.peer.Filler(), request})
	if err != nil || len(waits) != 1 || !bytes.Equal(waits[0], s.peer.Filler()) {
		t.Errorf("the release waits for %d frames, %v, want one filler", len(waits), err)
	}
}

// TestGuestBusy: what a guest's load says first is that it has begun, with 0 rounds; the firmware's count is above 0 then.
func TestGuestBusy(t *testing.T) {
	tests := []struct {
		load   Load
		counts map[Load]int
		want   bool
	}{
		{"", nil, true},
		{kindLinux, nil, false},
		{kindLinux, map[Load]int{kindLinux: 0}, true},
		{kindGC, map[Load]int{kindGC: 0}, false},
		{kindGC, map[Load]int{kindGC: 1}, true},
	}
	for _, test := range tests {
		s := session{console: console{counts: test.counts}}
		if got := s.busy(&Case{Load: test.load}); got != test.want {
			t.Errorf("load %q, told %v: busy %v, want %v", test.load, test.counts, got, test.want)
		}
	}
}

func TestPeersBeside(t *testing.T) {
	if got := len(PeersBeside(Cases())); got != len(Peers()) {
		t.Errorf("%d figures beside the firmware's cases, want all %d", got, len(Peers()))
	}
	if got := PeersBeside(PeerCases()); len(got) != 1 || !strings.Contains(got[0].Guest, "bare-metal") {
		t.Errorf("beside measured peers: %+v, want the floor only", got)
	}
	guests := map[string]Guest{Linux: {About: "a kernel"}, LinuxLoaded: {About: "a kernel"}, Stock: {About: "stock"}}
	if diff := cmp.Diff([]string{"a kernel", "stock"}, About(PeerCases(), guests)); diff != "" {
		t.Errorf("About (-want +got):\n%s", diff)
	}
}
