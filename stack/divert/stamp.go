package divert

import (
	"math/bits"
	_ "unsafe" // for linkname

	"mortise/drivers/enet"
	"mortise/stack/core"
)

// When frames came in and left, in the stage's time: by the controller's IEEE 1588 timer, or, where that does not count, by when the
// stage looked. Only a device that is stamped does any of this, and most of it only for frames that somebody asks about.
//
// The timer counts nanoseconds of a second, the stage ticks. Both are sampled together, a pair, which is taken anew when it is older
// than a 16th of a second. A frame came in as long ago as its timestamp is behind what the timer has now, going by the pair and the ticks
// since. A frame that was sent left as long behind its submission as its timestamp is ahead of what the timer had then. That is
// right for frames that do not wait for a second.
//
// What it is wrong by at most: the timer's value is taken when its register is written to, or up to 240 ns later (enet.Port.Capture), so
// times may be too early by that and the write; the ticks add one of theirs, the timer one of its steps. On the i.MX6UL and ULL both
// clocks come from one oscillator, so the pair does not age: ticks are 125 ns, steps 40 ns.

// isStamped is what shares says of the slot of a frame that was sent with a tag: no owner has this number.
const isStamped = 0x80

const (
	// pairsPerSecond is how often a second the pair is taken anew, at most.
	pairsPerSecond = 16
	// slack is by how many nanoseconds a time may seem to be ahead of another one that it is behind of: what the clocks are read in.
	slack = 1_000_000
)

// clock1588 is what there is of times of a device's frames, pointer-free.
type clock1588 struct {
	source  uint32 // core.NoTime, core.Software or core.Hardware
	asked   uint32 // the tag of the next frame submitted, plus one
	due     uint32 // frames with a tag in the transmit ring
	done    uint32 // those that have left, and that Left has not been called for
	seen    uint32 // when the stage took the last frame up, if source is core.Software
	tick    uint32 // the pair
	ns      uint32
	fresh   uint32 // ticks for which a pair is good
	nsMul   uint32 // nanoseconds of a tick, times 1<<16
	tickMul uint32 // ticks of a nanosecond, times 1<<32
	tags    [enet.RingSize]tag
}

// tag is a frame that Left is to be called for, at its position in the transmit ring.
type tag struct {
	state  uint32 // untagged, tagged or sent
	tag    uint32
	queued uint32 // ticks
	handed uint32 // ticks, when the device had it
	ns     uint32 // queued, by the timer
	left   uint32 // by the timer; noStamp: the device did not say
}

// What tag.state says.
const (
	untagged = iota
	tagged
	sent
)

// noStamp is no value of the timer.
const noStamp = ^uint32(0)

// see notes when the stage took a frame up.
//
//oob:stage any
func (v *device) see() {
	if v.clock.source == core.Software {
		v.clock.seen = now()
	}
}

// Came is core.Came.
//
//oob:stage oob
//go:linkname Came mortise/stack/core.Came
func Came(d uint32) (at, source uint32) {
	v := &table[d%Devices]
	c := &v.clock
	if c.source != core.Hardware {
		return c.seen, c.source
	}
	t := v.pair()
	return t - c.ticks(between(v.hw.ReceivedAt(), c.timer(t))), core.Hardware
}

// pair sees to it that the pair is good, and returns the time.
//
//oob:stage oob
func (v *device) pair() uint32 {
	c := &v.clock
	t := now()
	for t-c.tick >= c.fresh { //oob:total 1 divert.Poll a pair is good for longer than an activation takes
		t = now()
		c.tick, c.ns = t, v.hw.Capture()
	}
	return t
}

// timer returns what the timer has at the time t, for which the pair is good.
//
//oob:stage oob
func (c *clock1588) timer(t uint32) uint32 {
	ns := c.ns + uint32(uint64(t-c.tick)*uint64(c.nsMul)>>16)
	if ns >= enet.TimerPeriod {
		ns -= enet.TimerPeriod
	}
	return ns
}

// between returns the nanoseconds from one value of the timer to a later one.
//
//oob:stage oob
func between(from, to uint32) uint32 {
	ns := to - from
	if int32(ns) < 0 {
		ns += enet.TimerPeriod
	}
	if ns >= enet.TimerPeriod-slack {
		return 0
	}
	return ns
}

// ticks returns how many ticks nanoseconds are.
//
//oob:stage oob
func (c *clock1588) ticks(ns uint32) uint32 {
	t, _ := bits.Mul32(ns, c.tickMul)
	return t
}

// Tag is core.Tag.
//
//oob:stage oob
//go:linkname Tag mortise/stack/core.Tag
func Tag(d, n uint32) bool {
	v := &table[d%Devices]
	if v.clock.source == core.NoTime {
		return false
	}
	v.clock.asked = n + 1
	return true
}

// submitStamped is Submit for a frame with a tag.
//
//oob:stage oob
//go:noinline
func (v *device) submitStamped(slot, n uint32) (empty uint32, ok bool) {
	c := &v.clock
	e := tag{state: tagged, tag: c.asked - 1}
	c.asked = 0
	if v.free.Len() <= rxBudget || v.hw.Free() == 0 {
		v.makeRoom()
	}
	if v.free.Len() <= rxBudget {
		return 0, false
	}
	if c.source == core.Hardware {
		e.queued = v.pair()
		e.ns = c.timer(e.queued)
		ok = v.hw.SendStamped(slot, n)
	} else {
		e.queued = now()
		ok = v.hw.Send(slot, n)
	}
	if !ok {
		return 0, false
	}
	e.handed = now()
	counters[v.index%Devices][TxOob]++
	if c.source == core.Hardware {
		at := &c.tags[v.hw.Queued()%enet.RingSize]
		if at.state == sent { // who asked for it has not looked since
			c.tell(at)
		}
		*at = e
		shares[slot%uint32(len(shares))] = isStamped
		c.due++
	} else {
		core.Left(e.tag, e.queued, e.handed, core.Software)
	}
	return v.free.Get()
}

// gone notes when the frame left that was taken back last, which has a tag.
//
//oob:stage any
func (v *device) gone() {
	i, ns, ok := v.hw.SentAt()
	e := &v.clock.tags[i%enet.RingSize]
	if e.state != tagged { // forgotten
		return
	}
	if !ok {
		ns = noStamp
	}
	e.state, e.left = sent, ns
	v.clock.due--
	v.clock.done++
}

// tell tells when a frame left.
//
//oob:stage oob
//go:noinline
func (c *clock1588) tell(e *tag) {
	c.done--
	e.state = untagged
	if e.left == noStamp {
		core.Left(e.tag, e.queued, e.handed, core.Software)
		return
	}
	core.Left(e.tag, e.queued, e.queued+c.ticks(between(e.ns, e.left)), core.Hardware)
}

// Reap is core.Reap.
//
//oob:stage oob
//go:linkname Reap mortise/stack/core.Reap
func Reap(d uint32) {
	v := &table[d%Devices]
	c := &v.clock
	if c.due != 0 && v.diverted != 0 {
		v.reclaim()
	}
	if c.done == 0 {
		return
	}
	first := v.hw.Queued() + 1
	for i := range uint32(enet.RingSize) { // the oldest one first
		if e := &c.tags[(first+i)%enet.RingSize]; e.state == sent {
			c.tell(e)
		}
	}
}

// restart forgets the frames that are under way, and the pair: the controller may have begun anew. Nobody drives the device.
//
//oob:stage inband
func (c *clock1588) restart() {
	c.tick, c.asked, c.due, c.done = now()-c.fresh, 0, 0, 0
	c.tags = [enet.RingSize]tag{}
}
