package main_test

import (
	"encoding/binary"
	"testing"

	"mortise/stack/wire"
)

// TestGroup: a group that a socket is bound to is reported to who asks for groups (IGMP), and datagrams to it come to the socket; those to
// another do not.
func TestGroup(t *testing.T) { inModes(t, testGroup) }

func testGroup(t *testing.T, m mode) {
	t.Parallel()
	r := bootImage(t, m.tasksImage(t, "socktest"), options{})
	r.resolve(vlanTag, vlanIP, vlanPeer) // and so it knows us
	group := [4]byte{239, 1, 2, 3}

	query := []byte{0x11, 1, 0, 0, 0, 0, 0, 0} // of version 2, for all groups; answers within 0.1 s (2.2, RFC 2236)
	binary.BigEndian.PutUint16(query[2:], wire.Checksum(query, 0))
	all := &wire.Header{Dst: [6]byte{1, 0, 0x5e, 0, 0, 1}, Src: peerMAC, Tags: vlanTag, SrcIP: vlanPeer, DstIP: [4]byte{224, 0, 0, 1}, TTL: 1}
	const ip = 18
	b := append(wire.AppendIPv4(nil, all, 2, 4+len(query)), 0x94, 4, 0, 0) // the Router Alert option (RFC 2113)
	b[ip] = 0x46
	clear(b[ip+10 : ip+12])
	binary.BigEndian.PutUint16(b[ip+10:], wire.Checksum(b[ip:ip+24], 0))
	b = append(append(b, query...), make([]byte, 18)...)
	report := r.exchange(b, replyLimit, func(b []byte) bool {
		return len(b) >= ip+32 && b[15] == vlan && b[16] == 8 && b[ip+9] == 2 && b[ip+24] == 0x16 && [4]byte(b[ip+28:ip+32]) == group
	})
	if report == nil {
		t.Error("the group is not reported on its VLAN")
	} else if [6]byte(report[:6]) != [6]byte{1, 0, 0x5e, 1, 2, 3} || [6]byte(report[6:12]) != r.mac || [4]byte(report[ip+12:ip+16]) != vlanIP {
		t.Errorf("the report is % x", report)
	}

	for last, want := range map[byte]bool{3: true, 4: false} {
		h := &wire.Header{
			Dst: [6]byte{1, 0, 0x5e, 1, 2, last}, Src: peerMAC, Tags: vlanTag, SrcIP: vlanPeer, DstIP: [4]byte{239, 1, 2, last},
		}
		back := wire.AppendUDP(nil, &wire.Header{Dst: peerMAC, Src: r.mac, Tags: vlanTag, SrcIP: vlanIP, DstIP: vlanPeer}, groupEcho, 40000, []byte("hello"))
		limit := quiet
		if want {
			limit = replyLimit
		}
		got := r.exchange(wire.AppendUDP(nil, h, 40000, groupEcho, []byte("hello")), limit, func(b []byte) bool { return sameDatagram(b, back, ip) })
		if (got != nil) != want {
			t.Errorf("datagram to 239.1.2.%d: an answer is %v, want %v", last, got != nil, want)
		}
	}
}
