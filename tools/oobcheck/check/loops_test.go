package check

import (
	"cmp"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// simulate counts the rounds of rounds' loop by running it, up to 300.
func simulate(stays uint8, first, add, step, limit uint32) int64 {
	n := int64(0)
	for x := first; n < 300 && holds(stays, x+add, limit); x += step {
		n++
	}
	return n
}

func holds(cond uint8, a, b uint32) bool {
	switch cond {
	case condNE:
		return a != b
	case condCS:
		return a >= b
	case condCC:
		return a < b
	case condHI:
		return a > b
	case condLS:
		return a <= b
	case condGE:
		return int32(a) >= int32(b)
	case condLT:
		return int32(a) < int32(b)
	case condGT:
		return int32(a) > int32(b)
	}
	return int32(a) <= int32(b)
}

// A derived bound is never less than what happens, wherever a counter that is not known starts; nor where it is known.
func TestRoundsIsABound(t *testing.T) {
	conds := []uint8{condNE, condCS, condCC, condHI, condLS, condGE, condLT, condGT, condLE}
	numbers := []uint32{0, 1, 3, 4, 7, 8, 60, 64, 0xffff_ffff, 0xffff_fff8, 0x8000_0000, 0x7fff_ffff}
	bound := 0
	for _, stays := range conds {
		for _, add := range []uint32{0, 1, 4, 0xffff_ffff, 0xffff_fffc} {
			for _, step := range []uint32{0, 1, 2, 4, 0xffff_ffff, 0xffff_fffc} {
				for _, limit := range numbers {
					for n, mask := range []uint32{7, 0x3c, 0xff, 0xffff_ffff, 7, 0x3c, 0xff, 0xffff_ffff} {
						some := n >= 4
						got := rounds(stays, value{mask: uint64(mask), some: some}, add, step, limit)
						if got < 0 {
							continue
						}
						bound++
						for _, first := range numbers {
							if some && first&mask == 0 {
								continue
							}
							if n := simulate(stays, first&mask, add, step, limit); n > got {
								t.Errorf("rounds(%d, mask %#x, %#x, %#x, %#x) = %d, but %d from %#x on",
									stays, mask, add, step, limit, got, n, first&mask)
							}
						}
					}
					for _, first := range numbers {
						got := rounds(stays, constant(uint64(first)), add, step, limit)
						if n := simulate(stays, first, add, step, limit); got >= 0 && n > got {
							t.Errorf("rounds(%d, %#x, %#x, %#x, %#x) = %d, but there are %d", stays, first, add, step, limit, got, n)
						}
					}
				}
			}
		}
	}
	if bound == 0 {
		t.Error("no loop was bounded: the test sees nothing")
	}
}

// So with numbers of 64 bits.
func TestRoundsWideIsABound(t *testing.T) {
	conds := []uint8{condNE, condCS, condCC, condHI, condLS, condGE, condLT, condGT, condLE}
	minus := func(n uint64) uint64 { return -n }
	numbers := []uint64{0, 1, 3, 8, 60, 64, 1<<31 - 1, 1 << 31, 1<<32 - 8, 1 << 32, 1<<32 + 60, minus(1), minus(8), minus(1 << 31), 1 << 63}
	bound := 0
	for _, stays := range conds {
		for _, add := range []uint64{0, 1, 4, minus(1), minus(4)} {
			for _, step := range []uint64{0, 1, 2, 4, minus(1), minus(4), 1 << 32} {
				for _, limit := range numbers {
					for _, first := range numbers {
						n := simulateWide(stays, first, add, step, limit)
						if got := roundsWide(stays, constant(first), add, step, limit); got >= 0 && n > got {
							t.Errorf("roundsWide(%d, %#x, %#x, %#x, %#x) = %d, but there are %d", stays, first, add, step, limit, got, n)
						}
						for _, mask := range []uint64{7, 0x3c, 0xff, 1<<32 - 1, 1<<63 - 1, 1<<64 - 1} {
							got := roundsWide(stays, bounded(mask), add, step, limit)
							if got < 0 {
								continue
							}
							bound++
							if n := simulateWide(stays, first&mask, add, step, limit); n > got {
								t.Errorf("roundsWide(%d, mask %#x, %#x, %#x, %#x) = %d, but %d from %#x on", stays, mask, add, step, limit, got, n, first&mask)
							}
						}
					}
				}
			}
		}
	}
	if bound == 0 {
		t.Error("no loop was bounded: the test sees nothing")
	}
}

func simulateWide(stays uint8, first, add, step, limit uint64) int64 {
	n := int64(0)
	for x := first; n < 300 && holdsWide(stays, x+add, limit); x += step {
		n++
	}
	return n
}

// holdsWide compares by what holds says of two numbers in the same order.
func holdsWide(cond uint8, a, b uint64) bool {
	order := cmp.Compare(a, b)
	if cond >= condGE {
		order = cmp.Compare(int64(a), int64(b))
	}
	return holds(cond, uint32(order+1), 1)
}

func TestAnnotations(t *testing.T) {
	got := annotations(`for i := range n { //oob:loop RingSize the ring holds no more
	//oob:total all divert.poll each takes one
	for {
//oob:loop RingSize
//oob:stage oob
	call() //oob:calls a.F,b.G both
	SUM //oob:loop maxSum/64 as the mask leaves //oob:burst normal memory
	SUM //oob:burst
`)
	want := map[int][]annotation{
		1: {{kind: "loop", arg: "RingSize"}}, 3: {{kind: "total", arg: "all", scope: "divert.poll"}},
		5: {{kind: "loop"}}, 6: {{kind: "calls", arg: "a.F,b.G"}},
		7: {{kind: "loop", arg: "maxSum/64"}, {kind: "burst"}},
	}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(annotation{})); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}
