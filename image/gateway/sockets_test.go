package main_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// socktestPort is the UDP port of tasks/socktest.
const socktestPort = 7008

// A datagram in fragments reaches the task whole, also when they come in another order; the task gets a copy of each frame of the VLAN
// as it came, of what the stack answers itself, too, and none of others.
func TestSocketsInOob(t *testing.T) {
	t.Parallel()
	r := bootImage(t, tasksImage(t, "socktest"), options{})
	r.resolve(vlanTag, vlanIP, vlanPeer)
	time.Sleep(quiet) // until in-band has told the oob stage whom it knows now

	data := wiretest.Payload(4096, 7)
	sum := uint32(0)
	for i := 0; i < len(data); i += 4 {
		sum += binary.BigEndian.Uint32(data[i:])
	}
	h := r.header(vlanTag)
	h.ID = 0x4711
	udp := wire.AppendUDP(nil, &wire.Header{SrcIP: h.SrcIP, DstIP: h.DstIP}, 40000, socktestPort, data)[34:]
	var frames [][]byte
	for off := 0; off < len(udp); off += 1480 {
		n := min(1480, len(udp)-off)
		f := append(wire.AppendIPv4(nil, h, wire.ProtoUDP, n), udp[off:off+n]...)
		frames = append(frames, wiretest.IP(f, func(ip []byte) {
			flags := uint16(off / 8)
			if off+n < len(udp) {
				flags |= 0x2000
			}
			binary.BigEndian.PutUint16(ip[6:], flags)
		}))
	}
	frames[0], frames[2] = frames[2], frames[0]
	echo := wire.AppendUDP(nil, r.header(vlanTag), 40000, 7, []byte("echo"))
	ours := append(frames, echo)
	for _, f := range append([][]byte{wire.AppendUDP(nil, r.header(nil), 40000, 7, []byte("untagged"))}, ours...) {
		if err := r.rt.Send(f); err != nil {
			t.Fatal(err)
		}
	}

	const typ, ip, payload = 16, 18, 46
	var copies [][]byte
	answered, echoes := false, 0
	for end := time.Now().Add(replyLimit); time.Now().Before(end) && (!answered || echoes < 2 || len(copies) < len(ours)+1); { // and one of the ARP request
		b, err := r.rt.Receive(replyLimit)
		if err != nil {
			break
		}
		switch {
		case len(b) > payload+8 && binary.BigEndian.Uint16(b[typ:]) == 0x88b5:
			copies = append(copies, b)
		case len(b) >= payload+8 && bytes.Equal(b[typ:ip], []byte{8, 0}) && binary.BigEndian.Uint16(b[ip+20:]) == socktestPort:
			size, got := binary.BigEndian.Uint32(b[payload:]), binary.BigEndian.Uint32(b[payload+4:])
			if answered || size != uint32(len(data)) || got != sum {
				t.Errorf("the task had %d bytes that add up to %#x, want %d, %#x, once", size, got, len(data), sum)
			}
			answered = true
		case bytes.Contains(b, []byte("echo")), bytes.Contains(b, []byte("untagged")):
			echoes++
		}
	}
	if !answered || echoes != 2 {
		t.Errorf("the task answered: %v; %d echoes, want 2", answered, echoes)
	}
	for i, f := range ours {
		want := bytes.Clone(f)
		want[typ], want[typ+1] = 0x88, 0xb5
		found := false
		for _, c := range copies {
			found = found || bytes.Equal(c, want)
		}
		if !found {
			t.Errorf("no copy of frame %d of %d bytes; %d copies", i, len(f), len(copies))
		}
	}
	for _, c := range copies {
		if bytes.Contains(c, []byte("untagged")) {
			t.Error("a copy of a frame that was not on the VLAN")
		}
	}
}
