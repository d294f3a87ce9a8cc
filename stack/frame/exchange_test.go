package frame

import (
	"fmt"
	"runtime"
	"testing"
)

// newExchange returns an exchange whose slots are first, first+1, …
func newExchange(size, first uint32) *Exchange {
	x := &Exchange{}
	x.Grow(size, func() uint32 { first++; return first - 1 })
	return x
}

// giveOne gives one ref.
func giveOne(x *Exchange, ref uint32) (empty uint32, ok bool) {
	refs := [MaxGive]uint32{ref, 77}
	ok = x.Give(&refs, 1) == 1 && refs[1] == 77
	return refs[0], ok
}

// TestExchangeGive: as many as there is room for are swapped, the others stay.
func TestExchangeGive(t *testing.T) {
	for n := range uint32(MaxGive + 1) {
		x := newExchange(20, 1000)
		var refs [MaxGive]uint32
		for i := range refs {
			refs[i] = uint32(i)<<16 | 60
		}
		given := x.Give(&refs, n)
		if want := min(n, 20); given != want || x.Full() != want {
			t.Fatalf("Give of %d = %d, %d full; want %d", n, given, x.Full(), want)
		}
		for i := range uint32(MaxGive) {
			want := i<<16 | 60
			if i < given {
				want = 1000 + i
				if slot, _ := x.Oldest(); slot != i {
					t.Errorf("slot %d came as %d", i, slot)
				}
				x.Empty(i)
			}
			if refs[i] != want {
				t.Errorf("ref %d = %#x, want %#x", i, refs[i], want)
			}
		}
	}
}

// TestExchange: what is given is taken in its order, each swap returns an empty slot, a full circle takes no more, on both sides'
// ways.
func TestExchange(t *testing.T) {
	for _, size := range []uint32{1, 2, 3, 192, MaxExchange} {
		x := newExchange(size, 1000)
		spare, given, taken := []uint32{1, 2, 3, 4, 5, 6, 7}, uint32(0), uint32(0)
		for round := range 3 * size {
			for range round%5 + 1 {
				full := given-taken == size
				if x.Waits() != (given != taken) || x.Full() != given-taken {
					t.Fatalf("Waits, Full = %v, %d with %d given, %d taken", x.Waits(), x.Full(), given, taken)
				}
				ok := false
				if slot := uint32(0); round%2 == 0 {
					if slot, ok = giveOne(x, spare[0]<<16|(given%1000+1)); ok {
						spare[0] = slot
					}
				} else if slot, ok = x.Room(); ok {
					x.Fill(slot, given%1000+1)
				}
				if ok == full {
					t.Fatalf("size %d, %d full: room %v", size, given-taken, ok)
				}
				if ok {
					given++
				}
			}
			for range round%3 + 1 {
				slot, n := x.Oldest()
				if s, m := x.Look(); s != slot || m != n {
					t.Fatalf("Look = %d, %d; Oldest = %d, %d", s, m, slot, n)
				}
				if (n == 0) != (given == taken) {
					t.Fatalf("Oldest has %d bytes with %d given, %d taken", n, given, taken)
				}
				if n == 0 {
					break
				}
				if n != taken%1000+1 {
					t.Fatalf("Oldest has %d bytes, want %d", n, taken%1000+1)
				}
				if taken++; round%2 == 0 {
					x.Empty(slot)
				} else {
					x.Take(spare[0])
					spare = append(spare[1:], slot)
				}
			}
		}
		seen := map[uint32]bool{}
		for i := range size {
			s, _ := x.At(i)
			seen[s] = true
		}
		for _, s := range spare {
			seen[s] = true
		}
		if len(seen) != int(size)+7 {
			t.Errorf("size %d: %d different slots, want %d", size, len(seen), size+7)
		}
	}
}

// TestExchangeKeep: the full slots stay in their order, whatever state the circle is in; the rest is filled up.
func TestExchangeKeep(t *testing.T) {
	for taken := range uint32(5) {
		x := newExchange(5, 10)
		for i := range taken + 3 {
			slot, _ := x.Room()
			x.Fill(slot, 100+i)
			if i < taken {
				x.Empty(slot)
			}
		}
		x.giver = 77 // a wild store
		x.Keep(5, func(slot uint32) bool { return slot != 12 })
		x.Grow(5, func() uint32 { return 50 })
		var got []uint32
		for {
			slot, n := x.Oldest()
			if n == 0 {
				break
			}
			got = append(got, n)
			x.Empty(slot)
		}
		want := map[uint32]string{0: "[100 101]", 1: "[101 103]", 2: "[103 104]", 3: "[103 104 105]", 4: "[104 105 106]"}[taken]
		if fmt.Sprint(got) != want || x.Size() != 5 {
			t.Errorf("%d taken: kept %v, want %v; %d positions", taken, got, want, x.Size())
		}
		if _, ok := giveOne(x, 9<<16|60); !ok {
			t.Error("no room afterwards")
		} else if _, n := x.Oldest(); n != 60 {
			t.Errorf("taker and giver do not meet: %d bytes", n)
		}
	}
}

// TestExchangeRace: two goroutines, for the race detector: a slot's content belongs to who has the slot.
func TestExchangeRace(t *testing.T) {
	const size, rounds = 8, 20_000
	x := newExchange(size, 1)
	content := make([]uint32, size+2)
	go func() {
		for own, i := uint32(0), uint32(1); i <= rounds; {
			if i%2 == 0 { // as in-band gives
				if slot, ok := x.Room(); ok {
					content[slot] = i
					x.Fill(slot, 60)
					i++
				}
			} else { // as the driving stage does
				content[own] = i
				if empty, ok := giveOne(x, own<<16|60); ok {
					own = empty
					i++
				}
			}
			runtime.Gosched()
		}
	}()
	for own, i := uint32(size+1), uint32(1); i <= rounds; {
		slot, n := x.Oldest()
		if n == 0 {
			runtime.Gosched()
			continue
		}
		if content[slot] != i {
			t.Fatalf("content %d, want %d", content[slot], i)
		}
		if i++; i%3 == 0 {
			x.Empty(slot)
		} else {
			content[own] = 0
			x.Take(own)
			own = slot
		}
	}
}

// swap is Exchange by its memory accesses, one step each, for every order of the two stages' steps. A word is a slot, and in the high
// half the number of its Give.
type swap struct {
	words                              [3]uint32
	size, gat, tat                     uint32
	gword, tword                       uint32
	gpc, tpc, gives, looks, gave, took uint32
	gown, town                         uint32
	careless                           bool // the giver does not look whether the slot is empty
}

func (m *swap) giver() bool {
	if m.gpc++; m.gpc%2 == 1 {
		if m.gives == 0 {
			return false
		}
		m.gives--
		m.gword = m.words[m.gat]
		if m.gword>>16 != 0 && !m.careless {
			m.gpc++ // no room
		}
		return true
	}
	m.gave++
	m.words[m.gat] = m.gave<<16 | m.gown
	m.gown = m.gword & 0xffff
	m.gat = (m.gat + 1) % m.size
	return true
}

func (m *swap) taker() (bool, error) {
	if m.tpc++; m.tpc%2 == 1 {
		if m.looks == 0 {
			return false, nil
		}
		m.looks--
		if m.tword = m.words[m.tat]; m.tword>>16 == 0 {
			m.tpc++
		} else if m.took++; m.tword>>16 != m.took {
			return false, fmt.Errorf("take %d is give %d", m.took, m.tword>>16)
		}
		return true, nil
	}
	m.words[m.tat] = m.town
	m.town = m.tword & 0xffff
	m.tat = (m.tat + 1) % m.size
	return true, nil
}

// check: each slot is in one place, between a stage's two accesses too.
func (m *swap) check() error {
	places := map[uint32]bool{m.gown: true, m.town: true}
	for i, w := range m.words[:m.size] {
		// What a stage has loaded and is about to replace is there still.
		if places[w&0xffff] {
			return fmt.Errorf("slot %d twice, position %d", w&0xffff, i)
		}
		places[w&0xffff] = true
	}
	return nil
}

func (m swap) explore(seen map[swap]bool) error {
	if seen[m] {
		return nil
	}
	seen[m] = true
	if err := m.check(); err != nil {
		return err
	}
	g := m
	if g.giver() {
		if err := g.explore(seen); err != nil {
			return err
		}
	}
	u := m
	if ran, err := u.taker(); err != nil {
		return err
	} else if ran {
		return u.explore(seen)
	}
	return nil
}

// TestExchangeModel: in every order of the two stages' accesses what is given comes out in order and once, and no slot is lost or in
// two places. The model notices a giver that does not look.
func TestExchangeModel(t *testing.T) {
	for _, careless := range []bool{false, true} {
		for size := range uint32(3) {
			m := swap{size: size + 1, words: [3]uint32{1, 2, 3}, gown: 8, town: 9, gives: 7, looks: 7, careless: careless}
			seen := map[swap]bool{}
			if err := m.explore(seen); (err != nil) != careless {
				t.Errorf("%d positions, careless %v: %v", m.size, careless, err)
			} else {
				t.Logf("%d positions, careless %v: %d states, %v", m.size, careless, len(seen), err)
			}
		}
	}
}
