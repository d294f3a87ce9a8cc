package forward_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"mortise/stack/core"
	"mortise/stack/forward"
	"mortise/stack/frame"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// change is a destination's changes as bytes, as a model has them.
type change struct {
	ops              forward.Ops
	tpid, tci, mask  uint16
	dstMAC, srcMAC   [6]byte
	src, dst         [4]byte
	ports, portsMask [4]byte
}

// out returns the change as Apply takes it.
func (c *change) out() forward.Out {
	le16 := func(v uint16) uint32 { return wire.Swap16(uint32(v)) }
	return forward.Out{
		Dev: 1, Ops: c.ops, TPID: le16(c.tpid), TCI: le16(c.tci), Mask: le16(c.mask),
		DstMAC0: be([4]byte(c.dstMAC[:])), DstMAC4: uint32(c.dstMAC[4]) | uint32(c.dstMAC[5])<<8,
		SrcMAC0: be([4]byte(c.srcMAC[:])), SrcMAC4: uint32(c.srcMAC[4]) | uint32(c.srcMAC[5])<<8,
		Src: be(c.src), Dst: be(c.dst), Ports: be(c.ports), PortMask: be(c.portsMask),
	}
}

// tagAt reports whether the header that ends in front of at goes on there with a VLAN tag.
func tagAt(f []byte, at int) bool {
	kind := binary.BigEndian.Uint16(f[at-2:])
	return (kind == 0x8100 || kind == 0x88a8) && len(f) >= at+4
}

// model returns the frame as the change makes it, nil when it is too long then. It reads and writes byte by byte what Apply does in words.
func (c *change) model(f []byte) []byte {
	f = bytes.Clone(f)
	if c.ops&(forward.SetSrc|forward.SetDst|forward.SetPorts) != 0 {
		c.readdress(f)
	}
	if c.ops&forward.SetDstMAC != 0 {
		copy(f, c.dstMAC[:])
	}
	if c.ops&forward.SetSrcMAC != 0 {
		copy(f[6:], c.srcMAC[:])
	}
	switch tagged := tagAt(f, 14); {
	case c.ops&forward.Rewrite != 0 && tagged:
		tci := binary.BigEndian.Uint16(f[14:])
		binary.BigEndian.PutUint16(f[14:], tci&^c.mask|c.tci&c.mask)
	case c.ops&forward.Push != 0:
		tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, c.tpid), c.tci)
		f = append(f[:12:12], append(tag, f[12:]...)...)
		if len(f) > 1522 {
			return nil
		}
	case c.ops&forward.Pop != 0 && tagged:
		f = append(f[:12:12], f[16:]...)
		for len(f) < 60 {
			f = append(f, 0)
		}
	}
	return f
}

// readdress changes an IPv4 packet's addresses, and the ports of UDP and TCP.
func (c *change) readdress(f []byte) {
	at := 14
	for tags := 0; tags < 2 && tagAt(f, at); tags++ {
		at += 4
	}
	ip := f[at:]
	if binary.BigEndian.Uint16(f[at-2:]) != 0x0800 || len(ip) < 20 || ip[0]>>4 != 4 {
		return
	}
	ip = ip[:min(len(ip), int(binary.BigEndian.Uint16(ip[2:])))]
	size := int(f[at]&15) * 4
	if size < 20 || size > len(ip) {
		return
	}
	was := bytes.Clone(ip[12:20])
	if c.ops&forward.SetSrc != 0 {
		copy(ip[12:], c.src[:])
	}
	if c.ops&forward.SetDst != 0 {
		copy(ip[16:], c.dst[:])
	}
	now := ip[12:20]
	follow(ip[10:], was, now)
	data, offset := ip[size:], binary.BigEndian.Uint16(ip[6:])&0x1fff
	least, sum := 8, 6
	switch ip[9] {
	case 6:
		least, sum = 20, 16
	case 17:
	default:
		return
	}
	if offset != 0 || len(data) < least {
		return
	}
	was = append(was, data[:4]...)
	for i, mask := range c.portsMask {
		data[i] = data[i]&^mask | c.ports[i]&mask
	}
	if sum == 6 && data[6] == 0 && data[7] == 0 {
		return
	}
	follow(data[sum:], was, append(bytes.Clone(now), data[:4]...))
	if sum == 6 && data[6] == 0 && data[7] == 0 {
		data[6], data[7] = 0xff, 0xff
	}
}

// follow brings a checksum up to date after data that was so is now so: HC' = ~(~HC + ~m + m') for each 16 bits.
func follow(checksum, was, now []byte) {
	sum := uint64(^binary.BigEndian.Uint16(checksum))
	for i := 0; i < len(was); i += 2 {
		sum += uint64(^binary.BigEndian.Uint16(was[i:])) + uint64(binary.BigEndian.Uint16(now[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(checksum, ^uint16(sum))
}

// residues returns what the sums of a frame's packet leave modulo 65535, 0 when they are right: of the IPv4 header, and of what UDP or TCP
// sums up. Only a whole packet with either is ok.
func residues(f []byte) (header, data uint64, ok bool) {
	at := 14
	for tags := 0; tags < 2 && tagAt(f, at); tags++ {
		at += 4
	}
	ip := f[at:]
	if binary.BigEndian.Uint16(f[at-2:]) != 0x0800 || len(ip) < 20 || ip[0]>>4 != 4 {
		return 0, 0, false
	}
	size, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if size < 20 || total > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
		return 0, 0, false
	}
	switch {
	case ip[9] == 6 && total >= size+20:
	case ip[9] == 17 && total >= size+8 && (ip[size+6] != 0 || ip[size+7] != 0):
	default:
		return 0, 0, false
	}
	sum := func(b []byte) (s uint64) {
		for i, v := range b {
			s += uint64(v) << (8 * (1 - i%2))
		}
		return s
	}
	pseudo := sum(ip[12:20]) + uint64(ip[9]) + uint64(total-size)
	return sum(ip[:size]) % 0xffff, (pseudo + sum(ip[size:total])) % 0xffff, true
}

// applier has frames changed in a slot between two others.
type applier struct {
	m     frame.Memory
	slots []byte
}

func newApplier(t testing.TB) *applier {
	t.Helper()
	m, release, err := frame.NewMemory(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return &applier{m, unsafe.Slice((*byte)(unsafe.Add(nil, m.Base)), 3*frame.SlotSize)}
}

// apply returns the frame as Apply makes it, nil when it drops it. It checks that nothing but the frame, and what lies close ahead
// of it, has changed: a frame that begins later or ends earlier leaves bytes of its own there, and is padded by words.
func (a *applier) apply(t testing.TB, o *forward.Out, f []byte) []byte {
	t.Helper()
	for i := range a.slots {
		a.slots[i] = byte(0xa5 + i)
	}
	at := int(a.m.Frame(1) - a.m.Base)
	copy(a.slots[at:], f)
	before := bytes.Clone(a.slots)
	action := o.Apply(a.m.Frame(1), uint32(len(f)))
	begin, end := at, at+len(f)
	var got []byte
	if action != core.Drop {
		if action&core.Back != 0 {
			begin -= 4
		}
		if action&core.Ahead != 0 {
			begin += 4
		}
		got = bytes.Clone(a.slots[begin : begin+int(core.Length(action))])
		if action&core.Forward == 0 || core.To(action) != o.Dev || len(got) > frame.MaxLen {
			t.Fatalf("action %#x for %x", action, f)
		}
		end = max(end, (begin+len(got)+3)&^3)
	}
	if begin = min(begin, at) - frame.Pad; !bytes.Equal(a.slots[:begin], before[:begin]) {
		t.Fatalf("%#x changes what is ahead of the frame %x", o.Ops, f)
	}
	if !bytes.Equal(a.slots[end:], before[end:]) {
		t.Fatalf("%#x changes what is behind the frame %x", o.Ops, f)
	}
	return got
}

// compare has a frame changed and compares it with the model's.
func (a *applier) compare(t testing.TB, c *change, f []byte) []byte {
	t.Helper()
	o := c.out()
	got, want := a.apply(t, &o, f), c.model(f)
	if (got == nil) != (want == nil) || !bytes.Equal(got, want) {
		t.Fatalf("%+v makes of\n%x\n%x, want\n%x", *c, f, got, want)
	}
	return got
}

// fields is the change of ops with b's bytes in its fields, zeros behind its end.
func fields(ops uint16, b []byte) *change {
	var all [34]byte
	copy(all[:], b)
	be16 := binary.BigEndian.Uint16
	return &change{
		ops: forward.Ops(ops & 0xff), tpid: be16(all[0:]), tci: be16(all[2:]), mask: be16(all[4:]),
		dstMAC: [6]byte(all[6:]), srcMAC: [6]byte(all[12:]), src: [4]byte(all[18:]), dst: [4]byte(all[22:]),
		ports: [4]byte(all[26:]), portsMask: [4]byte(all[30:]),
	}
}

// tcp returns a frame with a TCP segment whose checksum is right.
func tcp(h *wire.Header, srcPort, dstPort uint16, data []byte) []byte {
	at := len(wire.AppendIPv4(nil, h, wire.ProtoTCP, wire.TCPLen+len(data)))
	f := wire.AppendIPv4(nil, h, wire.ProtoTCP, wire.TCPLen+len(data))
	f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, srcPort), dstPort)
	f = append(f, 0x1c, 0x7f, 0, 0xa2, 0, 0, 0, 0, 0x50, 0x18, 0xff, 0xfe, 0, 0, 0, 7)
	f = append(f, data...)
	binary.BigEndian.PutUint16(f[at+16:], wire.Checksum(f[at-8:], wire.ProtoTCP+uint32(len(f)-at)))
	for len(f) < wire.MinLen {
		f = append(f, 0x55) // padding is not always zeros
	}
	return f
}

// fragmented returns the frame as a fragment with these flags and this offset.
func fragmented(f []byte, flags uint16) []byte {
	return wiretest.IP(f, func(ip []byte) { binary.BigEndian.PutUint16(ip[6:], flags) })
}

// frames is what networks carry, whole and broken: the answers' corpus, TCP, fragments, options, and what is no IPv4.
func frames() (list [][]byte) {
	for _, c := range wiretest.Corpus(wiretest.DefaultSite()) {
		if len(c.Frame) >= wire.EthernetLen && len(c.Frame) <= frame.MaxLen {
			list = append(list, c.Frame)
		}
	}
	prio, customer, service := wire.VLAN{PCP: 6}, wire.VLAN{VID: 42, PCP: 6}, wire.VLAN{TPID: 0x88a8, VID: 100}
	for _, tags := range [][]wire.VLAN{nil, {prio}, {customer}, {service, customer}} {
		segment, datagram := tcp(header(tags...), 49201, 80, []byte("abc")), wire.AppendUDP(nil, header(tags...), 5000, 6000, wiretest.Payload(64, 1))
		list = append(list, segment, tcp(header(tags...), 49201, 102, wiretest.Payload(1460, 1)), datagram)
		for _, flags := range []uint16{0x2000, 0x4000, 0x2001, 0x00b9, 0x1f00} {
			list = append(list, fragmented(segment, flags), fragmented(datagram, flags))
		}
		list = append(list,
			wiretest.IP(datagram, func(ip []byte) { ip[0] = 0x46; copy(ip[20:], []byte{0x94, 4, 0, 0}) }), // Router Alert
			wiretest.IP(datagram, func(ip []byte) { ip[0] = 0x65 }),
			wiretest.IP(datagram, func(ip []byte) { ip[9] = 136 }), // UDP-Lite
			wiretest.IP(datagram, func(ip []byte) { ip[2], ip[3] = 0, 26 }),
		)
		for _, carried := range []struct {
			etherType uint16
			text      string
		}{
			{0x8892, "8000 0000000000000000000000000000000000000000000000000000000000000000000000000000000000 0fff 3500"},                                  // PROFINET RT
			{0x88a4, "0e10 0100 0000 3001 0200 0000 0000 0000 00000000000000000000000000000000000000000000000000000000"},                                   // EtherCAT
			{0x88f7, "1002 002c 0000 0208 0000000000000000 00000000 020202fffe020202 0001 0001 00fd 00000000000000000000 0000"},                            // gPTP Sync
			{0x86dd, "60000000 0018 3aff fe80000000000000000000000000 0002 ff0200000000000000000001ff000001 8700 5d2c 00000000 fe80000000000000 00000001"}, // IPv6
		} {
			b, err := hex.DecodeString(strings.ReplaceAll(carried.text, " ", ""))
			if err != nil {
				panic(err)
			}
			list = append(list, append(wire.AppendEthernet(nil, header(tags...), carried.etherType), b...))
		}
	}
	return list
}

// Edges of what Apply does, each hit on purpose: the wanted bytes come from builders, or are told from the frame's own.
func TestApplyEdges(t *testing.T) {
	a := newApplier(t)
	readdress := forward.SetSrc | forward.SetDst | forward.SetPorts
	c := &change{ops: readdress, src: [4]byte{198, 51, 100, 9}, dst: [4]byte{198, 51, 100, 7}, ports: [4]byte{4, 210, 16, 225}, portsMask: [4]byte{255, 255, 255, 255}}
	changed := func(tags ...wire.VLAN) *wire.Header {
		return edit(header(tags...), func(h *wire.Header) { h.SrcIP, h.DstIP = c.src, c.dst })
	}
	check := func(what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: \n%x, want\n%x", what, got, want)
		}
	}
	data := wiretest.Payload(33, 1)
	tag := wire.VLAN{VID: 42, PCP: 3}
	for _, tags := range [][]wire.VLAN{nil, {tag}, {{TPID: 0x88a8, VID: 100}, tag}} {
		check("TCP", a.compare(t, c, tcp(header(tags...), 5000, 80, data)), tcp(changed(tags...), 1234, 4321, data))
		check("UDP", a.compare(t, c, wire.AppendUDP(nil, header(tags...), 5000, 80, data)), wire.AppendUDP(nil, changed(tags...), 1234, 4321, data))
	}

	// The first part of a datagram or segment has ports and a checksum; the parts behind it, wherever they begin, have none.
	for _, in := range [][]byte{tcp(header(), 5000, 80, data), wire.AppendUDP(nil, header(), 5000, 80, data)} {
		whole := a.compare(t, c, in)
		first := fragmented(in, 0x2000)
		check("first fragment", a.compare(t, c, first), fragmented(whole, 0x2000))
		for bit := range 13 {
			later := fragmented(in, 1<<bit)
			want := wiretest.IP(later, func(ip []byte) { copy(ip[12:], c.src[:]); copy(ip[16:], c.dst[:]) })
			check(fmt.Sprintf("fragment at %d", 8<<bit), a.compare(t, c, later), want)
		}
	}

	// A UDP checksum that becomes 0 is sent as 0xffff, as 0 is none. Some value of a port makes it so.
	found := false
	for port := range 1 << 16 {
		p := *c
		p.ports[2], p.ports[3] = byte(port>>8), byte(port)
		in := wire.AppendUDP(nil, header(), 5000, 80, data)
		want := wire.AppendUDP(nil, changed(), 1234, uint16(port), data)
		if want[40] == 0xff && want[41] == 0xff {
			found = true
			check("UDP checksum of 0", a.compare(t, &p, in), want)
		}
	}
	if !found {
		t.Error("no port makes the checksum 0: the test compares nothing")
	}
	none := wire.AppendUDP(nil, header(), 5000, 80, data)
	none[40], none[41] = 0, 0
	if got := a.compare(t, c, none); got[40] != 0 || got[41] != 0 {
		t.Errorf("a datagram without a checksum got one: %x", got)
	}

	// A header that is as long as the packet at most is changed, a longer one is none; nor are ports that the packet has no room for, whatever the
	// frame has behind it. The 18 bytes of padding are not the packet's.
	for _, x := range []struct {
		name         string
		head, proto  byte
		total, frame int
		ip, ports    bool
	}{
		{"header of 60 bytes in 60", 0x4f, 17, 60, 74, true, false},
		{"header of 60 bytes in 59", 0x4f, 17, 59, 74, false, false},
		{"header of 60 bytes in a frame that has 46", 0x4f, 17, 60, 60, false, false},
		{"header of 60 bytes in a frame that has 20", 0x4f, 17, 60, 34, false, false},
		{"header of 16 bytes", 0x44, 17, 46, 60, false, false},
		{"header of version 6", 0x65, 17, 46, 60, false, false},
		{"UDP header, whole", 0x45, 17, 28, 60, true, true},
		{"UDP header, cut off", 0x45, 17, 27, 60, true, false},
		{"UDP header, cut off with the frame", 0x45, 17, 28, 41, true, false},
		{"TCP header, whole", 0x45, 6, 40, 60, true, true},
		{"TCP header, cut off", 0x45, 6, 39, 60, true, false},
		{"TCP header, cut off with the frame", 0x45, 6, 40, 53, true, false},
		{"UDP-Lite", 0x45, 136, 40, 60, true, false},
		{"no total length", 0x45, 17, 0, 60, false, false},
	} {
		in := make([]byte, x.frame)
		copy(in, wire.AppendIPv4(nil, header(), x.proto, 0))
		copy(in[34:], wiretest.Payload(40, 9))
		in[14], in[16], in[17] = x.head, byte(x.total>>8), byte(x.total)
		got := a.compare(t, c, in)
		ip, ports := !bytes.Equal(got[14:34], in[14:34]), !bytes.Equal(got[34:], in[34:])
		if ip != x.ip || ports != x.ports || ip && !bytes.Equal(got[26:34], append(c.src[:], c.dst[:]...)) {
			t.Errorf("%s: header changed: %v, ports: %v, want %v and %v:\n%x", x.name, ip, ports, x.ip, x.ports, got)
		}
	}

	// The longest frame that has room for a tag, and the shortest ones that one is taken from.
	push := &change{ops: forward.Push, tpid: 0x8100, tci: 7}
	for n, want := range map[int]int{14: 18, 60: 64, 1514: 1518, 1518: 1522, 1519: 0, 1522: 0} {
		if got := a.compare(t, push, append(wire.AppendEthernet(nil, header(), 0x88a4), wiretest.Payload(n-14, 3)...)); len(got) != want {
			t.Errorf("a tag makes a frame of %d bytes one of %d, want %d", n, len(got), want)
		}
	}
	pop := &change{ops: forward.Pop}
	for n, want := range map[int]int{17: 17, 18: 60, 60: 60, 63: 60, 64: 60, 65: 61, 1522: 1518} {
		in := append(wire.AppendEthernet(nil, header(tag), 0x88a4), wiretest.Payload(1522, 3)...)[:n]
		if got := a.compare(t, pop, in); len(got) != want {
			t.Errorf("without its tag a frame of %d bytes is one of %d, want %d", n, len(got), want)
		}
	}
}

// FuzzApply: what Apply makes of any frame, by any changes, is what the model makes of it, and nothing outside the frame changes. Sums that
// were right stay right.
func FuzzApply(f *testing.F) {
	values, err := hex.DecodeString("8100" + "c02a" + "0fff" + "01005e000001" + "020000000009" + "c6336409" + "c6336407" + "04d210e1" + "ffffffff")
	if err != nil {
		f.Fatal(err)
	}
	all := []forward.Ops{
		0, forward.Push, forward.Pop, forward.Rewrite, forward.Push | forward.Rewrite, forward.SetDstMAC | forward.SetSrcMAC,
		forward.SetSrc | forward.SetDst | forward.SetPorts, 0xff &^ forward.Push, 0xff,
	}
	for i, b := range frames() {
		f.Add(b, uint16(all[i%len(all)]), values)
		f.Add(b, uint16(forward.SetSrc|forward.SetDst|forward.SetPorts), values)
	}
	a := newApplier(f)
	f.Fuzz(func(t *testing.T, b []byte, ops uint16, values []byte) {
		if b = b[:min(len(b), frame.MaxLen)]; len(b) < wire.EthernetLen {
			return
		}
		c := fields(ops, values)
		a.compare(t, c, b)
		c.ops &= forward.SetSrc | forward.SetDst | forward.SetPorts
		header, data, ok := residues(b)
		if h, d, _ := residues(a.compare(t, c, b)); ok && (h != header || d != data) {
			t.Fatalf("%+v of %x: the sums leave %#x and %#x, before %#x and %#x", *c, b, h, d, header, data)
		}
	})
}
