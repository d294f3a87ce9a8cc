package load

import (
	"encoding/binary"
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
)

// arena is memory for frames, with a page before it and one behind it that fault when anything touches them.
type arena struct{ pages []byte }

const page = 4096

func newArena(t testing.TB) *arena { return newPages(t, 1) }

func newPages(t testing.TB, n int) *arena {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, (n+2)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, (n + 1) * page} {
		if err := syscall.Mprotect(b[at:at+page], syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { syscall.Munmap(b) })
	return &arena{b}
}

// run returns the verdict on the frame, which lies as in a slot, then at the very end of memory, then at its very begin: it
// must be the same, and the program and the frame as they were.
func (a *arena) run(t testing.TB, p *bpf.Program, frame []byte) filter.Verdict {
	t.Helper()
	code := *p
	var first filter.Verdict
	for i, at := range []int{page + 2, 2*page - len(frame), page} {
		copy(a.pages[at:], frame)
		v := p.Run(uintptr(unsafe.Pointer(&a.pages[at])), uint32(len(frame)))
		if i == 0 {
			first = v
		}
		if v != first {
			t.Fatalf("%s at offset 2 of memory, %s at %d", VerdictName(first), VerdictName(v), at)
		}
		if string(a.pages[at:at+len(frame)]) != string(frame) {
			t.Fatal("the frame was changed")
		}
	}
	for pc := range uint32(bpf.MaxInsns) {
		if p.At(pc) != code.At(pc) {
			t.Fatalf("instruction %d was changed", pc)
		}
	}
	for w := bpf.ConstWord; w < bpf.Words; w++ {
		if p.Word(uint8(w)) != code.Word(uint8(w)) {
			t.Fatalf("constant %d was changed", w)
		}
	}
	return first
}

// randomFrame returns a frame as filters meet them, and as they should not: tags, IPv4 with and without options, fragments,
// other protocols, cut off anywhere.
func randomFrame(r *rand.Rand) []byte {
	b := make([]byte, 12, 128)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if r.IntN(2) == 0 {
		copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, byte(r.IntN(3)), 0, 0, byte(r.IntN(4))})
	}
	for range []int{0, 0, 0, 0, 1, 1, 2, 3}[r.IntN(8)] {
		b = binary.BigEndian.AppendUint16(b, []uint16{0x8100, 0x88a8}[r.IntN(2)])
		vid := []uint16{0, 41, 42, 45, 46, 100, uint16(r.IntN(4096))}[r.IntN(7)]
		b = binary.BigEndian.AppendUint16(b, vid|uint16(r.IntN(16))<<12)
	}
	types := []uint16{0x0800, 0x0800, 0x0800, 0x0800, 0x0806, 0x88a4, 0x8892, 0x88f7, 0x22f0, 0xb62c, 0x86dd, uint16(r.IntN(0xfa00) + 0x600)}
	kind := types[r.IntN(len(types))]
	b = binary.BigEndian.AppendUint16(b, kind)
	if kind == 0x0800 {
		b = appendIPv4(b, r)
	}
	for range r.IntN(48) {
		b = append(b, byte(r.Uint32()))
	}
	switch r.IntN(12) {
	case 0:
		b = b[:14+r.IntN(len(b)-13)]
	case 1:
		if n := len(b) - 14; n > 0 {
			b[14+r.IntN(n)] ^= byte(1 << r.IntN(8))
		}
	}
	return b
}

func appendIPv4(b []byte, r *rand.Rand) []byte {
	start := len(b)
	words := []int{5, 5, 5, 5, 5, 6, 9, 15, 4, 0}[r.IntN(10)]
	b = append(b, 0x40|byte(words), byte(r.IntN(64)<<2), 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(r.Uint32()))
	b = binary.BigEndian.AppendUint16(b, []uint16{0, 0, 0x4000, 0x2000, 0x2003, 0x8000, 5}[r.IntN(7)])
	b = append(b, 64, []byte{17, 17, 17, 6, 1, byte(r.IntN(256))}[r.IntN(6)], 0, 0)
	for range 2 {
		b = append(b, [][]byte{{10, 0, 0, byte(r.IntN(4))}, {192, 168, 1, 2}, {224, 0, 1, 129}, {byte(r.Uint32()), 1, 2, 3}}[r.IntN(4)]...)
	}
	for range max(0, words-5) {
		b = binary.BigEndian.AppendUint32(b, r.Uint32())
	}
	sum := uint32(0)
	for i := start; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b[start+10:], ^uint16(sum+sum>>16))
	ports := []uint16{7, 9, 53, 319, 4000, 4099, 4100, 5005, 34963, uint16(r.Uint32())}
	b = binary.BigEndian.AppendUint16(b, ports[r.IntN(len(ports))])
	b = binary.BigEndian.AppendUint16(b, ports[r.IntN(len(ports))])
	return binary.BigEndian.AppendUint32(b, r.Uint32())
}
