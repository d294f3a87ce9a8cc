// Package divert carries the frames of each device between three places: the driver's rings, the companion core
// (stack/core) and the crossing to in-band. Input diversion is the property it implements: while a device is diverted, its
// ingress goes to the companion core first, in the oob stage; while it is not, the same ring code runs in-band and the
// core is not asked.
//
// Slots. All devices share one memory. Each has three shares of its slots that never change size: the driving stage's (the
// receive ring, what is being transmitted, a reserve), in-band's for receiving and in-band's for sending. A frame crosses
// by a swap, to in-band as to another device: the receiver gives an empty slot for each full one, so that a slow one
// exhausts its own share only. Only what goes to several devices as it came is in several transmit rings: see share.go.
//
// Order. In an activation each received frame is decided at once and its answer started before the next one is looked
// at; what is in-band's crosses when all are decided. In-band's frames to send leave txReserve descriptors to the oob
// stage.
//
// Drivers. It calls drivers/enet's Port statically. A device with a driver that is not oob-capable has a Port, too, and behind
// its rings a goroutine with that driver (drivers/stock): to the code here that is a controller which raises a software
// interrupt and whose frames leave late. What it differs in is that in-band must be woken to send (deferred.go).
//
// Stage: oob.go runs in the stage that drives the device, deferred.go in the oob stage, inband.go and switch.go in-band. Does not support:
// several queues per device.
package divert

import (
	"mortise/drivers/enet"
	"mortise/stack/core"
	"mortise/stack/frame"
)

// Devices is the number of devices the table holds, a power of two.
const Devices = 2

// Shares of a device's slots and bounds of an activation. All are choices of this package, with their reason.
const (
	// inbandRx is in-band's share for receiving: 9 ms of full-size frames at 100 Mbit/s for the scheduler to come by.
	inbandRx = 192
	// inbandTx is in-band's share for sending: a window of 64 KiB of full-size TCP segments, twice.
	inbandTx = 96
	// reserve is what the driving stage keeps beside the receive ring: one slot for each transmit descriptor and for
	// each frame of an activation, so that a full transmit ring does not stop reception.
	reserve = enet.RingSize + rxBudget
	// SlotsPerDevice is the number of slots that Driver.Memory must have for each device.
	SlotsPerDevice = enet.RingSize + reserve + inbandRx + inbandTx

	// rxBudget bounds the frames an activation takes from the receive ring, and with it the longest activation.
	rxBudget = 32
	// looks is how often an activation looks at the receive ring: before Ack and behind it.
	looks = 2
	// txBudget bounds the in-band frames an activation queues for transmission.
	txBudget = 16
	// txReserve is the number of transmit descriptors that in-band frames may not take.
	txReserve = 16
	// reclaimBudget bounds the completed transmissions an activation takes back; it exceeds what one can queue.
	reclaimBudget = rxBudget + txBudget
	// unheld is the number of frames, received or from in-band, for which an activation does not look whether a hold is near: they
	// are what most have, and the look takes 16 instructions.
	unheld = 2
	// tailPerSecond is the inverse of what a received frame takes behind the last frame, at most: an empty slot for the ring, its
	// way to in-band, one transmission taken back. 1 µs is 125 instructions where the stage has 125 MIPS.
	tailPerSecond = 1_000_000
)

// A Counter names one of a device's counters.
type Counter uint32

// The counters of a device, in frames. Received = the companion core's accepted and drops + Inband + the drops below
// that say so.
const (
	Received     Counter = iota // taken from the receive ring without error
	Inband                      // handed to in-band
	NoSlot                      // drop: the driving stage had no empty slot
	InbandFull                  // drop: in-band had not given back a slot of its receiving share
	InbandCapped                // drop: in-band's frames of this window are used up
	TxOob                       // sent by the oob stage
	TxInband                    // sent for in-band
	TxFull                      // an answer of the oob stage found the transmit ring full, and was dropped
	TxForward                   // sent for another device, from which it came
	ForwardDown                 // drop: to be forwarded to a device that the oob stage does not drive
	ForwardFull                 // drop: to be forwarded to a device without room, or beyond what an activation may copy or share
	Throttled                   // activations that used up their budget; reception paused until the next tick
	NumCounters
)

// counterInfo describes the counters for users.
var counterInfo = [NumCounters]Count{
	Received:     {Name: "received", Help: "taken from the receive ring"},
	Inband:       {Name: "inband", Help: "handed to in-band"},
	NoSlot:       {Name: "no_slot", Help: "no empty slot to replace it", Drop: true},
	InbandFull:   {Name: "inband_full", Help: "for in-band, whose share for receiving was used up", Drop: true},
	InbandCapped: {Name: "inband_capped", Help: "for in-band, beyond the frames it may get in a millisecond", Drop: true},
	TxOob:        {Name: "tx_oob", Help: "queued by the oob stage"},
	TxInband:     {Name: "tx_inband", Help: "queued for in-band"},
	TxFull:       {Name: "tx_full", Help: "answers that found the transmit ring full", Drop: true},
	TxForward:    {Name: "tx_forward", Help: "queued for another device, from which they came"},
	ForwardDown:  {Name: "forward_down", Help: "to be forwarded to a device that is not diverted", Drop: true},
	ForwardFull:  {Name: "forward_full", Help: "to be forwarded, and the other device had no room, or too many were for several", Drop: true},
	Throttled:    {Name: "throttled", Help: "activations that used up their budget"},
}

// What an activation asks of its caller, as bits.
const (
	// WakeInband: frames or events wait for in-band.
	WakeInband = 1 << iota
	// Rearm: work was left by a budget; call Tick after RearmTicks of the counter.
	Rearm
	// Again, shifted by the number of a device: frames were left in its receive ring because a hold is near. Its interrupt is
	// to be made pending.
	Again
)

// What device.diverted says beside 0, a device that is in-band's. A device whose driver runs in the oob stage is driven or
// listened: driven or more, which one comparison tells; or stamped, which nobody else pays for.
const (
	carried         = 1 // a stock driver's, see deferred.go
	carriedListened = 2
	stamped         = 3 // driven, and its frames may be asked for when they came and left: see stamp.go
	stampedListened = 4
	driven          = 5
	listened        = 6 // each frame is shown to the companion core ahead of its decision: core.Show
)

// device is the state of one device: no pointer, so that oob code may store to it.
type device struct {
	hw enet.Port

	core      core.Device // the device to the companion core
	index     uint32      // in table
	diverted  uint32      // carried, driven: frames go to the companion core first; or listened; 0: they do not
	listen    uint32      // 1: the companion core wants to be shown all frames, while diverted
	shown     uint32      // copies that it has made in this activation
	decided   uint32      // 1: the companion core may have something to do when this activation's frames are decided
	rounds    uint32      // destinations of this activation's frames for several that were changed
	extra     uint32      // further destinations of this activation's frames
	spent     uint32      // frames of rxBudget that an activation may not take, because each costs the companion core much
	copied    uint32      // frames of this activation that were copied
	forwarded uint32      // 1: this activation has sent frames on another device
	throttled uint32      // 1: reception is masked until the next tick
	winStart  uint32      // counter value at which the current window began
	winLeft   uint32      // frames that in-band may get before another one may begin
	winTicks  uint32      // length of a window at least, counter ticks
	winCap    uint32      // frames for in-band per window
	tailTicks uint32      // see tailPerSecond

	rxForwards, rxForwarded uint32 // frames that went on to other devices, and their bytes
	txForwarded             uint32 // bytes of frames from other devices

	mem    frame.Memory
	frames uintptr          // mem.Frame(0)
	lefts  uint32           // how many frames of this activation are for in-band
	left   [rxBudget]uint32 // them: slot, and length in the low half; behind the last one slots for the receive ring
	free   frame.List       // empty slots of the driving stage

	rx frame.Exchange // driving stage → in-band
	tx frame.Exchange // in-band → driving stage

	clock clock1588 // see stamp.go; last: what is further in front takes shorter addressing
}

var (
	table [Devices]device
	// counters stand alone, so that a debugger or a test finds them by name when in-band no longer answers.
	counters [Devices][NumCounters]uint32
)
