package main_test

import (
	"bytes"
	"errors"
	"time"

	"mortise/stack/wire"
	"mortise/tools/qemu"
)

// exchange sends frame on rt0's cable and returns the first frame that want accepts, or nil after limit.
func (r *rig) exchange(frame []byte, limit time.Duration, want func(b []byte) bool) []byte {
	r.t.Helper()
	if err := r.rt.Send(frame); err != nil {
		r.t.Fatal(err)
	}
	return r.await(limit, want)
}

// await returns the next frame on rt0's cable that want accepts, or nil after limit.
func (r *rig) await(limit time.Duration, want func(b []byte) bool) []byte {
	r.t.Helper()
	for end := time.Now().Add(limit); ; {
		b, err := r.rt.Receive(time.Until(end))
		if errors.Is(err, qemu.ErrTimeout) {
			return nil
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if want(b) {
			return b
		}
	}
}

// header returns the header of a frame from us to rt0, with the tags' addresses.
func (r *rig) header(tags []wire.VLAN) *wire.Header {
	if len(tags) > 0 && tags[0].VID == madeVLAN {
		return &wire.Header{Dst: r.mac, Src: peerMAC, Tags: tags, SrcIP: madePeer, DstIP: madeIP}
	}
	if len(tags) > 0 {
		return &wire.Header{Dst: r.mac, Src: peerMAC, Tags: tags, SrcIP: vlanPeer, DstIP: vlanIP}
	}
	return &wire.Header{Dst: r.mac, Src: peerMAC, SrcIP: rtPeer, DstIP: rtIP}
}

// resolve asks who has ip and returns the MAC address that the answer names.
func (r *rig) resolve(tags []wire.VLAN, ip, own [4]byte) (mac [6]byte) {
	r.t.Helper()
	ask := wire.AppendARP(nil, &wire.Header{Dst: broadcast, Src: peerMAC, Tags: tags, SrcIP: own, DstIP: ip}, 1, [6]byte{})
	skip := 14 + 4*len(tags)
	reply := r.exchange(ask, replyLimit, func(b []byte) bool {
		return len(b) >= skip+28 && bytes.Equal(b[skip-2:skip+8], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 2}) &&
			bytes.Equal(b[skip+14:skip+18], ip[:])
	})
	if reply == nil {
		r.t.Fatalf("no ARP reply for %v", ip)
	}
	return [6]byte(reply[skip+8 : skip+14])
}

// echo sends a UDP datagram to port and reports whether the very same payload came back, from there, to us.
func (r *rig) echo(tags []wire.VLAN, port uint16, payload []byte) bool {
	r.t.Helper()
	h := r.header(tags)
	reply := wire.AppendUDP(nil, &wire.Header{
		Dst: h.Src, Src: h.Dst, Tags: tags, SrcIP: h.DstIP, DstIP: h.SrcIP,
	}, port, 40000, payload)
	return r.exchange(wire.AppendUDP(nil, h, 40000, port, payload), replyLimit, func(b []byte) bool {
		return sameDatagram(b, reply, 14+4*len(tags))
	}) != nil
}

// sameDatagram compares two frames but for what a host may choose in the IPv4 header behind the Ethernet header's skip
// bytes: ID, flags, TTL and so the header's checksum.
func sameDatagram(a, b []byte, skip int) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = bytes.Clone(a), bytes.Clone(b)
	for _, f := range [][]byte{a, b} {
		clear(f[skip+4 : skip+9])
		clear(f[skip+10 : skip+12])
	}
	return bytes.Equal(a, b)
}

// ping sends an ICMP echo request and reports whether it was answered.
func (r *rig) ping(tags []wire.VLAN, seq uint16) bool {
	r.t.Helper()
	h := r.header(tags)
	reply := wire.AppendICMPEcho(nil, &wire.Header{
		Dst: h.Src, Src: h.Dst, Tags: tags, SrcIP: h.DstIP, DstIP: h.SrcIP,
	}, 0, 7, seq, []byte("are you there"))
	request := wire.AppendICMPEcho(nil, h, 8, 7, seq, []byte("are you there"))
	return r.exchange(request, replyLimit, func(b []byte) bool {
		return sameDatagram(b, reply, 14+4*len(tags))
	}) != nil
}
