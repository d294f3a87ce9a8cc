package stage

import "unsafe"

// A trace is what the vectors leave of a fault in memory that survives a reset, for the next run to tell it if in-band does
// not get to; ARMv7's do so far. Its words: the checksum; the record; the number of words of the stack, and these, from the
// stack pointer up.
const (
	traceSeed   = 0x4d
	traceStack  = 128 // words: three times what the gateway's oob code ever needs
	recordWords = int(unsafe.Sizeof(record{})) / 4

	// TraceSize is the memory that a trace needs, in bytes.
	TraceSize = 4 * (1 + recordWords + 1 + traceStack)
)

// A Trace is one that is whole.
type Trace struct {
	rec   record
	stack []uint32
}

// ReadTrace reads a trace word by word; nil: there is none. A checksum of 0 is that of no trace, whatever follows: who takes a trace back
// clears that word alone.
//
//oob:stage inband
func ReadTrace(load func(word int) uint32) *Trace {
	sum := uint32(traceSeed)
	next := 0
	take := func() uint32 {
		next++
		w := load(next)
		sum = sum<<1 | sum>>31
		sum += w
		return w
	}
	t := &Trace{}
	words := (*[recordWords]uint32)(unsafe.Pointer(&t.rec))
	for i := range words {
		words[i] = take()
	}
	n := take()
	if n > traceStack {
		return nil
	}
	for range n {
		t.stack = append(t.stack, take())
	}
	if sum == 0 || load(0) != sum {
		return nil
	}
	return t
}

// past is the image m in an earlier run: with the stack of a trace.
type past struct {
	image
	t *Trace
}

func (p past) Load(addr uintptr) (uint32, bool) {
	if i := (addr - p.t.rec.stackPointer()) / 4; addr%4 == 0 && i < uintptr(len(p.t.stack)) {
		return p.t.stack[i], true
	}
	return p.image.Load(addr)
}

// nameless is an image of which nothing is known.
type nameless struct{}

func (nameless) Load(uintptr) (uint32, bool)              { return 0, false }
func (nameless) Function(uintptr) (string, uintptr, bool) { return "", 0, false }
func (nameless) Calls(pc uintptr) []Call                  { return []Call{{PC: pc}} }
