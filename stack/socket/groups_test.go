package socket_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"mortise/drivers/enet/enettest"
	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// The controller lets a group's frames in while a raw socket that asks for them is open, however many do, and after a fault, too; those of
// a group that nobody asks for, never.
func TestRawGroups(t *testing.T) {
	ptp, pdelay, profinet := [6]byte{0x01, 0x1b, 0x19}, [6]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}, [6]byte{0x01, 0x0e, 0xcf}
	b := newBenchWith(t, enettest.Options{Filter: true})
	come := func(s socket.Socket, typ uint16, dst [6]byte, want bool) {
		t.Helper()
		h := &wire.Header{Dst: dst, Src: b.site.PeerMAC}
		filtered := b.nic.Filtered
		b.nic.Inject(append(wire.AppendEthernet(nil, h, typ), wiretest.Payload(60, 3)...))
		divert.Poll(0)
		m, status := s.Receive()
		if got := status == socket.OK; got != want || (b.nic.Filtered == filtered) != want {
			t.Errorf("to % x: %v, %d frames filtered, want a message: %v", dst, status, b.nic.Filtered-filtered, want)
		}
		if status == socket.OK {
			m.Release()
		}
	}
	raw := func(typ uint16, groups ...[6]byte) socket.Socket {
		t.Helper()
		s, err := socket.OpenRaw(typ, socket.Options{Device: &untagged, Groups: groups})
		b.ok(err)
		return s
	}
	s := raw(0x88f7, ptp, pdelay)
	come(s, 0x88f7, ptp, true)
	come(s, 0x88f7, pdelay, true)
	come(s, 0x88f7, b.site.MAC, true)
	come(s, 0x88f7, profinet, false)
	other := raw(0x8892, ptp, profinet)
	come(other, 0x8892, profinet, true)
	b.ok(other.Close())
	come(s, 0x88f7, profinet, false)
	come(s, 0x88f7, ptp, true)

	rest, err := divert.Recover(b.dev)
	b.ok(err)
	socket.Reset(rest)
	b.ok(b.dev.Divert(true))
	come(s, 0x88f7, ptp, true)

	b.ok(s.Close())
	s = raw(0x88f7)
	come(s, 0x88f7, ptp, false)
	come(s, 0x88f7, b.site.MAC, true)
	b.ok(s.Close())
	b.checkPools(0, 0)
}

// With a group's datagrams the questions come in that are asked of all its members: for in-band, on ports that take all IPv4, too. The datagrams are not
// in-band's, who is a member as well.
func TestGroupQueries(t *testing.T) {
	for i, port := range []*neigh.Port{&untagged, &vlan} {
		t.Run(fmt.Sprintf("port %d", i), func(t *testing.T) { testGroupQueries(t, i, port) })
	}
}

func testGroupQueries(t *testing.T, i int, port *neigh.Port) {
	b := newBenchWith(t, enettest.Options{Filter: true})
	from := []*wire.Header{b.site.From(), b.site.VFrom()}[i]
	inband := func() (n int) {
		divert.Poll(0)
		b.dev.Receive(8, func([]byte) { n++ })
		return n
	}
	ask := func(options int) bool {
		h := *from
		h.Dst, h.DstIP = [6]byte{0x01, 0, 0x5e, 0, 0, 1}, [4]byte{224, 0, 0, 1}
		f := append(wire.AppendIPv4(nil, &h, 2, 8+options), make([]byte, 40)...)
		b.nic.Inject(wiretest.IP(f, func(ip []byte) { ip[0] += byte(options / 4) }))
		return inband() == 1
	}
	if ask(0) {
		t.Error("taken before anybody has joined")
	}
	groups := [2]socket.Socket{}
	for n := range groups {
		groups[n] = b.open(socket.Options{Local: local([4]byte{239, 1, 2, byte(n)}, 5000), Device: port})
	}
	b.ok(groups[0].Close())
	if !ask(0) || !ask(4) {
		t.Error("not in-band's while one is joined")
	}
	h := *from
	h.Dst, h.DstIP = [6]byte{0x01, 0, 0x5e, 1, 2, 1}, [4]byte{239, 1, 2, 1}
	b.arrive(&h, 40000, 5000, []byte("once"))
	m, status := groups[1].Receive()
	if status != socket.OK || inband() != 0 {
		t.Errorf("a datagram: %v, or in-band got it, too", status)
	}
	m.Release()
	b.ok(groups[1].Close())
	if ask(0) {
		t.Error("taken when all have left")
	}
	b.checkPools(0, 0)
}

func TestGroupsRefused(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		want  string
		group [6]byte
	}{
		{"first byte is odd", [6]byte{0x02, 0, 0, 0, 0, 1}},
		{"not the broadcast", wiretest.Broadcast},
	} {
		_, err := socket.OpenRaw(0x88f7, socket.Options{Device: &untagged, Groups: [][6]byte{{1}, c.group}})
		if !errors.Is(err, socket.ErrOption) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("% x: %v, want %q", c.group, err, c.want)
		}
	}
	_, err := socket.OpenUDP(socket.Options{Local: netip.MustParseAddrPort("0.0.0.0:5000"), Device: &untagged, Groups: [][6]byte{{1}}})
	if !errors.Is(err, socket.ErrOption) || !strings.Contains(err.Error(), "raw sockets") {
		t.Errorf("a UDP socket: %v", err)
	}
	if n := len(socket.List()); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	b.checkPools(0, 0)
}
