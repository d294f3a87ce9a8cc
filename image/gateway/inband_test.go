package main_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mortise/stack/gateway"
	"mortise/stack/inband"
	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/tools/qemu"
)

// hostLink lets the in-band stack run on the host, as a peer, over a cable.
type hostLink struct {
	name   string
	mac    [6]byte
	wire   *qemu.Wire
	notify chan struct{}
	frames chan []byte
	lost   atomic.Uint32
}

func newHostLink(name string, mac [6]byte, w *qemu.Wire) *hostLink {
	l := &hostLink{name: name, mac: mac, wire: w, notify: make(chan struct{}, 1), frames: make(chan []byte, 4096)}
	go func() {
		for {
			b, err := w.Receive(time.Minute)
			if err != nil {
				return
			}
			select {
			case l.frames <- b:
			default:
				l.lost.Add(1)
			}
			select {
			case l.notify <- struct{}{}:
			default:
			}
		}
	}()
	return l
}

func (l *hostLink) Name() string            { return l.name }
func (l *hostLink) MAC() [6]byte            { return l.mac }
func (l *hostLink) Notify() <-chan struct{} { return l.notify }
func (l *hostLink) OobAnswers() bool        { return false }
func (l *hostLink) Up() bool                { return true }

func (l *hostLink) Receive(limit int, f func(b []byte)) (n int) {
	for ; n < limit; n++ {
		select {
		case b := <-l.frames:
			f(b)
		default:
			return n
		}
	}
	return n
}

func (l *hostLink) Send(n int, fill func(b []byte)) bool {
	b := make([]byte, n)
	fill(b)
	return l.wire.Send(b) == nil
}

// peer returns a host with a TCP/IP stack of its own at the other end of w.
func peer(t *testing.T, w *qemu.Wire, address string) *inband.Stack {
	t.Helper()
	cfg := &gateway.Config{Devices: []gateway.Device{{
		Name: "peer", Ports: []gateway.Port{{Address: netip.MustParsePrefix(address)}},
	}}}
	s, err := inband.New(cfg, newHostLink("peer", peerMAC, w))
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func dial(ctx context.Context, s *inband.Stack, network, address string) (net.Conn, error) {
	sotype, remote := syscall.SOCK_STREAM, net.Addr(nil)
	ap := netip.MustParseAddrPort(address)
	remote = net.TCPAddrFromAddrPort(ap)
	if network == "udp" {
		sotype, remote = syscall.SOCK_DGRAM, net.UDPAddrFromAddrPort(ap)
	}
	c, err := s.Socket(ctx, network, syscall.AF_INET, sotype, nil, remote)
	if err != nil {
		return nil, err
	}
	return c.(net.Conn), nil
}

// In-band serves TCP, HTTP and UDP on the diverted device, at the address it shares with the oob stage, and on its own.
func TestInbandServices(t *testing.T) { inModes(t, testInbandServices) }

func testInbandServices(t *testing.T, m mode) {
	for _, c := range []struct{ name, own, address string }{
		{"diverted device", "10.0.0.2/24", "10.0.0.1"},
		{"in-band device", "10.0.2.2/24", "10.0.2.15"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := m.boot(t, envImage, options{lanWire: true})
			cable := r.rt
			if c.own == "10.0.2.2/24" {
				cable = r.lan
			}
			s := peer(t, cable, c.own)
			testHTTP(t, s, c.address)
			testUDPEcho(t, s, c.address)
		})
	}
}

func testHTTP(t *testing.T, s *inband.Stack, address string) {
	client := http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, hostPort string) (net.Conn, error) {
			return dial(ctx, s, "tcp", hostPort)
		},
	}}
	for path, want := range map[string]string{"/": "<html", "/metrics": "mortise_", "/api/status": `"devices"`} {
		resp, err := client.Get("http://" + address + ":80" + path)
		if err != nil {
			t.Errorf("GET %s: %v", path, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("GET %s: %s, %v, %d bytes, want %q in them", path, resp.Status, err, len(b), want)
		}
	}
	client.CloseIdleConnections()
}

func testUDPEcho(t *testing.T, s *inband.Stack, address string) {
	c, err := dial(context.Background(), s, "udp", address+":7777")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 2000)
	for _, n := range []int{1, 64, 1472} {
		payload := strings.Repeat("x", n)
		if _, err := c.Write([]byte(payload)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(replyLimit))
		if got, err := c.Read(buf); err != nil || string(buf[:got]) != payload {
			t.Errorf("UDP echo of %d bytes: %d bytes, %v", n, got, err)
		}
	}
}

// In-band answers ping and ARP on a device that is not diverted; on a diverted one nothing is answered twice.
func TestPingOnce(t *testing.T) { inModes(t, testPingOnce) }

func testPingOnce(t *testing.T, m mode) {
	r := m.boot(t, envImage, options{lanWire: true})
	h := &wire.Header{Dst: broadcast, Src: peerMAC, SrcIP: [4]byte{10, 0, 2, 2}, DstIP: [4]byte{10, 0, 2, 15}}
	if n := answers(t, r.lan, wire.AppendARP(nil, h, 1, [6]byte{})); n != 1 {
		t.Errorf("lan0: %d answers to an ARP request, want 1", n)
	}
	for _, tags := range [][]wire.VLAN{nil, vlanTag} {
		h := r.header(tags)
		if n := answers(t, r.rt, wire.AppendICMPEcho(nil, h, 8, 1, 1, []byte("ping"))); n != 1 {
			t.Errorf("rt0, tags %v: %d answers to a ping, want 1", tags, n)
		}
		h.Dst = broadcast
		if n := answers(t, r.rt, wire.AppendARP(nil, h, 1, [6]byte{})); n != 1 {
			t.Errorf("rt0, tags %v: %d answers to an ARP request, want 1", tags, n)
		}
	}
	if s := r.core(); s[oob.EventLost] != 0 {
		t.Errorf("events lost = %d, want 0", s[oob.EventLost])
	}
}

// answers returns how many frames come back for one.
func answers(t *testing.T, w *qemu.Wire, frame []byte) (n int) {
	t.Helper()
	w.Drain()
	if err := w.Send(frame); err != nil {
		t.Fatal(err)
	}
	for wait := replyLimit; ; wait = quiet {
		if _, err := w.Receive(wait); err != nil {
			return n
		}
		n++
	}
}

// A neighbour that the oob stage met is in-band's neighbour too: in-band sends to it without asking.
func TestNeighbourLearned(t *testing.T) { inModes(t, testNeighbourLearned) }

func testNeighbourLearned(t *testing.T, m mode) {
	r := m.boot(t, envImage, options{})
	s := r.status()
	learned, err := s.value("rt0", "inband", "learned")
	if err != nil || learned == 0 {
		t.Fatalf("neighbours learned = %d, %v, want 1 or more", learned, err)
	}
	frame := wire.AppendUDP(nil, r.header(nil), 40000, 7777, []byte("in-band"))
	asked := false
	if r.exchange(frame, replyLimit, func(b []byte) bool {
		asked = asked || b[12] == 8 && b[13] == 6
		return b[12] == 8 && b[13] == 0
	}) == nil {
		t.Error("no reply of the in-band echo")
	}
	if asked {
		t.Error("in-band asked for an address that the oob stage had learned")
	}
}
