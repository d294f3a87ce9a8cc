package inband_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"mortise/stack/gateway"
)

// What a message says of a group.
const (
	report = iota + 1
	leave
)

// igmpOf returns what the IGMP message in a frame of a VLAN says, and the group that it names: 0, it is none. The message is to the address that its
// version has it for: of version 3 (RFC 3376) 224.0.0.22 for both, of version 2 (RFC 2236) the group and 224.0.0.2.
func igmpOf(b []byte, vid uint16) (kind byte, group netip.Addr) {
	dst := gateway.MAC(b[:6])
	if vid != 0 {
		if b[12] != 0x81 || binary.BigEndian.Uint16(b[14:]) != vid {
			return 0, group
		}
		b = b[4:]
	}
	if b[12] != 8 || b[13] != 0 || b[23] != 2 {
		return 0, group
	}
	m := b[14+b[14]&15*4:]
	switch group = netip.AddrFrom4([4]byte(m[4:])); {
	case m[0] == 0x16 && dst == gateway.MAC{1, 0, 0x5e, m[5] & 0x7f, m[6], m[7]}:
		return report, group
	case m[0] == 0x17 && dst == gateway.MAC{1, 0, 0x5e, 0, 0, 2}:
		return leave, group
	case m[0] != 0x22 || m[7] != 1 || dst != gateway.MAC{1, 0, 0x5e, 0, 0, 22}: // one record
		return 0xff, group
	}
	group = netip.AddrFrom4([4]byte(m[12:]))
	switch m[8] {
	case 2, 4: // it is, or has become, to exclude no source
		return report, group
	case 3: // it has become to include none
		return leave, group
	}
	return 0xff, group
}

// A group that is joined is reported on its port, with the port's addresses and tag, and by whoever asks for it; the last who leaves says so.
func TestGroups(t *testing.T) {
	group := netip.MustParseAddr("239.1.2.3")
	for _, vid := range []uint16{0, 42} {
		l := newLink("rt0", 1)
		s := start(t, rt0(), l)
		count := func(kind byte) func() int {
			return func() int {
				return l.count(func(b []byte) bool {
					k, g := igmpOf(b, vid)
					return k == kind && g == group && gateway.MAC(b[6:12]) == l.mac
				})
			}
		}
		reports, leaves := count(report), count(leave)
		join := func(member bool) {
			t.Helper()
			if err := s.Join(0, vid, group, member); err != nil {
				t.Fatal(err)
			}
		}
		any := func() int { return l.count(func(b []byte) bool { k, _ := igmpOf(b, vid); return k != 0 }) }
		if n := any(); n != 0 {
			t.Errorf("VLAN %d: %d messages before anybody has joined", vid, n)
		}
		join(true)
		wait(t, "the report", func() bool { return reports() >= 1 })
		join(true)
		join(false)
		if n := leaves(); n != 0 {
			t.Errorf("VLAN %d: left while somebody is a member", vid)
		}
		before := reports()
		query := make([]byte, 8)
		query[0], query[1] = 0x11, 1 // of version 2; answer within 0.1 s
		binary.BigEndian.PutUint16(query[2:], sum(query))
		packet := append(ipv4(2, "10.0.0.9", "224.0.0.1", nil), 0x94, 4, 0, 0) // the Router Alert option, RFC 2113
		packet[0], packet[3], packet[8], packet[10], packet[11] = 0x46, 32, 1, 0, 0
		binary.BigEndian.PutUint16(packet[10:], sum(packet))
		packet = append(packet, query...)
		l.inject(frame(gateway.MAC{1, 0, 0x5e, 0, 0, 1}, gateway.MAC{2, 0, 0, 0, 0, 9}, vid, 0x0800, packet))
		wait(t, "the answer", func() bool { return reports() > before })
		before = reports()
		s.Report(0)
		if n := reports(); n <= before {
			t.Errorf("VLAN %d: nothing reported as the link came up", vid)
		}
		before = leaves()
		join(false)
		wait(t, "the leave", func() bool { return leaves() == before+1 })
		if err := s.Join(0, vid, group, false); err == nil {
			t.Errorf("VLAN %d: left twice", vid)
		}
	}
}

// A port that is made when its group is joined already is a member at once, and again when it has been away.
func TestGroupsOfMadePort(t *testing.T) {
	l := newLink("rt0", 1)
	s := start(t, rt0(), l)
	group := netip.MustParseAddr("239.1.2.3")
	if err := s.Join(0, 77, group, true); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		before := l.count(func(b []byte) bool { k, _ := igmpOf(b, 77); return k == report })
		if err := s.AddPort(0, 77, "rt0.77", netip.MustParsePrefix("10.0.77.1/24")); err != nil {
			t.Fatal(err)
		}
		wait(t, "the report", func() bool {
			return l.count(func(b []byte) bool { k, g := igmpOf(b, 77); return k == report && g == group }) > before
		})
		if err := s.RemovePort(0, 77); err != nil {
			t.Fatal(n, err)
		}
	}
	for _, bad := range []string{"10.0.0.1", "ff02::1"} {
		if err := s.Join(0, 0, netip.MustParseAddr(bad), true); err == nil {
			t.Errorf("joined %s", bad)
		}
	}
}
