package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// The UDP ports of tasks/socktest: its answer, its echo, and that of a goroutine.
const (
	socktestPort = 7008
	taskEcho     = 7009
	connEcho     = 7010
	groupEcho    = 7011
)

// fragments returns the frames of a datagram from the peer on the VLAN, cut for an MTU.
func (r *rig) fragments(mtu int, port, id uint16, data []byte) (frames [][]byte) {
	h := r.header(vlanTag)
	h.ID = id
	udp := wire.AppendUDP(nil, &wire.Header{SrcIP: h.SrcIP, DstIP: h.DstIP}, 40000, port, data)[34 : 34+8+len(data)]
	part := (mtu - 20) &^ 7
	for off := 0; off < len(udp); off += part {
		n := min(part, len(udp)-off)
		f := append(wire.AppendIPv4(nil, h, wire.ProtoUDP, n), udp[off:off+n]...)
		f = append(f, make([]byte, max(wire.MinLen-len(f), 0))...)
		frames = append(frames, wiretest.IP(f, func(ip []byte) {
			flags := uint16(off / 8)
			if off+n < len(udp) {
				flags |= 0x2000
			}
			binary.BigEndian.PutUint16(ip[6:], flags)
		}))
	}
	return frames
}

// echoed sends a datagram in fragments, and returns what comes back of it.
func (r *rig) echoed(mtu int, port, id uint16, data []byte) (got []byte, parts int, err error) {
	for _, f := range r.fragments(mtu, port, id, data) {
		if err := r.rt.Send(f); err != nil {
			return nil, 0, err
		}
	}
	return r.whole()
}

// whole waits for the fragments of a datagram on the VLAN and returns its payload, and how many they were. Other frames are passed over.
func (r *rig) whole() (data []byte, parts int, err error) {
	const typ, ip = 16, 18
	got, last, id := map[int][]byte{}, -1, -1
	for size := 0; last < 0 || size < last; {
		b, err := r.rt.Receive(replyLimit)
		if err != nil {
			return nil, len(got), fmt.Errorf("%d bytes of %d in %d fragments: %w", size, last, len(got), err)
		}
		if len(b) < ip+20 || !bytes.Equal(b[typ:ip], []byte{8, 0}) || b[ip+9] != 17 || wire.Checksum(b[ip:ip+20], 0) != 0 {
			continue
		}
		frag, n := binary.BigEndian.Uint16(b[ip+6:]), int(binary.BigEndian.Uint16(b[ip+2:]))-20
		if frag&0x3fff == 0 {
			continue // whole by itself
		}
		if k := int(binary.BigEndian.Uint16(b[ip+4:])); id >= 0 && k != id {
			return nil, len(got), fmt.Errorf("identifications %#x and %#x", id, k)
		} else {
			id = k
		}
		off := int(frag&0x1fff) * 8
		if got[off] != nil || frag&0x4000 != 0 {
			return nil, len(got), fmt.Errorf("a second fragment at %d, or one with Don't Fragment: %#x", off, frag)
		}
		got[off] = b[ip+20 : ip+20+n]
		if size += n; frag&0x2000 == 0 {
			last = off + n
		}
	}
	udp := make([]byte, last)
	for off, b := range got {
		copy(udp[off:], b)
	}
	h := r.header(vlanTag)
	pseudo := append(append(append([]byte{}, h.SrcIP[:]...), h.DstIP[:]...), udp...)
	if wire.Checksum(pseudo, wire.ProtoUDP+uint32(last)) != 0 || int(binary.BigEndian.Uint16(udp[4:])) != last {
		return nil, len(got), fmt.Errorf("the checksum or the length of %d bytes is wrong: %x", last, udp[:8])
	}
	return udp[8:], len(got), nil
}

// answeredFrame checks that a goroutine sends a frame with n bytes of payload back to who sent it, with the priority that its socket has.
func (r *rig) answeredFrame(t *testing.T, n int) {
	t.Helper()
	h := r.header(vlanTag)
	data := wiretest.Payload(n, 9)
	back := *h
	back.Dst, back.Src, back.Tags = h.Src, h.Dst, []wire.VLAN{{VID: vlanTag[0].VID, PCP: 5}}
	want := append(wire.AppendEthernet(nil, &back, 0x88b6), data...)
	if err := r.rt.Send(append(wire.AppendEthernet(nil, h, 0x88b6), data...)); err != nil {
		t.Fatal(err)
	}
	for {
		b, err := r.rt.Receive(replyLimit)
		if err != nil {
			t.Fatalf("no answer to a frame: %v", err)
		}
		if len(b) >= 18 && binary.BigEndian.Uint16(b[16:]) == 0x88b6 {
			if !bytes.Equal(b, want) {
				t.Errorf("a frame came back as %x, want %x", b, want)
			}
			return
		}
	}
}

// A datagram in fragments reaches the task whole, also when they come in another order; the task gets a copy of each frame of the VLAN
// as it came, of what the stack answers itself, too, and none of others.
func TestSocketsInOob(t *testing.T) { inModes(t, testSocketsInOob) }

func testSocketsInOob(t *testing.T, m mode) {
	t.Parallel()
	r := bootImage(t, m.tasksImage(t, "socktest"), options{})
	r.resolve(vlanTag, vlanIP, vlanPeer)
	time.Sleep(quiet) // until in-band has told the oob stage whom it knows now

	data := wiretest.Payload(4096, 7)
	sum := uint32(0)
	for i := 0; i < len(data); i += 4 {
		sum += binary.BigEndian.Uint32(data[i:])
	}
	frames := r.fragments(m.mtu(), socktestPort, 0x4711, data)
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

	retries := 0
	for _, c := range []struct {
		name string
		port uint16
		size int
	}{
		{"the task, 8 KiB", taskEcho, 8192},
		{"the task, 64 KiB", taskEcho, 65507},
		{"a goroutine, 8 KiB", connEcho, 8192},
		{"a goroutine, 64 KiB", connEcho, 65507},
	} {
		data := wiretest.Payload(c.size, byte(c.size))
		got, parts, err := r.echoed(m.mtu(), c.port, uint16(c.size), data)
		for tries := 1; err != nil && tries < 3; tries++ { // a busy host may take longer for the fragments than the second that the stage waits
			t.Logf("%s: %v", c.name, err)
			retries++
			got, parts, err = r.echoed(m.mtu(), c.port, uint16(c.size+tries), data)
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.port == taskEcho {
			data[c.size-1]++
		}
		if !bytes.Equal(got, data) || parts != (c.size+8+1479)/1480 {
			t.Errorf("%s: came back as %d bytes in %d fragments, or others", c.name, len(got), parts)
		}
	}
	r.answeredFrame(t, m.mtu())
	page, err := r.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if retries != 0 {
		return // what is counted of those is not known
	}
	for _, want := range []string{
		"mortise_fragments_sent_datagrams_total 4\n", "mortise_fragments_sent_fragments_total 102\n", "mortise_fragments_incomplete_datagrams 0\n",
		"mortise_fragments_expired_datagrams_total 0\n", "mortise_fragments_busy_datagrams_total 0\n", "mortise_fragments_no_ident_datagrams_total 0\n",
		`fragment_kept_frames_total{device="rt0"} `,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("/metrics has no %q", want)
		}
	}
}
