// Package nic is the contract of a network driver in two halves.
//
// The oob half moves frames. It is a concrete, pointer-free type (enet.Port), kept in static memory and called
// statically: no Go interface is called in oob code, so its function set is stated here in words and checked by
// drivers/nic/nictest, which every driver's tests call.
//
//	Ack()                              clear the receive event: what completes later raises it again, what completed before
//	                                   is found by Receive, which must be called behind it until there is none
//	Receive() (slot, n uint32)         the next good frame, n bytes without FCS; n = 0: none. The caller owns slot, and must
//	                                   call Refill once for it before the activation ends, at once or after other frames (half
//	                                   the ring's at most). A frame with an error is counted by name, and its slot goes back
//	                                   to the ring inside
//	Refill(slot uint32)                give an empty slot (the same or another) for the oldest one received
//	Resume()                           tell the device that there are empty slots: after the last Refill of an activation
//	RefillAll(slots, n)                Refill for each of n slots, half the ring's at most, and Resume
//	Transmit(slot, n uint32) bool      queue the frame at Memory.Frame(slot); true: the driver owns slot until Reclaim
//	                                   returns it; false: ring full or n impossible, counted, the caller keeps slot. A slot that
//	                                   nobody writes to may be queued more than once, on several devices too
//	Start()                            send what is queued
//	Free() uint32                      transmit positions free: what Transmit will take
//	Reclaim() (slot uint32, ok bool)   a slot whose transmission is over, in the order of Transmit; the caller owns it
//	Send(slot, n uint32) bool          Transmit and Start in one; false: nothing done, counted as by Transmit
//	Mask(), Unmask()                   receive interrupt off and on: the flood budget
//
// One stage calls them at a time: the oob stage for a diverted device, a goroutine for another. All loops in them are
// bounded by the ring's size, none allocates, none waits.
//
// The in-band half (Device) does the rest: initialisation, link, addresses, statistics, shutdown.
//
// Stage: in-band (the types here); the function set above: oob. Does not support: checksum offload, scatter/gather, more
// than one queue.
package nic

import (
	"errors"
	"fmt"
	"time"
)

// A Link is the state of a port's link.
type Link struct {
	Up         bool
	SpeedMbps  int // 10 or 100; 0 when down
	FullDuplex bool
}

// String returns the state as the status page shows it.
func (l Link) String() string {
	if !l.Up {
		return "down"
	}
	duplex := "half"
	if l.FullDuplex {
		duplex = "full"
	}
	return fmt.Sprintf("%d Mb/s %s duplex", l.SpeedMbps, duplex)
}

// A Counter is a named count. Names are lower-case words joined by underscores, as Prometheus wants them.
type Counter struct {
	Name  string
	Value uint64
	// Drop is set for a counter of dropped frames: each of them is in exactly one such counter of its driver.
	Drop bool
}

// Capabilities tells what a driver can do on its device.
type Capabilities struct {
	// OobCapable: the driver's receive and transmit functions run in the oob stage. Any other driver is a stock driver:
	// drivers/stock carries its frames to the same companion core and back, in-band and marked "not real-time".
	OobCapable bool
	RxRing     int // receive positions, each with a slot from the start to the end
	TxRing     int // transmit positions
	MaxLen     int // largest frame in bytes, FCS excluded
	// HashFilter: the device filters destination addresses by hash. The emulator does not, and a hash lets strangers
	// through: software must always compare the address.
	HashFilter bool
	MIB        bool // the device keeps the counters of RFC 2819 and IEEE 802.3
}

// A Device is the in-band half of a driver. Its methods are called by one goroutine at a time, and may wait.
type Device interface {
	Capabilities() Capabilities
	MAC() [6]byte
	SetMAC(mac [6]byte) error
	// SetLink tells the MAC what the PHY negotiated.
	SetLink(l Link) error
	// SetFilter replaces the set of addresses taken besides the MAC and broadcast: multicast groups and, for VLAN devices
	// with an address of their own, individual ones. promiscuous takes all.
	SetFilter(addrs [][6]byte, promiscuous bool) error
	// Stats appends the driver's counters to c.
	Stats(c []Counter) []Counter
	// Shutdown stops the device and appends each slot that its rings held to slots. The oob stage must not call the oob
	// half any more. When it fails the device may still write to the slots: they stay with the driver.
	Shutdown(slots []uint32) ([]uint32, error)
}

var (
	// ErrTimeout is wrapped by every TimeoutError.
	ErrTimeout = errors.New("timeout")
	// ErrRestart is wrapped when a setting holds only from the device's next initialisation.
	ErrRestart = errors.New("the port must be restarted")
)

// A TimeoutError says that hardware did not reach a state in time.
type TimeoutError struct {
	Device   string
	Register string        // name by the manual, with the bit: "ECR.RESET"
	Value    uint32        // last value read
	Want     string        // the awaited state
	After    time.Duration // the limit that passed
}

// Error names the register, its last value and the state awaited.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: %s = %#08x after %v, want %s", e.Device, e.Register, e.Value, e.After, e.Want)
}

// Unwrap makes errors.Is(err, ErrTimeout) hold.
func (e *TimeoutError) Unwrap() error { return ErrTimeout }

// A ConfigError says which field of a driver's configuration cannot be.
type ConfigError struct {
	Device string
	Field  string
	Value  any
	Want   string
}

// Error names device and field, the value and what was expected.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s: %s = %v, want %s", e.Device, e.Field, e.Value, e.Want)
}

// A Clock tells and passes time for drivers that wait: the machine's (System) or, in tests, a fake one.
type Clock interface {
	Now() time.Time
	Sleep(d time.Duration)
}

// System is the machine's clock.
var System Clock = systemClock{}

type systemClock struct{}

func (systemClock) Now() time.Time        { return time.Now() }
func (systemClock) Sleep(d time.Duration) { time.Sleep(d) }

// Poll calls done until it returns true or limit has passed, pause between two calls, and reports whether it did. done is
// called once more after the limit, so that a slept-over deadline is no failure; and before the time is looked at, which costs more.
func Poll(c Clock, limit, pause time.Duration, done func() bool) bool {
	if done() {
		return true
	}
	for end := c.Now().Add(limit); c.Now().Before(end); c.Sleep(pause) {
		if done() {
			return true
		}
	}
	return done()
}
