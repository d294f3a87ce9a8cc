//go:build !tamago

package divert

// clock is the time that tests set.
var clock uint32

// now returns clock.
//
//oob:stage any
func now() uint32 { return clock }

// wakes counts the calls of wakeInband.
var wakes uint32

// wakeInband is counted.
//
//oob:stage oob
func wakeInband() { wakes++ }
