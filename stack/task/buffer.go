package task

import "mortise/drivers/mmio"

const (
	// MaxBuffers is the number of buffers of all tasks together.
	MaxBuffers = 16
	// MaxMessage is the length of a message, in bytes, at most.
	MaxMessage = 256
	// BufferMemory is the memory that all buffers have together, in bytes.
	BufferMemory = 256 << 10

	poolWords = BufferMemory / 4
)

// ring is one direction of a Buffer: a single-producer, single-consumer queue of messages, each a word with its length in
// bytes, then its bytes in words. head and tail count words for ever.
type ring struct {
	base, mask uint32 // its words in pool; mask + 1 is a power of two
	tail, head uint32
	full       uint32 // messages that had no room
}

var (
	buffers [MaxBuffers]struct{ in, out ring } // to the oob stage, to in-band
	pool    [poolWords]uint32
)

// A Buffer carries messages between a task and in-band, both ways, in order, without waiting: the task's end. In-band's is
// a Pipe.
type Buffer uint32

// Send sends the bytes of p to in-band as one message: false, and counted, if there is no room for it or it is longer than
// MaxMessage.
//
//oob:stage oob
func (b Buffer) Send(p []byte) bool {
	ok := buffers[b%MaxBuffers].out.put(p)
	state.wake = 1
	return ok
}

// Receive takes in-band's next message and puts it into p. It returns its length, of which what p has no room for is cut
// off, and whether there was one.
//
//oob:stage oob
func (b Buffer) Receive(p []byte) (n int, ok bool) { return buffers[b%MaxBuffers].in.get(p) }

// Waiting reports whether a message from in-band waits.
//
//oob:stage oob
func (b Buffer) Waiting() bool { return !buffers[b%MaxBuffers].in.empty() }

// Room reports whether Send has room for a message of so many bytes.
//
//oob:stage oob
func (b Buffer) Room(bytes uint32) bool {
	r := &buffers[b%MaxBuffers].out
	return r.mask+1-(r.tail-mmio.Load(&r.head)) > (bytes+3)/4
}

// put appends a message.
//
//oob:stage any
func (r *ring) put(p []byte) bool {
	tail, size := r.tail, uint32(len(p))
	words := 1 + (size+3)/4
	if size > MaxMessage || r.mask+1-(tail-mmio.Load(&r.head)) < words {
		r.full++
		return false
	}
	pool[(r.base+tail&r.mask)%poolWords] = size
	tail++
	for len(p) >= 4 { //oob:loop MaxMessage/4 longer ones have been refused
		pool[(r.base+tail&r.mask)%poolWords] = uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24
		p = p[4:]
		tail++
	}
	if len(p) > 0 {
		var last uint32
		for i := range 3 {
			if i >= len(p) {
				break
			}
			last |= uint32(p[i]) << (8 * i & 31)
		}
		pool[(r.base+tail&r.mask)%poolWords] = last
		tail++
	}
	mmio.Store(&r.tail, tail)
	return true
}

// get takes a message. n is its length, which may be more than p has room for.
//
//oob:stage any
func (r *ring) get(p []byte) (n int, ok bool) {
	head := r.head
	if mmio.Load(&r.tail) == head {
		return 0, false
	}
	size := pool[(r.base+head&r.mask)%poolWords]
	words := min((size+3)/4, MaxMessage/4)
	n = int(min(size, MaxMessage))
	if len(p) > n {
		p = p[:n]
	}
	at := head + 1
	for len(p) >= 4 { //oob:loop MaxMessage/4 a message is no longer
		w := pool[(r.base+at&r.mask)%poolWords]
		p[0], p[1], p[2], p[3] = byte(w), byte(w>>8), byte(w>>16), byte(w>>24)
		p = p[4:]
		at++
	}
	w := pool[(r.base+at&r.mask)%poolWords]
	for i := range 3 {
		if i >= len(p) {
			break
		}
		p[i] = byte(w >> (8 * i & 31))
	}
	mmio.Store(&r.head, head+1+words)
	return n, true
}

// empty reports whether nothing waits.
//
//oob:stage any
func (r *ring) empty() bool { return mmio.Load(&r.tail) == mmio.Load(&r.head) }
