package poll

import (
	"mortise/stack/socket"
	"mortise/stack/task"
)

// set is the state of a Set, pointer-free.
type set struct {
	task, n uint32
	roomy   uint32 // the bits of sources that come about without an event
	retry   uint32 // ticks
	timer   task.Timer
	source  [MaxSources]source
}

// source is a Source, and of a timer when the expiry was that Ready has told of last.
type source struct {
	kind, number, bytes uint32
	told                uint64
}

var sets [MaxSets]set

// A Set is what a task waits for, by its number.
type Set uint32

// Ready returns a bit for each of the sources that is there now. An expiry is told of once.
//
//oob:stage oob
func (s Set) Ready() uint32 { return sets[s%MaxSets].look(^uint32(0), true) }

// Wait has the task run again as soon as one of the sources in mask is there: at once, when this run has ended, if one is. To be called
// last in a run; a task that does not is run by what comes for it, as ever.
//
//oob:stage oob
func (s Set) Wait(mask uint32) {
	v := &sets[s%MaxSets]
	if v.look(mask, false) != 0 {
		task.Ready(v.task)
	} else if mask&v.roomy != 0 {
		v.timer.In(v.retry)
	}
}

// look returns the bits of mask whose sources are there; take: expiries have been told of then.
//
//oob:stage oob
func (v *set) look(mask uint32, take bool) (bits uint32) {
	for i := range uint32(MaxSources) {
		if i >= v.n {
			break
		}
		if mask>>i&1 != 0 && v.source[i].there(take) {
			bits |= 1 << i
		}
	}
	return bits
}

// there reports whether the source is there.
//
//oob:stage oob
func (s *source) there(take bool) bool {
	switch s.kind {
	case readable:
		return socket.Socket(s.number).Readable() != 0
	case writable:
		return socket.Socket(s.number).Writable(0, 0) == socket.OK
	case expired:
		last := task.Timer(s.number).Expiry()
		if last == s.told {
			return false
		}
		if take {
			s.told = last
		}
		return true
	case departed:
		return socket.Socket(s.number).HasDeparted()
	case message:
		return task.Buffer(s.number).Waiting()
	}
	return task.Buffer(s.number).Room(s.bytes)
}
