//go:build !tamago

package task

// host stands for the stage on the host: what tests set and look at.
var host struct {
	time  uint64
	armed bool
	at    uint64
	held  [2]uint32 // from, ticks
	wakes int
	run   func(id uint32)
	kick  func()
	// between is called ahead of each look at the number of activations: those that in-band takes, in the tests that set it.
	between     func()
	activations uint32
}

// SetHost sets the clock, and what runs for tasks: for tests of other packages. Host only.
func SetHost(time uint64, run func(id uint32)) { host.time, host.run = time, run }

//oob:stage oob
func run(id uint32) {
	if host.run != nil {
		host.run(id)
	}
}

//oob:stage any
func now() uint32 { return uint32(host.time) }

//oob:stage any
func clock() uint64 { return host.time }

//oob:stage any
func arm(time uint64) { host.armed, host.at = true, time }

//oob:stage oob
func disarm() { host.armed = false }

//oob:stage any
func hold(from, ticks uint32) { host.held = [2]uint32{from, ticks} }

//oob:stage oob
func wake() { host.wakes++ }

//oob:stage inband
func kick() {
	if host.kick != nil {
		host.kick()
	}
}

//oob:stage any
func activations() uint32 {
	if host.between != nil {
		host.between()
	}
	return host.activations
}
