//go:build !tamago

package divert

// clock is the time that tests set.
var clock uint32

// SetClock sets the time: for tests of other packages. Host only.
func SetClock(t uint32) { clock = t }

// now returns clock.
//
//oob:stage any
func now() uint32 { return clock }

// elapsed returns clock, too: an activation begins at 0.
//
//oob:stage oob
func elapsed() uint32 { return clock }

// wakes counts the calls of wakeInband.
var wakes uint32

// wakeInband is counted.
//
//oob:stage oob
func wakeInband() { wakes++ }

// near is what held returns.
var near func(ticks uint32) bool

//oob:stage any
func held(ticks uint32) bool { return near != nil && near(ticks) }
