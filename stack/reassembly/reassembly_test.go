package reassembly

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"mortise/stack/frame"
)

// model is a packet as the package's comment has it, by sets of bytes: it shares nothing with the package.
type model struct {
	parts   [][2]int // offset, length
	covered [MaxBytes]bool
	bytes   int
	end     int
	given   bool
}

func (m *model) add(offset, n int, more bool) Outcome {
	if n == 0 || offset+n > MaxBytes || more && (n%8 != 0 || n < MinPart) || !more && offset == 0 {
		return Malformed
	}
	if m.given {
		return GivenUp
	}
	giveUp := func(why Outcome) Outcome {
		m.given = true
		return why
	}
	if m.end != 0 && (offset+n > m.end || !more && offset+n != m.end) {
		return giveUp(Overlap)
	}
	if slices.Contains(m.parts, [2]int{offset, n}) {
		return Duplicate
	}
	if slices.Contains(m.covered[offset:offset+n], true) {
		return giveUp(Overlap)
	}
	if !more && slices.Contains(m.covered[offset+n:], true) {
		return giveUp(Overlap)
	}
	if len(m.parts) == MaxParts {
		return giveUp(TooMany)
	}
	m.parts = append(m.parts, [2]int{offset, n})
	for i := offset; i < offset+n; i++ {
		m.covered[i] = true
	}
	if m.bytes += n; !more {
		m.end = offset + n
	}
	if m.bytes == m.end {
		return Complete
	}
	return Kept
}

// run adds fragments to a packet and to the model, and compares what they say; then the chain.
func run(t *testing.T, frags [][3]int) (complete bool) {
	t.Helper()
	var table Table
	var m model
	p, ok := table.Open(1, 2, 3, 4, 5)
	if !ok {
		t.Fatal("an empty table is full")
	}
	slot := uint32(7)
	kept := map[uint32]bool{}
	for i, f := range frags {
		offset, n, more := f[0], f[1], f[2] != 0
		slot = (slot + 4099) % frame.MaxSlots
		got, want := p.Add(slot, uint32(i)%64, uint32(offset), uint32(n), more), m.add(offset, n, more)
		if got != want {
			t.Fatalf("fragment %d, %d bytes at %d, more %v: %d, want %d; before: %v", i, n, offset, more, got, want, frags[:i])
		}
		if got == Kept || got == Complete {
			kept[slot] = true
		}
		if got == Complete {
			complete = true
			break
		}
	}
	if int(p.Bytes()) != m.bytes {
		t.Fatalf("%d bytes, want %d", p.Bytes(), m.bytes)
	}
	slices.SortFunc(m.parts, func(a, b [2]int) int { return a[0] - b[0] })
	s, last, count, port := p.Take()
	if int(count) != len(m.parts) || port != 4 {
		t.Fatalf("%d slots of port %d, want %d of 4", count, port, len(m.parts))
	}
	for i, part := range m.parts {
		if !kept[s] {
			t.Fatalf("slot %d is in the chain, and was not kept", s)
		}
		delete(kept, s)
		if _, n := Data(s); int(Begin(s)) != part[0] || int(n) != part[1] {
			t.Fatalf("part %d: %d bytes at %d, want %v", i, n, Begin(s), part)
		}
		if i == len(m.parts)-1 && s != last {
			t.Fatalf("the last slot is %d, not %d", last, s)
		}
		s = frame.Next(s)
	}
	if len(kept) != 0 {
		t.Fatalf("%d slots were kept, and are not in the chain", len(kept))
	}
	table.Close(p)
	return complete
}

// Each policy of the package's comment, and whole packets in any order.
func TestAdd(t *testing.T) {
	for _, c := range []struct {
		name     string
		frags    [][3]int // offset, bytes, more
		complete bool
	}{
		{"in order", [][3]int{{0, 1480, 1}, {1480, 1480, 1}, {2960, 100, 0}}, true},
		{"last first", [][3]int{{2960, 1, 0}, {1480, 1480, 1}, {0, 1480, 1}}, true},
		{"middle last", [][3]int{{0, 1480, 1}, {2960, 100, 0}, {1480, 1480, 1}}, true},
		{"middle first", [][3]int{{1480, 1480, 1}, {2960, 100, 0}, {0, 1480, 1}}, true},
		{"duplicates", [][3]int{{0, 64, 1}, {0, 64, 1}, {64, 8, 0}}, true},
		{"duplicate of a middle one", [][3]int{{0, 64, 1}, {64, 64, 1}, {128, 64, 1}, {64, 64, 1}, {192, 64, 0}}, true},
		{"overlap of one byte range", [][3]int{{0, 64, 1}, {56, 64, 1}, {64, 8, 0}}, false},
		{"teardrop: one within another", [][3]int{{0, 128, 1}, {48, 4, 0}, {128, 8, 0}}, false},
		{"one around another", [][3]int{{64, 64, 1}, {0, 256, 1}, {256, 8, 0}}, false},
		{"two ends", [][3]int{{64, 64, 0}, {128, 8, 0}, {0, 64, 1}}, false},
		{"beyond the end", [][3]int{{64, 64, 0}, {128, 64, 1}, {0, 64, 1}}, false},
		{"an end within", [][3]int{{0, 64, 1}, {128, 64, 1}, {64, 8, 0}}, false},
		{"tiny", [][3]int{{0, 40, 1}, {40, 8, 0}}, false},
		{"no multiple of eight", [][3]int{{0, 65, 1}, {64, 8, 0}}, false},
		{"empty", [][3]int{{0, 64, 1}, {64, 0, 0}}, false},
		{"too long", [][3]int{{65_512, 8, 0}, {65_504, 16, 0}}, false},
		{"not a fragment", [][3]int{{0, 64, 0}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := run(t, c.frags); got != c.complete {
				t.Errorf("complete: %v, want %v", got, c.complete)
			}
		})
	}
	var most [][3]int
	for i := range MaxParts {
		most = append(most, [3]int{1480 * i, min(1480, MaxBytes-1480*i), 1})
	}
	most[MaxParts-1][2] = 0
	for range 20 {
		if !run(t, most) {
			t.Error("the largest packet is not complete")
		}
		rand.Shuffle(len(most), func(i, j int) { most[i], most[j] = most[j], most[i] })
	}
	var many [][3]int
	for i := range MaxParts + 2 {
		many = append(many, [3]int{MinPart * i, MinPart, 1})
	}
	if run(t, many) {
		t.Error("a packet of too many fragments is complete")
	}
}

// A packet is found by all of what names it, there are so many and no more, and each ends in its time.
func TestTable(t *testing.T) {
	var table Table
	for i := range uint32(MaxPackets) {
		if _, ok := table.Open(1, 2, i, 4, 100+i); !ok {
			t.Fatalf("packet %d: the table is full", i)
		}
	}
	if _, ok := table.Open(1, 2, 99, 4, 100); ok {
		t.Error("one more: the table has room")
	}
	if p, ok := table.Find(1, 2, 3, 4); !ok || p.born != 103 {
		t.Error("a packet is not found")
	}
	for _, k := range [][4]uint32{{9, 2, 3, 4}, {1, 9, 3, 4}, {1, 2, 9, 4}, {1, 2, 3, 9}} {
		if _, ok := table.Find(k[0], k[1], k[2], k[3]); ok {
			t.Errorf("%v is found", k)
		}
	}
	const nowhere = 1 << 31
	if p, _, left := table.Expire(109, 10, nowhere); p != nil || left != 1 {
		t.Errorf("too early: %v, %d left, want 1", p, left)
	}
	for i := range uint32(3) {
		p, lost, _ := table.Expire(112, 10, nowhere)
		if p == nil || p.id != i || !lost {
			t.Fatalf("packet %d has not expired", i)
		}
		p.Take()
		table.Close(p)
	}
	if p, _, left := table.Expire(112, 10, nowhere); p != nil || left != 1 {
		t.Errorf("%v, %d left, want 1", p, left)
	}
	for range MaxPackets - 3 {
		p, _, _ := table.Expire(112, 1000, 4)
		if p == nil {
			t.Fatal("a packet of the port stays")
		}
		table.Close(p)
	}
	if table.Used() != 0 {
		t.Errorf("%d packets are left", table.Used())
	}
}

// Random fragments of a packet, most of them right.
func TestRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	whole := 0
	for range 3000 {
		var frags [][3]int
		size := 8 * (6 + rnd.IntN(60))
		for at := 0; ; at += size {
			last := rnd.IntN(8) == 0 || at+2*size > MaxBytes
			n := size
			if last {
				n = 1 + rnd.IntN(size)
			}
			more := 1
			if last && at > 0 {
				more = 0
			}
			frags = append(frags, [3]int{at, n, more})
			if last {
				break
			}
		}
		rnd.Shuffle(len(frags), func(i, j int) { frags[i], frags[j] = frags[j], frags[i] })
		if rnd.IntN(3) == 0 {
			f := frags[rnd.IntN(len(frags))]
			f[rnd.IntN(2)] += 8 * (rnd.IntN(5) - 2)
			f[0] = max(f[0], 0)
			f[1] = max(f[1], 0)
			frags = slices.Insert(frags, rnd.IntN(len(frags)), f)
		}
		if run(t, frags) {
			whole++
		}
	}
	if whole < 500 {
		t.Errorf("%d whole packets of 3000", whole)
	}
}

// FuzzAdd compares any fragments with the model: four bytes each, of which bit 31 says that there are more, then 13 bits of offset and the
// rest of length.
func FuzzAdd(f *testing.F) {
	seed := func(frags ...uint32) {
		var b []byte
		for _, w := range frags {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		f.Add(b)
	}
	const more = 1 << 31
	seed(more|1480, 185<<18|100)
	seed(185<<18|100, more|1480)
	seed(more|64, more|7<<18|64, 8<<18|8)
	seed(more|128, 6<<18|4)
	seed(8191<<18|1480, more|48)
	f.Fuzz(func(t *testing.T, b []byte) {
		var frags [][3]int
		for ; len(b) >= 4 && len(frags) < 3*MaxParts; b = b[4:] {
			w := binary.BigEndian.Uint32(b)
			frags = append(frags, [3]int{int(w>>18&0x1fff) * 8, int(w & 0x7ff % 1501), int(w >> 31)})
		}
		run(t, frags)
	})
}
