package frame

import (
	"math/rand/v2"
	"testing"
)

// Two pools give out each of their slots once, take back what is put, and count what they could not give.
func TestPool(t *testing.T) {
	const size = 100
	var pools [2]Pool
	for s := range uint32(2 * size) {
		pools[s/size].Fill(s + MaxSlots - 2*size)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	held := [2][]uint32{}
	owner := map[uint32]int{}
	lowest, exhausted, unsent := [2]uint32{size, size}, [2]uint32{}, [2]uint32{}
	for range 20_000 {
		i := rnd.IntN(2)
		p := &pools[i]
		if rnd.IntN(5) < 3 {
			s, ok := p.Get()
			if ok != (len(held[i]) < size) {
				t.Fatalf("Get = %v with %d of %d taken", ok, len(held[i]), size)
			}
			if !ok {
				exhausted[i]++
				if rnd.IntN(2) == 0 {
					p.NoneToSend()
					unsent[i]++
				}
				continue
			}
			if _, taken := owner[s]; taken || s < MaxSlots-2*size {
				t.Fatalf("slot %d was given twice, or is none", s)
			}
			owner[s] = i
			held[i] = append(held[i], s)
			lowest[i] = min(lowest[i], size-uint32(len(held[i])))
		} else if n := len(held[i]); n > 0 {
			k := rnd.IntN(n)
			s := held[i][k]
			held[i][k] = held[i][n-1]
			held[i] = held[i][:n-1]
			delete(owner, s)
			p.Put(s)
		}
	}
	for i := range pools {
		want := PoolStats{Size: size, Free: size - uint32(len(held[i])), Lowest: lowest[i], Exhausted: exhausted[i], Unsent: unsent[i]}
		if got := pools[i].Stats(); got != want {
			t.Errorf("pool %d: Stats = %+v, want %+v", i, got, want)
		}
		if exhausted[i] == 0 {
			t.Errorf("pool %d was never empty", i)
		}
		pools[i].Clear()
		if got, want := pools[i].Stats(), (PoolStats{Exhausted: exhausted[i], Unsent: unsent[i]}); got != want {
			t.Errorf("pool %d, cleared: Stats = %+v, want %+v", i, got, want)
		}
	}
}
