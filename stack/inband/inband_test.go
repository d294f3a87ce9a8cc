package inband_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"mortise/stack/gateway"
	"mortise/stack/inband"
)

var (
	gwMAC   = gateway.MAC{2, 0, 0, 0, 0, 1}
	peerMAC = gateway.MAC{2, 0, 0, 0, 0, 9}
)

// alone runs the gateway with nobody at the other end; the peer's MAC address is known.
func alone(t testing.TB) (*inband.Stack, *link) {
	t.Helper()
	l := newLink("rt0", 1)
	s := start(t, rt0(), l)
	for vid, addr := range map[uint16][4]byte{0: {10, 0, 0, 9}, 42: {10, 0, 42, 9}} {
		if !s.Learn(0, vid, addr, peerMAC) {
			t.Fatalf("Learn(0, %d, %v) = false", vid, addr)
		}
	}
	return s, l
}

func TestARP(t *testing.T) {
	for _, vid := range []uint16{0, 42} {
		for _, oob := range []bool{false, true} {
			t.Run(fmt.Sprintf("vid=%d,oob=%v", vid, oob), func(t *testing.T) {
				s, l := alone(t)
				l.oob.Store(oob)
				gw, other := "10.0.0.1", "10.0.0.8"
				if vid != 0 {
					gw, other = "10.0.42.1", "10.0.42.8"
				}
				l.inject(frame(everybody, peerMAC, vid, 0x806, arpPacket(1, peerMAC, other, gateway.MAC{}, gw)))
				waitCounter(t, s, "received", 1)
				want, held := 1, uint64(0)
				if oob {
					want, held = 0, 1
				}
				waitCounter(t, s, "held_arp", held)
				wait(t, "ARP reply", func() bool { return l.count(isARP(2)) == want })
				balanced(t, s)
			})
		}
	}
}

func TestPing(t *testing.T) {
	long := strings.Repeat("long ", 280)
	tests := []struct {
		name  string
		vid   uint16
		oob   bool
		ip    []byte
		pongs int
		held  uint64
	}{
		{name: "in-band answers", ip: ipv4(1, "10.0.0.9", "10.0.0.1", ping("x")), pongs: 1},
		{name: "in-band answers a full-size packet", ip: ipv4(1, "10.0.0.9", "10.0.0.1", ping(long)), pongs: 1},
		{name: "in-band answers on the VLAN", vid: 42, ip: ipv4(1, "10.0.42.9", "10.0.42.1", ping("x")), pongs: 1},
		{name: "oob answers", oob: true, ip: ipv4(1, "10.0.0.9", "10.0.0.1", ping("x")), held: 1},
		{name: "oob answers on the VLAN", vid: 42, oob: true, ip: ipv4(1, "10.0.42.9", "10.0.42.1", ping("x")), held: 1},
		{name: "oob leaves options", oob: true, ip: withOptions(ipv4(1, "10.0.0.9", "10.0.0.1", ping("x"))), pongs: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, l := alone(t)
			l.oob.Store(tt.oob)
			l.inject(frame(gwMAC, peerMAC, tt.vid, 0x800, tt.ip))
			waitCounter(t, s, "received", 1)
			waitCounter(t, s, "held_echo", tt.held)
			wait(t, "echo reply", func() bool { return l.count(isPong) == tt.pongs })
			balanced(t, s)
		})
	}
}

// withOptions puts four bytes of no-operation options into an IPv4 packet.
func withOptions(b []byte) []byte {
	b = append(append(append([]byte{}, b[:20]...), 1, 1, 1, 1), b[20:]...)
	b[0], b[2], b[3] = 0x46, byte(len(b)>>8), byte(len(b))
	b[10], b[11] = 0, 0
	c := sum(b[:24])
	b[10], b[11] = byte(c>>8), byte(c)
	return b
}

func TestDrops(t *testing.T) {
	tagged := frame(gwMAC, peerMAC, 42, 0x800, ipv4(1, "10.0.42.9", "10.0.42.1", ping("x")))
	arp := arpPacket(1, peerMAC, "10.0.0.8", gateway.MAC{}, "10.0.0.1")
	arp[4] = 8 // hardware addresses of 8 bytes
	nested := frame(gwMAC, peerMAC, 42, 0x8100, []byte{0, 42, 8, 0})
	qinq := frame(gwMAC, peerMAC, 0, 0x88a8, []byte{0, 42, 8, 0})
	tests := []struct {
		name, counter string
		b             []byte
	}{
		{"empty", "short_frame", nil},
		{"one byte short of a header", "short_frame", tagged[:13]},
		{"foreign unicast", "foreign_mac", frame(gateway.MAC{2, 0, 0, 0, 0, 7}, peerMAC, 0, 0x800, nil)},
		{"tag cut off", "malformed_tag", tagged[:17]},
		{"VID 4095", "malformed_tag", frame(gwMAC, peerMAC, 4095, 0x800, nil)},
		{"two tags", "nested_tag", nested},
		{"802.1ad", "nested_tag", qinq},
		{"VLAN without a port", "unknown_vlan", frame(gwMAC, peerMAC, 43, 0x800, nil)},
		{"IPv6", "unknown_ethertype", frame(gwMAC, peerMAC, 0, 0x86dd, nil)},
		{"the neighbours' protocol number", "unknown_ethertype", frame(gwMAC, peerMAC, 0, 0x88b5, nil)},
		{"length-encoded", "unknown_ethertype", frame(gwMAC, peerMAC, 0, 46, nil)},
		{"ARP of another format", "malformed_arp", frame(everybody, peerMAC, 0, 0x806, arp)},
		{"ARP cut off", "malformed_arp", frame(everybody, peerMAC, 0, 0x806, nil)[:40]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, l := alone(t)
			l.inject(tt.b)
			waitCounter(t, s, "received", 1)
			waitCounter(t, s, tt.counter, 1)
			waitCounter(t, s, "delivered", 0)
			balanced(t, s)
		})
	}
}

// A priority tag (VID 0) belongs to the untagged port.
func TestPriorityTag(t *testing.T) {
	s, l := alone(t)
	packet := ipv4(1, "10.0.0.9", "10.0.0.1", ping("x"))
	l.inject(frame(gwMAC, peerMAC, 0, 0x8100, append([]byte{0xe0, 0, 8, 0}, packet...)))
	wait(t, "echo reply", func() bool { return l.count(isPong) == 1 })
	balanced(t, s)
}

// Learn makes ARP requests of in-band needless, and refuses what cannot be a neighbour.
func TestLearn(t *testing.T) {
	s, l := alone(t)
	l.oob.Store(true)
	for range 2 {
		l.inject(frame(gwMAC, peerMAC, 0, 0x800, ipv4(17, "10.0.0.9", "10.0.0.1", udp(5000, 7777, "hello"))))
	}
	waitCounter(t, s, "echoed", 2)
	if n := l.count(isARP(1)); n != 0 {
		t.Errorf("%d ARP requests for a neighbour that was learned", n)
	}
	moved := gateway.MAC{2, 0, 0, 0, 0, 0x10}
	if !s.Learn(0, 0, [4]byte{10, 0, 0, 9}, moved) {
		t.Error("Learn of a new MAC address = false")
	}
	l.inject(frame(gwMAC, moved, 0, 0x800, ipv4(17, "10.0.0.9", "10.0.0.1", udp(5000, 7777, "hello"))))
	waitCounter(t, s, "echoed", 3)
	if n := l.count(func(b []byte) bool { return gateway.MAC(b[:6]) == moved }); n != 1 {
		t.Errorf("%d frames to the neighbour's new address, want 1", n)
	}
	refused := []struct {
		name   string
		device int
		vid    uint16
		ip     [4]byte
		mac    gateway.MAC
	}{
		{"no such device", 1, 0, [4]byte{10, 0, 0, 9}, peerMAC},
		{"no such VLAN", 0, 43, [4]byte{10, 0, 0, 9}, peerMAC},
		{"our own address", 0, 0, [4]byte{10, 0, 0, 1}, peerMAC},
		{"our own MAC address", 0, 0, [4]byte{10, 0, 0, 9}, gwMAC},
		{"the broadcast address", 0, 0, [4]byte{10, 0, 0, 255}, peerMAC},
		{"another subnet", 0, 0, [4]byte{10, 0, 1, 9}, peerMAC},
		{"address 0 of a probe", 0, 0, [4]byte{}, peerMAC},
		{"a group MAC address", 0, 0, [4]byte{10, 0, 0, 9}, gateway.MAC{1, 0, 0x5e, 0, 0, 1}},
		{"MAC address 0", 0, 0, [4]byte{10, 0, 0, 9}, gateway.MAC{}},
	}
	for _, tt := range refused {
		if s.Learn(tt.device, tt.vid, tt.ip, tt.mac) {
			t.Errorf("%s: Learn = true, want false", tt.name)
		}
	}
}

func TestEcho(t *testing.T) {
	tests := []struct {
		name                string
		vid                 uint16
		oob                 bool
		src, dst            string
		srcPort, dstPort    uint16
		echoed, echoRefused uint64
	}{
		{"port 7777", 0, true, "10.0.0.9", "10.0.0.1", 5000, 7777, 1, 0},
		{"port 7777 on the VLAN", 42, false, "10.0.42.9", "10.0.42.1", 5000, 7777, 1, 0},
		{"port 7 while the stage answers", 0, true, "10.0.0.9", "10.0.0.1", 5000, 7, 0, 1},
		{"port 7 when it has stopped", 0, false, "10.0.0.9", "10.0.0.1", 5000, 7, 1, 0},
		{"port 7 on the VLAN when it has stopped", 42, false, "10.0.42.9", "10.0.42.1", 5000, 7, 1, 0},
		{"from port 7", 0, false, "10.0.0.9", "10.0.0.1", 7, 7, 0, 1},
		{"from our own port", 0, false, "10.0.0.9", "10.0.0.1", 7777, 7777, 0, 1},
		{"between the services", 0, false, "10.0.0.9", "10.0.0.1", 7777, 7, 0, 1},
		{"from a character generator", 0, false, "10.0.0.9", "10.0.0.1", 19, 7777, 0, 1},
		{"to the broadcast address", 0, false, "10.0.0.9", "10.0.0.255", 5000, 7777, 0, 1},
		{"to all", 0, false, "10.0.0.9", "255.255.255.255", 5000, 7777, 0, 1},
		{"from our own address", 0, false, "10.0.0.1", "10.0.0.1", 5000, 7777, 0, 0},
		{"from the broadcast address", 0, false, "10.0.0.255", "10.0.0.1", 5000, 7777, 0, 0},
		{"from a multicast address", 0, false, "224.0.0.1", "10.0.0.1", 5000, 7777, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, l := alone(t)
			l.oob.Store(tt.oob)
			dst := gwMAC
			if strings.HasSuffix(tt.dst, "255") {
				dst = everybody
			}
			l.inject(frame(dst, peerMAC, tt.vid, 0x800, ipv4(17, tt.src, tt.dst, udp(tt.srcPort, tt.dstPort, "hello"))))
			if tt.src == tt.dst {
				waitCounter(t, s, "own_source", 1)
			} else {
				waitCounter(t, s, "delivered", 1)
			}
			waitCounter(t, s, "echoed", tt.echoed)
			waitCounter(t, s, "echo_refused", tt.echoRefused)
			replies := l.count(func(b []byte) bool { return strings.Contains(string(b), "hello") })
			if replies != int(tt.echoed) {
				t.Errorf("%d replies, want %d", replies, tt.echoed)
			}
			balanced(t, s)
		})
	}
}

// Two stacks talk over the wire: ARP, TCP, HTTP and UDP, untagged and in the VLAN.
func TestTwoStacks(t *testing.T) {
	for _, addr := range []string{"10.0.0.1", "10.0.42.1"} {
		t.Run(addr, func(t *testing.T) {
			gw, other, _, _ := pair(t)
			l, err := gw.ListenTCP(80)
			if err != nil {
				t.Fatal(err)
			}
			body := strings.Repeat("0123456789abcdef", 10_000)
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
				DialContext: func(ctx context.Context, _, hostPort string) (net.Conn, error) {
					raddr, err := net.ResolveTCPAddr("tcp4", hostPort)
					if err != nil {
						return nil, err
					}
					c, err := other.Socket(ctx, "tcp", syscall.AF_INET, syscall.SOCK_STREAM, (*net.TCPAddr)(nil), raddr)
					if err != nil {
						return nil, err
					}
					return c.(net.Conn), nil
				},
			}}
			reply, err := client.Get("http://" + addr + "/")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(reply.Body)
			reply.Body.Close()
			client.CloseIdleConnections()
			if err != nil || string(got) != body {
				t.Errorf("GET: %d bytes, error %v; want %d bytes", len(got), err, len(body))
			}

			c, err := other.Socket(t.Context(), "udp4", syscall.AF_INET, syscall.SOCK_DGRAM, nil, &net.UDPAddr{IP: ip(addr), Port: 7777})
			if err != nil {
				t.Fatal(err)
			}
			conn := c.(net.Conn)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			for _, size := range []int{0, 1, 64, 1472, 4000} {
				want := strings.Repeat("u", size)
				if _, err := conn.Write([]byte(want)); err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 65536)
				if n, err := conn.Read(b); err != nil || string(b[:n]) != want {
					t.Errorf("echo of %d bytes: %d bytes, error %v", size, n, err)
				}
			}
		})
	}
}

// A frame that finds no slot is counted, and the stack goes on.
func TestNoSlot(t *testing.T) {
	s, l := alone(t)
	l.full.Store(true)
	l.inject(frame(gwMAC, peerMAC, 0, 0x800, ipv4(17, "10.0.0.9", "10.0.0.1", udp(5000, 7777, "hello"))))
	waitCounter(t, s, "send_no_slot", 1)
	l.full.Store(false)
	l.inject(frame(gwMAC, peerMAC, 0, 0x800, ipv4(17, "10.0.0.9", "10.0.0.1", udp(5000, 7777, "hello"))))
	waitCounter(t, s, "sent", 1)
	balanced(t, s)
}

func TestSocketErrors(t *testing.T) {
	s, _ := alone(t)
	tests := []struct {
		network      string
		laddr, raddr net.Addr
	}{
		{"tcp6", nil, &net.TCPAddr{IP: ip("10.0.0.9"), Port: 1}},
		{"unix", nil, nil},
		{"tcp", nil, &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1}},
		{"udp", &net.UnixAddr{Name: "x"}, nil},
		{"tcp", &net.TCPAddr{IP: ip("10.9.9.9"), Port: 1}, nil},
	}
	for _, tt := range tests {
		if c, err := s.Socket(t.Context(), tt.network, syscall.AF_INET, syscall.SOCK_STREAM, tt.laddr, tt.raddr); err == nil || c != nil {
			t.Errorf("Socket(%s, %v, %v) = %v, %v, want nil and an error", tt.network, tt.laddr, tt.raddr, c, err)
		}
	}
}

func TestNewErrors(t *testing.T) {
	if _, err := inband.New(rt0(), newLink("lan0", 1)); err == nil {
		t.Error("New without the device's link: no error")
	}
	twice := rt0()
	twice.Devices[0].Ports[1].VID = 0
	if _, err := inband.New(twice, newLink("rt0", 1)); err == nil {
		t.Error("New with two untagged ports: no error")
	}
}
