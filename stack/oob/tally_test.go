package oob

import (
	"testing"

	"mortise/stack/core"
	"mortise/stack/filter/rules"
	"mortise/stack/forward"
)

// TestCountsStayForWhoTakesAChangeBack: a rule that stays counts where it did; one that comes back with the next change, has what it had counted; a new one, or
// one that comes back later, begins at 0; and no two count in one place.
func TestCountsStayForWhoTakesAChangeBack(t *testing.T) {
	var r ruling
	var counted [2 * rules.Max]core.Tally
	configure := func(ids ...uint32) {
		c := new(forward.Classifier)
		for i, id := range ids {
			c.Table.All.Add(i)
			c.Rule[i].ID = id
		}
		r.configure(c, &counted)
		seen := map[uint8]int{}
		for i := range ids {
			if at, twice := seen[r.place[i]]; twice {
				t.Fatalf("rules %d and %d of %v both count in place %d", at, i, ids, r.place[i])
			}
			seen[r.place[i]] = i
		}
	}
	count := func(want ...uint32) {
		t.Helper()
		for i, n := range want {
			p := &counted[r.place[i]]
			if p.Frames != n {
				t.Errorf("rule %d has counted %d frames, want %d", i, p.Frames, n)
			}
			p.Frames++
		}
	}
	var all [rules.Max]uint32
	for i := range all {
		all[i] = uint32(100 + i)
	}
	configure(1, 2, 3)
	count(0, 0, 0)
	configure(3, 4)
	count(1, 0)
	configure(1, 2, 3) // the change is taken back
	count(1, 1, 2)
	configure(all[:]...)
	count(make([]uint32, rules.Max)...)
	configure(5, 1) // of the change before, beside a new one
	count(0, 2)
	configure(6)
	configure(7)
	configure(1) // it has been away for longer
	count(0)
	r.configure(nil, &counted)
	configure(1)
	count(1)
	configure(0, 0) // without an ID
	count(0, 0)
	configure(0)
	count(0)
}
