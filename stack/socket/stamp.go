package socket

import (
	"mortise/stack/core"
	"mortise/stack/task"
)

// Timestamps. Of a message received there are three: when the device had it, when it came into the queue, when its reader got it. Of one
// sent, too: when it was sent, when the device had sent it, when its sender was told. A socket without them executes nothing for them: Put
// and send take a way of their own where they have to anyhow, for goroutines and for ports that are down.

// Timestamps are what a socket has: of which messages, and which.
type Timestamps uint32

// The timestamps: one of the first two at least, and one of the others.
const (
	StampReceived Timestamps = 1 << iota // of messages received: Socket.Times
	StampSent                            // of messages sent: Socket.Departed
	StampDevice                          // the device's time
	StampQueued                          // the time at which it came into the queue, or was sent
	noStamps
)

// has reports whether all of some timestamps are there.
//
//oob:stage any
func (t Timestamps) has(all Timestamps) bool { return t&all == all }

// Source is where the device's time is from.
type Source uint32

// The sources.
const (
	NoTime   = Source(core.NoTime)   // there is none
	Software = Source(core.Software) // the stage looked: when it took the frame up, or had handed it over
	Hardware = Source(core.Hardware) // the device's clock (IEEE 1588), brought to the stage's time
)

// Times are a message's, as the low words of task.Time.
type Times struct {
	Device    uint32 // when it came in, if Source says so
	Queued    uint32 // when it came into the queue
	Delivered uint32 // when the task's run began that got it, or the goroutine got it
	Source    Source
}

// Departure tells of a message that was sent.
type Departure struct {
	Number    uint32 // it was so manyth of those that the socket has sent, from 1 on, modulo 1<<numberBits
	Queued    uint32 // when Send was called
	Device    uint32 // when it left, if Source says so
	Delivered uint32 // when Departed told
	Source    Source
	Missed    uint32 // departures that there was no room for since Departed told last
}

const (
	// departures is the number of departures that a socket remembers, a power of two.
	departures = 16
	// apart is the difference between the number of a task, and what sock.task says for a socket that has the device's time of what it
	// receives: a multiple of task.MaxTasks, above task.NoTask.
	apart = 2 * task.MaxTasks
	// A tag has the socket's number, then its life, then the message's.
	lifeShift   = 6
	numberShift = lifeShift + 4
	numberBits  = 32 - numberShift
)

// timing is what a socket remembers of its departures.
type timing struct {
	life       uint32 // a socket's number is used again: departures of another life are none
	devices    uint32 // a bit for each of those that it has asked
	tail, head uint32
	missed     uint32
	list       [departures]Departure
}

var (
	timings [Max]timing
	// timers has, for each port, whether a socket asks when messages left: the port is timed then, not wired.
	timers [tablePorts]uint32
)

// reader returns the task that reads the socket, or task.NoTask.
//
//oob:stage any
func (q *sock) reader() uint32 { return q.task % apart }

// came notes when the device had the message, which is in the frame that Deliver is called for, or came by the loopback port.
//
//oob:stage oob
func (m *Message) came() {
	port := m.port & (1<<partsShift - 1)
	if port == Loopback {
		m.device, m.source = m.Queued, core.Software
		return
	}
	m.device, m.source = core.Came(ports[port%tablePorts].name.Dev())
}

// Times returns the times of a message that was received. Unstamped: the socket was opened without.
//
//oob:stage oob
func (s Socket) Times(m *Message) (t Times, status Status) {
	return m.times(s.get().stamps)
}

// times is Times for a socket that has some timestamps.
//
//oob:stage any
func (m *Message) times(have Timestamps) (t Times, status Status) {
	if !have.has(StampReceived) {
		return t, Unstamped
	}
	t.Delivered = m.Delivered
	if have.has(StampQueued) {
		t.Queued = m.Queued
	}
	if have.has(StampDevice) {
		t.Device, t.Source = m.device, Source(m.source)
	}
	return t, OK
}

// ask has the device tell when the message that is about to be handed to it leaves, if the socket wants to know.
//
//oob:stage oob
//go:noinline
func (q *sock) ask(p *port) {
	if !q.stamps.has(StampSent) {
		return
	}
	t, dev := &timings[q.self%Max], p.name.Dev()
	if core.Tag(dev, q.self|t.life<<lifeShift|(q.count[Sent]+1)<<numberShift) {
		t.devices |= 1 << (dev & 31)
	}
}

// askLast is ask for a message that is sent in parts: its last one is what counts.
//
//oob:stage oob
func (q *sock) askLast(p *port, m *Message) {
	if p.up == timed && m.parts() == 1 {
		q.ask(p)
	}
}

// Left notes when a message left: see core.Left.
//
//oob:stage oob
//go:noinline
func Left(tag, queued, at, source uint32) {
	q, t := &socks[tag%Max], &timings[tag%Max]
	if tag>>lifeShift&(1<<(numberShift-lifeShift)-1) != t.life || !q.stamps.has(StampSent) {
		return
	}
	if t.tail-t.head >= departures {
		t.missed++
		q.count[LostTimes]++
		return
	}
	d := &t.list[t.tail%departures]
	*d = Departure{Number: tag >> numberShift}
	if q.stamps.has(StampQueued) {
		d.Queued = queued
	}
	if q.stamps.has(StampDevice) {
		d.Device, d.Source = at, Source(source)
	}
	t.tail++
}

// Departed tells of the message that left first of those that it has not told of. Empty: there is none; that a message has left comes
// about without an event, so that a task looks when it runs anyhow, or by a set of stack/poll. Unstamped: the socket was opened without.
//
//oob:stage oob
func (s Socket) Departed(d *Departure) Status {
	if !s.get().stamps.has(StampSent) {
		return Unstamped
	}
	if !s.HasDeparted() {
		return Empty
	}
	t := &timings[s%Max]
	*d = t.list[t.head%departures]
	d.Delivered = task.Now()
	d.Missed, t.missed = t.missed, 0
	t.head++
	return OK
}

// HasDeparted reports whether Departed would tell of a message.
//
//oob:stage oob
func (s Socket) HasDeparted() bool {
	t := &timings[s%Max]
	if t.tail == t.head {
		for dev := range uint32(maxDevices) {
			if t.devices>>dev&1 != 0 {
				core.Reap(dev)
			}
		}
	}
	return t.tail != t.head
}

// maxDevices is the number of devices that have oob ports at most.
const maxDevices = 2
