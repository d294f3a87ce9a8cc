package core

import (
	"math/bits"
	"unsafe"
)

// Tally is what is counted of the frames that one rule sends on to other devices. It holds no pointer; all numbers wrap.
type Tally struct {
	// Latency has a frame for each destination that it was handed over to: by the ticks of the stage's counter that had passed since the
	// activation began, in buckets.
	Latency [Buckets]uint32
	// Ticks is their sum.
	Ticks uint32
	// Frames is how many fitted, but for those of one destination that it was handed over to: Latency has them once. The core counts those
	// that it does not send on, the devices the others.
	Frames uint32
}

// Buckets is the number of buckets of a latency, a power of two. The first four have a tick each, the others quarters of what lies between a power
// of two and the next; the last one has all that is longer, too.
const Buckets = 64

// Counting is the address of the Tally of the rule by which the last frame is sent on. A core that tells rules apart sets it ahead of each Forward
// and Fan; nobody reads what it is at first.
var Counting = uintptr(unsafe.Pointer(&uncounted))

var uncounted Tally

// Count counts a frame in Frames. The compiler's pointer checks in tests under -race know no addresses that are integers: nocheckptr.
//
//oob:stage oob
//go:nocheckptr
func Count() { (*Tally)(unsafe.Add(nil, Counting)).Frames++ }

// HandedOver counts a frame that a destination's transmit ring has just got, ticks after the activation began.
//
//oob:stage oob
//go:nocheckptr
func HandedOver(ticks uint32) {
	t := (*Tally)(unsafe.Add(nil, Counting))
	t.Latency[bucket(ticks)]++
	t.Ticks += ticks
}

// bucket returns the number of the bucket of so many ticks: two bits behind the highest one that is set, and where that is.
//
//oob:stage oob
func bucket(ticks uint32) uint32 {
	shift := uint32(29-bits.LeadingZeros32(ticks|4)) & 31
	return min(4*shift+ticks>>shift, Buckets-1)
}

// BucketEnd returns what all ticks of bucket i are below; 0 for the last one, which has no end.
//
//oob:stage inband
func BucketEnd(i int) uint32 {
	switch {
	case i < 4:
		return uint32(i + 1)
	case i >= Buckets-1:
		return 0
	}
	i++
	return uint32(4+i%4) << (i/4 - 1)
}
