package core

import (
	"testing"
	"unsafe"
)

// Each number of ticks is in the one bucket whose ends it lies between, to a quarter of itself.
func TestBucket(t *testing.T) {
	check := func(ticks uint32) {
		t.Helper()
		i := int(bucket(ticks))
		begin := uint32(0)
		if i > 0 {
			begin = BucketEnd(i - 1)
		}
		end := BucketEnd(i)
		if ticks < begin || end != 0 && ticks >= end || end == 0 && i != Buckets-1 {
			t.Fatalf("bucket(%d) = %d, from %d to %d", ticks, i, begin, end)
		}
		if end != 0 && ticks >= 4 && (end-begin)*4 > begin {
			t.Fatalf("bucket %d goes from %d to %d", i, begin, end)
		}
	}
	for ticks := range uint32(1 << 18) {
		check(ticks)
	}
	for _, ticks := range []uint32{1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		check(ticks)
	}
	for i := range Buckets - 2 {
		if BucketEnd(i) >= BucketEnd(i+1) {
			t.Errorf("bucket %d ends at %d, the next one at %d", i, BucketEnd(i), BucketEnd(i+1))
		}
	}
}

// What is counted is counted of the rule that the core has named, and of none before.
func TestCounting(t *testing.T) {
	defer func(before uintptr) { Counting = before }(Counting)
	Count()
	HandedOver(9)
	var a Tally
	Counting = uintptr(unsafe.Pointer(&a))
	Count()
	Count()
	HandedOver(9)
	if a.Frames != 2 || a.Latency[bucket(9)] != 1 || uncounted.Frames != 1 || uncounted.Latency[bucket(9)] != 1 {
		t.Errorf("counted %+v, and %+v", a, uncounted)
	}
}
