package socket

import "mortise/stack/task"

// The identifications of datagrams that are sent in fragments. What puts them together knows a datagram by its addresses, protocol and
// identification, and keeps what is not complete for a time: an identification that is used again within it may mix two datagrams up (RFC 4963, RFC
// 6864). So none is: there are some counters, by destination, and each goes by blocks; it does not enter a block that it left less than that time
// ago. That is a bound on the rate: see IdentLife.

const (
	identSets   = 16
	identBlocks = 16
	identBlock  = 1 << 16 / identBlocks
	// identShift makes units of ticks that do not go around: of 17 ms at 62.5 MHz.
	identShift = 20
)

// identSet is a counter of identifications.
type identSet struct {
	next uint32
	left [identBlocks]uint32 // when each block was left, in units, not 0; 0: never
}

var idents struct {
	life uint32 // units
	set  [identSets]identSet
}

// identify returns an identification, in wire order, for a datagram to dst, in wire order, too. false: there is none now.
//
//oob:stage oob
func identify(dst uint32) (id uint32, ok bool) {
	h := dst ^ dst>>16
	h ^= h >> 8
	h ^= h >> 4
	s := &idents.set[h%identSets]
	n := s.next
	block := &s.left[n/identBlock%identBlocks]
	now := max(uint32(task.Time()>>identShift), 1)
	if left := *block; n%identBlock == 0 && left != 0 && now-left < idents.life {
		long.idents++
		return 0, false
	}
	if n%identBlock == identBlock-1 {
		*block = now
	}
	s.next = n + 1
	return n<<8&0xff00 | n>>8&0xff, true
}
