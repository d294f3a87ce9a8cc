//go:build !arm

package frame

// Copy copies n bytes, a slot's less 32 at most, between two addresses that are multiples of four: in rounds of 32 bytes, so that
// less than a round behind the end is written too. The two may lie in one slot.
//
//oob:stage any
func Copy(to, from uintptr, n uint32) { copyGo(to, from, n) }
