package task

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"mortise/drivers/mmio"
)

// ErrFull is returned by a Pipe's Write: the task has not yet taken what it was sent before.
var ErrFull = errors.New("task: the buffer is full")

// A Pipe is in-band's end of a Buffer. Write sends a message, and makes the task ready; it does not wait for room. Read
// waits for a message. Any number of goroutines may use it.
type Pipe struct {
	number uint32
	task   uint32
	stream bool
	ready  chan struct{} // holds one when something may be there to read

	writing, reading sync.Mutex
	rest             []byte // stream: of a message, not yet read
}

var pipes struct {
	mu   sync.Mutex
	list []*Pipe
	used uint32 // words of pool
}

// NewBuffer returns the two ends of a buffer of task id: room for toOob bytes towards it and toInband bytes from it, each
// message taking its length, rounded up to 4, and 4. Both are rounded up to a power of two. It is called before the stage
// starts.
//
//oob:stage init
func NewBuffer(id uint32, toOob, toInband int) (Buffer, *Pipe, error) {
	pipes.mu.Lock()
	defer pipes.mu.Unlock()
	n := uint32(len(pipes.list))
	if n >= MaxBuffers {
		return 0, nil, fmt.Errorf("task %d: all %d buffers are taken", id, MaxBuffers)
	}
	if id >= MaxTasks {
		return 0, nil, fmt.Errorf("buffer of task %d, want 0 to %d", id, MaxTasks-1)
	}
	used := pipes.used
	for _, d := range []struct {
		ring *ring
		room int
	}{{&buffers[n].in, toOob}, {&buffers[n].out, toInband}} {
		if d.room < 0 || d.room > BufferMemory/2 {
			return 0, nil, fmt.Errorf("task %d: a buffer of %d bytes, want 0 to %d", id, d.room, BufferMemory/2)
		}
		words := uint32(2)
		for int(words)*4 < d.room {
			words *= 2
		}
		if used+words > poolWords {
			return 0, nil, fmt.Errorf("task %d: no memory for a buffer of %d bytes: %d of %d are taken", id, d.room, 4*used, BufferMemory)
		}
		*d.ring = ring{base: used, mask: words - 1}
		used += words
	}
	pipes.used = used
	p := &Pipe{number: n, task: id, ready: make(chan struct{}, 1)}
	pipes.list = append(pipes.list, p)
	return Buffer(n), p, nil
}

// Stream makes Read take bytes as they come, without regard to where messages end, as a pipe of Unix does. It returns p.
func (p *Pipe) Stream() *Pipe {
	p.stream = true
	return p
}

// Write sends b to the task as one message, and makes it ready.
func (p *Pipe) Write(b []byte) (int, error) {
	if len(b) > MaxMessage {
		return 0, fmt.Errorf("task: a message of %d bytes, want %d at most", len(b), MaxMessage)
	}
	p.writing.Lock()
	ok := buffers[p.number].in.put(b)
	p.writing.Unlock()
	if !ok {
		return 0, ErrFull
	}
	Post(p.task)
	return len(b), nil
}

// Ready returns a channel that holds something when a message may have come: for a select around TryRead.
func (p *Pipe) Ready() <-chan struct{} { return p.ready }

// Read waits for the task's next message and puts it into b; io.ErrShortBuffer if it was longer and has been cut off.
func (p *Pipe) Read(b []byte) (int, error) {
	for {
		n, ok, err := p.TryRead(b)
		if ok {
			return n, err
		}
		<-p.ready
	}
}

// TryRead is Read, but ok is false when there is nothing.
func (p *Pipe) TryRead(b []byte) (n int, ok bool, err error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	r := &buffers[p.number].out
	defer func() {
		if !r.empty() || len(p.rest) > 0 {
			p.signal() // for whoever waits besides
		}
	}()
	if p.stream {
		if len(p.rest) == 0 {
			message := make([]byte, MaxMessage)
			n, ok := r.get(message)
			if !ok {
				return 0, false, nil
			}
			p.rest = message[:n]
		}
		n = copy(b, p.rest)
		p.rest = p.rest[n:]
		return n, true, nil
	}
	n, ok = r.get(b)
	if n > len(b) {
		return len(b), ok, io.ErrShortBuffer
	}
	return n, ok, nil
}

// Refused returns how many messages found no room, those to the task and those to in-band.
func (p *Pipe) Refused() (toOob, toInband uint32) {
	return mmio.Load(&buffers[p.number].in.full), mmio.Load(&buffers[p.number].out.full)
}

func (p *Pipe) signal() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// signalPipes tells those who wait for messages that have come.
func signalPipes() {
	pipes.mu.Lock()
	defer pipes.mu.Unlock()
	for _, p := range pipes.list {
		if !buffers[p.number].out.empty() {
			p.signal()
		}
	}
}
