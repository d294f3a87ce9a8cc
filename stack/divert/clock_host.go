//go:build !tamago

package divert

// clock is the time that tests set.
var clock uint32

func now() uint32 { return clock }
