package latency

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/bench/plugin"
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
		r := &Result{Case: c.Name, GCBefore: 1, GCAfter: 2}
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
		if p.addr != HostAddress || p.guest != GuestAddress.Addr() || p.vid != 0 {
			t.Errorf("addresses %+v", p)
		}
	}
	if got := c.noise().port; got != inbandPort {
		t.Errorf("flood to port %d, want %d", got, inbandPort)
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
	request := s.peer.arp(arpRequest, broadcast)
	waits, err := s.sendGuest([][]byte{s.peer.filler(), request})
	if err != nil || len(waits) != 1 || !bytes.Equal(waits[0], s.peer.filler()) {
		t.Errorf("the release waits for %d frames, %v, want one filler", len(waits), err)
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
