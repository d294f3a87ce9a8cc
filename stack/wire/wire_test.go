package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"mortise/stack/frame"
)

// slot returns a slot of DMA memory: the address of its frame, and its bytes from there.
func slot(t testing.TB) (addr uintptr, b []byte) {
	t.Helper()
	m, release, err := frame.NewMemory(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	addr = m.Frame(0)
	return addr, unsafe.Slice((*byte)(unsafe.Add(nil, addr)), frame.MaxLen)
}

func header() *Header {
	return &Header{
		Dst: [6]byte{2, 0x11, 0x22, 0x33, 0x44, 0x55}, Src: [6]byte{2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee},
		SrcIP: [4]byte{10, 1, 2, 3}, DstIP: [4]byte{192, 0, 2, 250}, TTL: 99, ID: 0xbeef,
	}
}

// TestViews: each field of each view lies where its RFC has it, behind no tag, one and two.
func TestViews(t *testing.T) {
	addr, b := slot(t)
	for tags := range 3 {
		h := header()
		for i := range tags {
			h.Tags = append(h.Tags, VLAN{PCP: uint8(5 + i), VID: uint16(0x123 + i)})
		}
		e, ip, u := EthernetAt(addr), IPv4At(addr+14+4*uintptr(tags)), UDPAt(addr+34+4*uintptr(tags))
		copy(b, AppendUDP(nil, h, 4000, 7, []byte("abc")))
		type view struct {
			Dst, Src  uint64
			Type      uint32
			Tag       [2]uint32
			Head      uint32
			Frag      uint32
			Proto     uint32
			IPs       [2]uint32
			Ports     uint32
			UDPLength uint32
		}
		got := view{
			Dst:  uint64(Swap32(e.Dst0)&0xffff)<<32 | uint64(Swap32(e.Dst2)),
			Src:  uint64(Swap32(e.Src0))<<16 | uint64(Swap16(e.SrcType)),
			Type: Swap32(e.SrcType) & 0xffff, Head: Swap32(ip.Head), Frag: Swap32(ip.Frag), Proto: Swap32(ip.Proto) >> 16,
			IPs: [2]uint32{Swap32(ip.Src), Swap32(ip.Dst)}, Ports: Swap32(u.Ports), UDPLength: Swap16(u.Checksum),
		}
		want := view{
			Dst: 0x021122334455, Src: 0x02aabbccddee, Type: 0x0800, Head: 0x4500_001f, Frag: 0xbeef_0000, Proto: 99<<8 | 17,
			IPs: [2]uint32{0x0a010203, 0xc00002fa}, Ports: 4000<<16 | 7, UDPLength: 11,
		}
		for i := range tags {
			got.Tag[i] = Swap32(e.Tag[i])
			want.Tag[i] = uint32(5+i)<<29 | uint32(0x123+i)<<16 | 0x8100
			want.Type = 0x8100
		}
		if tags > 0 {
			want.Tag[tags-1] = want.Tag[tags-1]&^0xffff | 0x0800
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d tags: views (-want +got):\n%s", tags, diff)
		}
	}

	copy(b, AppendARP(nil, header(), 2, [6]byte{1, 2, 3, 4, 5, 6}))
	a := *ARPAt(addr + 14)
	want := ARP{
		Hardware: ARPEthernet, Protocol: TypeIPv4, Lengths: ARPLengths, Op: ARPReply,
		SenderMAC0: 0xccbbaa02, SenderMAC4: 0xeedd, SenderIP0: 0x010a, SenderIP2: 0x0302,
		TargetMAC0: 0x0201, TargetMAC2: 0x06050403, TargetIP: 0xfa0200c0,
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("ARP view (-want +got):\n%s", diff)
	}
	copy(b, AppendICMPEcho(nil, header(), 8, 0x1234, 0x5678, nil))
	if m := ICMPAt(addr + 34); m.Checksum&0xffff != ICMPEchoRequest || Swap32(m.Rest) != 0x12345678 {
		t.Errorf("ICMP view = %+v", *m)
	}
}

func TestIsTag(t *testing.T) {
	for typ := range uint32(1 << 16) {
		number := Swap16(typ)
		if got, want := IsTag(typ), number == 0x8100 || number == 0x88a8; got != want {
			t.Errorf("IsTag(%#04x) = %v, want %v", number, got, want)
		}
	}
}

func TestZero(t *testing.T) {
	addr, b := slot(t)
	for from := range MinLen {
		for i := range b {
			b[i] = 0xa5
		}
		want := slices.Clone(b)
		clear(want[from : MinLen+2])
		Zero(addr+uintptr(from), addr+MinLen)
		if !bytes.Equal(b, want) {
			t.Errorf("Zero from byte %d is wrong", from)
		}
	}
}

// TestSum compares Sum with RFC 1071's definition, by bytes.
func TestSum(t *testing.T) {
	addr, b := slot(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	fills := map[string]func() byte{
		"random": func() byte { return byte(rnd.Uint32()) }, "ones": func() byte { return 0xff }, "zeros": func() byte { return 0 },
	}
	for name, fill := range fills {
		for i := range b {
			b[i] = fill()
		}
		for n := range 1500 {
			// The data begins at a multiple of four, two bytes into the frame.
			got, want := Swap16(Sum(addr+2, uint32(n), 0)), uint32(Checksum(b[2:2+n], 0))
			if got != want {
				t.Fatalf("Sum of %d bytes (%s) = %#04x, want %#04x", n, name, got, want)
			}
			start := rnd.Uint32()
			got, want = Swap16(Sum(addr+2, uint32(n), start)), uint32(Checksum(b[2:2+n], Swap32(start)>>16+Swap32(start)&0xffff))
			if got != want {
				t.Fatalf("Sum of %d bytes (%s), from %#x = %#04x, want %#04x", n, name, start, got, want)
			}
		}
	}
	if got := SelfTest(addr+2, 256); got != 0 {
		t.Errorf("SelfTest = %d, want 0", got)
	}
}

// TestSumUDP: both halves are 0 for what AppendUDP builds, and only the half whose data a changed bit is in then is not.
func TestSumUDP(t *testing.T) {
	addr, b := slot(t)
	for size := range 70 {
		packet, n := addr+EthernetLen, uint32(UDPLen+size)
		copy(b, AppendUDP(nil, header(), 4000, 7, bytes.Repeat([]byte{0x5a}, size)))
		if got := SumUDP(packet, n); got != 0 {
			t.Fatalf("SumUDP of %d bytes = %#08x, want 0", size, got)
		}
		for bit := range (IPv4Len + UDPLen + size) * 8 {
			at := bit / 8
			b[EthernetLen+at] ^= 1 << (bit % 8)
			sum := SumUDP(packet, n)
			b[EthernetLen+at] ^= 1 << (bit % 8)
			// UDP's length counts twice: as its field and in the pseudo header.
			header, payload := at < IPv4Len, at >= IPv4Len-8
			if (sum>>16 != 0) != header || (sum&0xffff != 0) != payload {
				t.Errorf("SumUDP of %d bytes with bit %d of byte %d changed = %#08x", size, bit%8, at, sum)
			}
		}
	}
}

// TestSumARM runs SelfTest, the comparison of the assembly with Go, under qemu-arm.
func TestSumARM(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for GOARCH=arm")
	}
	qemu, err := exec.LookPath("qemu-arm")
	if err != nil {
		t.Skip("qemu-arm (package qemu-user) is not installed")
	}
	// The go command runs this test again only when a file changes that it has seen itself.
	if _, err := os.Stat("checksum_arm.s"); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "selftest")
	build := exec.Command("go", "build", "-o", bin, "./testdata/selftest")
	build.Env = append(build.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	if out, err := exec.Command(qemu, bin).CombinedOutput(); err != nil {
		t.Errorf("selftest under qemu-arm: %v\n%s", err, out)
	}
}

// TestUpdate: an updated checksum is the one that a new sum has, zero included.
func TestUpdate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, 20)
	for i := range 200_000 {
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		b[0] = 0x45
		if i%2 == 0 { // a checksum near 0 and 0xffff, where representations of zero meet
			binary.BigEndian.PutUint16(b[18:], 0)
			binary.BigEndian.PutUint16(b[10:], 0)
			binary.BigEndian.PutUint16(b[18:], Checksum(b, 0)-uint16(rnd.IntN(600))+300)
		}
		binary.BigEndian.PutUint16(b[10:], 0)
		binary.BigEndian.PutUint16(b[10:], Checksum(b, 0))
		word := binary.LittleEndian.Uint32(b[8:])
		ttl := byte(rnd.Uint32())

		checksum, old := word>>16, word&0xffff
		updated := Update(checksum, old, old&0xff00|uint32(ttl))
		b[8] = ttl
		binary.BigEndian.PutUint16(b[10:], 0)
		binary.BigEndian.PutUint16(b[10:], Checksum(b, 0))
		want := binary.LittleEndian.Uint32(b[8:])
		if updated != want>>16 {
			t.Fatalf("Update(%#04x, %#04x, ttl %d) = %#04x, want %#04x", checksum, old, ttl, updated, want>>16)
		}
		if got := UpdateTTL(word, uint32(ttl)); got != want {
			t.Fatalf("UpdateTTL(%#08x, %d) = %#08x, want %#08x", word, ttl, got, want)
		}
	}
}

func TestHeaderValid(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var w [5]uint32
	for range 200_000 {
		for i := range w {
			w[i] = rnd.Uint32()
			if rnd.IntN(4) == 0 {
				w[i] = 0xffff_ffff
			}
		}
		b := make([]byte, 0, 20)
		for _, v := range w {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		if rnd.IntN(2) == 0 {
			binary.BigEndian.PutUint16(b[10:], 0)
			binary.BigEndian.PutUint16(b[10:], Checksum(b, 0))
			w[2] = binary.LittleEndian.Uint32(b[8:])
		}
		if got, want := HeaderValid(w[0], w[1], w[2], w[3], w[4]), Checksum(b, 0) == 0; got != want {
			t.Fatalf("HeaderValid(%#x) = %v, want %v", w, got, want)
		}
	}
}

// TestBuild reads what the builders make with gopacket, which checks nothing we computed by our own code.
func TestBuild(t *testing.T) {
	payload := []byte("the payload of this frame")
	for tags := range 3 {
		h := header()
		for i := range tags {
			h.Tags = append(h.Tags, VLAN{TPID: [...]uint16{0x88a8, 0}[(i+2-tags)%2], PCP: uint8(i + 1), VID: uint16(100 + i)})
		}
		for name, frame := range map[string][]byte{
			"UDP":  AppendUDP(nil, h, 4000, 7, payload),
			"ICMP": AppendICMPEcho(nil, h, 8, 77, 78, payload),
			"ARP":  AppendARP(nil, h, 1, [6]byte{}),
		} {
			t.Run(fmt.Sprintf("%s, %d tags", name, tags), func(t *testing.T) {
				p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
				if err := p.ErrorLayer(); err != nil {
					t.Fatal(err.Error())
				}
				if u, ok := p.TransportLayer().(*layers.UDP); ok {
					if err := u.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
						t.Fatal(err)
					}
				}
				if err, bad := p.VerifyChecksums(); err != nil || len(bad) != 0 {
					t.Errorf("checksums: %v, %v", err, bad)
				}
				e := p.LinkLayer().(*layers.Ethernet)
				if !bytes.Equal(e.DstMAC, h.Dst[:]) || !bytes.Equal(e.SrcMAC, h.Src[:]) {
					t.Errorf("addresses %v, %v", e.DstMAC, e.SrcMAC)
				}
				var vids []uint16
				for _, l := range p.Layers() {
					if tag, ok := l.(*layers.Dot1Q); ok {
						vids = append(vids, tag.VLANIdentifier)
					}
				}
				if want := []uint16{100, 101}[:tags]; !slices.Equal(vids, want) {
					t.Errorf("VLANs %v, want %v", vids, want)
				}
				switch name {
				case "ARP":
					a := p.Layer(layers.LayerTypeARP).(*layers.ARP)
					if a.Operation != 1 || !bytes.Equal(a.SourceProtAddress, h.SrcIP[:]) || !bytes.Equal(a.DstProtAddress, h.DstIP[:]) {
						t.Errorf("ARP %+v", a)
					}
				case "UDP":
					u := p.TransportLayer().(*layers.UDP)
					if u.SrcPort != 4000 || u.DstPort != 7 || !bytes.Equal(u.Payload, payload) {
						t.Errorf("UDP %+v", u)
					}
				case "ICMP":
					m := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
					if m.Id != 77 || m.Seq != 78 || !bytes.Equal(m.Payload, payload) {
						t.Errorf("ICMP %+v", m)
					}
				}
				if ip, ok := p.NetworkLayer().(*layers.IPv4); ok && (!ip.SrcIP.Equal(net.IP(h.SrcIP[:])) || ip.TTL != 99 || ip.Id != 0xbeef) {
					t.Errorf("IPv4 %+v", ip)
				}
			})
		}
	}
}

// TestChecksumOfNone: a UDP checksum that comes out as 0 is sent as 0xffff.
func TestChecksumOfNone(t *testing.T) {
	h := header()
	f := AppendUDP(nil, h, 4000, 7, []byte{0, 0})
	sum := binary.BigEndian.Uint16(f[40:])
	f = AppendUDP(nil, h, 4000, 7, []byte{byte(sum >> 8), byte(sum)})
	if got := binary.BigEndian.Uint16(f[40:]); got != 0xffff {
		t.Errorf("checksum = %#04x, want 0xffff", got)
	}
}

func TestAllocs(t *testing.T) {
	addr, _ := slot(t)
	if n := testing.AllocsPerRun(10, func() { Sum(addr+2, 1500, 1); Zero(addr, addr+60); UpdateTTL(1, 2); Update(1, 2, 3) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("\x45\x00\x00\x1c"), uint32(0))
	f.Add(bytes.Repeat([]byte{0xff}, 63), uint32(0xffff_ffff))
	f.Add(AppendUDP(nil, header(), 4000, 7, nil), uint32(17))
	addr, b := slot(f)
	f.Fuzz(func(t *testing.T, data []byte, start uint32) {
		n := copy(b[2:], data)
		got, want := Swap16(Sum(addr+2, uint32(n), start)), uint32(Checksum(b[2:2+n], Swap32(start)>>16+Swap32(start)&0xffff))
		if got != want {
			t.Errorf("Sum(%x, %#x) = %#04x, want %#04x", data, start, got, want)
		}
	})
}
