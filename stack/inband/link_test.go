package inband_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mortise/stack/gateway"
	"mortise/stack/inband"
)

// link is a Link in memory: what is sent goes to other and is kept for the test.
type link struct {
	name   string
	mac    gateway.MAC
	notify chan struct{}
	oob    atomic.Bool
	full   atomic.Bool // no slot to send
	other  *link

	mu   sync.Mutex
	rx   [][]byte
	sent [][]byte
}

func newLink(name string, mac byte) *link {
	return &link{name: name, mac: gateway.MAC{2, 0, 0, 0, 0, mac}, notify: make(chan struct{}, 1)}
}

func (l *link) Name() string            { return l.name }
func (l *link) MAC() [6]byte            { return l.mac }
func (l *link) Notify() <-chan struct{} { return l.notify }
func (l *link) OobAnswers() bool        { return l.oob.Load() }
func (l *link) Up() bool                { return true }

func (l *link) Receive(max int, f func(b []byte)) (n int) {
	for ; n < max; n++ {
		l.mu.Lock()
		if len(l.rx) == 0 {
			l.mu.Unlock()
			return n
		}
		b := l.rx[0]
		l.rx = l.rx[1:]
		l.mu.Unlock()
		f(b)
		for i := range b {
			b[i] = 0xee // the slot goes back: nobody may look at it any more
		}
	}
	return n
}

func (l *link) Send(n int, fill func(b []byte)) bool {
	if l.full.Load() {
		return false
	}
	b := make([]byte, max(n, 60))
	fill(b[:n])
	l.mu.Lock()
	l.sent = append(l.sent, b)
	l.mu.Unlock()
	if l.other != nil {
		l.other.inject(b)
	}
	return true
}

// inject lets the link receive a copy of b.
func (l *link) inject(b []byte) {
	l.mu.Lock()
	l.rx = append(l.rx, bytes.Clone(b))
	l.mu.Unlock()
	select {
	case l.notify <- struct{}{}:
	default:
	}
}

// count returns the number of frames sent that match says.
func (l *link) count(match func(b []byte) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.sent {
		if match(b) {
			n++
		}
	}
	return n
}

// rt0 is the gateway's real-time device in the default configuration.
func rt0() *gateway.Config {
	return &gateway.Config{Echo: gateway.Echo{Port: 7777}, Devices: []gateway.Device{{
		Name: "rt0", Ports: []gateway.Port{
			{Address: netip.MustParsePrefix("10.0.0.1/24"), Oob: &gateway.Oob{
				Rules: []gateway.Rule{{UDP: []gateway.PortRange{{First: 7, Last: 7}}}},
			}},
			{VID: 42, Address: netip.MustParsePrefix("10.0.42.1/24"), Oob: &gateway.Oob{}},
		},
	}}}
}

// peer is a station at the other end, in-band only.
func peer() *gateway.Config {
	return &gateway.Config{Devices: []gateway.Device{{
		Name: "peer", Ports: []gateway.Port{
			{Address: netip.MustParsePrefix("10.0.0.9/24")},
			{VID: 42, Address: netip.MustParsePrefix("10.0.42.9/24")},
		},
	}}}
}

// start runs a stack over one link until the test ends.
func start(t testing.TB, cfg *gateway.Config, l *link) *inband.Stack {
	t.Helper()
	s, err := inband.New(cfg, l)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// pair runs the gateway and a peer at the two ends of a wire.
func pair(t testing.TB) (gw, other *inband.Stack, gwLink, otherLink *link) {
	t.Helper()
	gwLink, otherLink = newLink("rt0", 1), newLink("peer", 9)
	gwLink.other, otherLink.other = otherLink, gwLink
	return start(t, rt0(), gwLink), start(t, peer(), otherLink), gwLink, otherLink
}

// counter returns a counter of the first device.
func counter(t testing.TB, s *inband.Stack, name string) uint64 {
	t.Helper()
	for _, c := range s.Devices()[0].Counters() {
		if c.Name == name {
			return c.Value
		}
	}
	t.Fatalf("no counter %s", name)
	return 0
}

// waitCounter waits until a counter has value want.
func waitCounter(t testing.TB, s *inband.Stack, name string, want uint64) {
	t.Helper()
	wait(t, name, func() bool { return counter(t, s, name) == want })
}

// wait waits until ok says so.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}

// balanced checks that each frame received is delivered or one drop.
func balanced(t testing.TB, s *inband.Stack) {
	t.Helper()
	var received, sum uint64
	for _, c := range s.Devices()[0].Counters() {
		switch c.Kind {
		case inband.Received:
			received += c.Value
		case inband.Delivered, inband.Drop:
			sum += c.Value
		}
	}
	if received != sum {
		t.Errorf("received %d, delivered + drops %d", received, sum)
	}
}

// frame builds an Ethernet frame; vid 0: untagged.
func frame(dst, src gateway.MAC, vid, etherType uint16, payload []byte) []byte {
	b := append(append([]byte{}, dst[:]...), src[:]...)
	if vid != 0 {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, vid)
	}
	b = append(binary.BigEndian.AppendUint16(b, etherType), payload...)
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

var everybody = gateway.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// arpPacket builds an ARP packet, RFC 826.
func arpPacket(op uint16, srcMAC gateway.MAC, src string, dstMAC gateway.MAC, dst string) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, byte(op >> 8), byte(op)}
	b = append(append(b, srcMAC[:]...), ip(src)...)
	return append(append(b, dstMAC[:]...), ip(dst)...)
}

func ip(s string) []byte { return net.ParseIP(s).To4() }

// isARP matches the ARP packets of an operation.
func isARP(op byte) func(b []byte) bool {
	return func(b []byte) bool {
		if b[12] == 0x81 {
			b = b[4:]
		}
		return b[12] == 8 && b[13] == 6 && b[21] == op
	}
}

// ipv4 builds an IPv4 packet without options.
func ipv4(proto byte, src, dst string, payload []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	b = append(append(b, ip(src)...), ip(dst)...)
	binary.BigEndian.PutUint16(b[10:], sum(b))
	return append(b, payload...)
}

// udp builds a datagram without checksum.
func udp(src, dst uint16, payload string) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// ping builds an ICMP echo request.
func ping(payload string) []byte {
	b := append([]byte{8, 0, 0, 0, 0, 1, 0, 1}, payload...)
	binary.BigEndian.PutUint16(b[2:], sum(b))
	return b
}

// isPong matches ICMP echo replies.
func isPong(b []byte) bool {
	if b[12] == 0x81 {
		b = b[4:]
	}
	return b[12] == 8 && b[13] == 0 && b[23] == 1 && b[14+b[14]&15*4] == 0
}

// sum is the Internet checksum, RFC 1071.
func sum(b []byte) uint16 {
	var s uint32
	for i, c := range b {
		s += uint32(c) << (8 * (1 - i%2))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
