// Package poll lets a task wait for the first of several things: messages at sockets, room to send, timers, messages from in-band,
// room for messages to it.
//
// A task runs to completion, so it does not wait in its middle: it returns, and is run again. Set.Ready tells, in one word with a bit for each
// source, what is there now; Set.Wait has the task run again as soon as one of those it names is there. Both look at the
// things themselves, each time: nothing is kept that could be out of date.
//
//	bits := set.Ready()
//	if bits&fromPlant != 0 {
//		m, status := plant.Receive()
//		…
//	}
//	set.Wait(fromPlant | cycle)
//
// What comes (a message, an expiry) makes its task ready by itself, at once. Room comes about without an event: where a frame has
// been sent (room, and its time), a buffer given back. A task that waits for it is run when it is there, RetryAfter later at most, or at the next
// activation that runs the task; so waiting for room costs a timer of stack/task, nobody else anything.
//
// Stage: oob.go oob, the rest in-band. Follows: what poll(2) is to a program (POSIX.1-2017), not how; unlike the EVL network stack's, which is
// always writable, a socket is only when a message would be taken. Does not support: sources of other tasks, more than
// MaxSources of them, deadlines (that is a timer among the sources).
package poll

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mortise/stack/socket"
	"mortise/stack/task"
)

const (
	// MaxSets is the number of sets of all tasks together, MaxSources that of the sources of one.
	MaxSets    = 8
	MaxSources = 16
	// RetryAfter is when a task that waits for room is run to look again: 14 minimal frames leave by then at 100 Mbit/s.
	RetryAfter = 100 * time.Microsecond
)

// ErrRefused is wrapped by New's errors.
var ErrRefused = errors.New("poll")

// The kinds of source.
const (
	readable = iota
	writable
	expired
	message
	room
	departed
)

// A Source is something to wait for.
type Source struct{ kind, number, bytes uint32 }

// Readable is a message in the queue of a socket of the task's.
func Readable(s socket.Socket) Source { return Source{kind: readable, number: uint32(s)} }

// Writable is that a message of a socket's would be taken and sent: see Socket.Writable. The socket is connected, raw, or bound to
// an oob port: else there is no telling, and it never is.
func Writable(s socket.Socket) Source { return Source{kind: writable, number: uint32(s)} }

// Expired is an expiry of a timer since Ready has told of one.
func Expired(t task.Timer) Source { return Source{kind: expired, number: uint32(t)} }

// Departed is a message of a socket's that has left, and that Socket.Departed would tell of.
func Departed(s socket.Socket) Source { return Source{kind: departed, number: uint32(s)} }

// Message is a message from in-band.
func Message(b task.Buffer) Source { return Source{kind: message, number: uint32(b)} }

// Room is room for a message of so many bytes to in-band.
func Room(b task.Buffer, bytes int) Source {
	return Source{kind: room, number: uint32(b), bytes: uint32(bytes)}
}

var made struct {
	sync.Mutex
	sets uint32
}

// New returns a set of sources for a task: source i has bit i. It is called before the stage starts, after task.Configure.
//
//oob:stage init
func New(id uint32, sources ...Source) (Set, error) {
	made.Lock()
	defer made.Unlock()
	switch {
	case id >= task.MaxTasks:
		return 0, fmt.Errorf("%w: a set of task %d, want 0 to %d", ErrRefused, id, task.MaxTasks-1)
	case len(sources) == 0 || len(sources) > MaxSources:
		return 0, fmt.Errorf("%w: task %d: %d sources, want 1 to %d", ErrRefused, id, len(sources), MaxSources)
	case made.sets >= MaxSets:
		return 0, fmt.Errorf("%w: task %d: all %d sets are taken", ErrRefused, id, MaxSets)
	}
	v := set{task: id, n: uint32(len(sources)), timer: task.NoTimer, retry: max(task.Ticks(RetryAfter), 1)}
	for i, s := range sources {
		if s.kind == room && s.bytes > task.MaxMessage {
			return 0, fmt.Errorf("%w: task %d: source %d: room for %d bytes, want %d at most", ErrRefused, id, i, int32(s.bytes), task.MaxMessage)
		}
		v.source[i] = source{kind: s.kind, number: s.number, bytes: s.bytes}
		if s.kind == writable || s.kind == room || s.kind == departed {
			v.roomy |= 1 << i
		}
	}
	if v.roomy != 0 {
		t, err := task.NewTimer(id)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		v.timer = t
	}
	sets[made.sets] = v
	made.sets++
	return Set(made.sets - 1), nil
}
