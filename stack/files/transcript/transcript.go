// Package transcript keeps what was said: its beginning, which tells how something started, and its end.
//
// Stage: in-band. Does not support: more than one writer at a time; it locks nothing, so that the runtime's own print can
// write to it.
package transcript

import "fmt"

// Text is a transcript. It keeps as much as First and Last have room for; set them before the first Put.
type Text struct {
	First, Last []byte

	n  uint64 // bytes that were put
	at int    // where the next one goes in Last
}

// Put adds a byte. It allocates nothing.
//
//oob:stage inband
func (t *Text) Put(c byte) {
	n := t.n
	t.n++
	if n < uint64(len(t.First)) {
		t.First[n] = c
		return
	}
	if len(t.Last) == 0 {
		return
	}
	t.Last[t.at] = c
	if t.at++; t.at == len(t.Last) {
		t.at = 0
	}
}

// Write adds b.
//
//oob:stage inband
func (t *Text) Write(b []byte) (int, error) {
	for _, c := range b {
		t.Put(c)
	}
	return len(b), nil
}

// Limit is the largest size of Bytes.
func (t *Text) Limit() int { return len(t.First) + len(t.Last) + gapLimit }

// gapLimit bounds the line that tells of what is missing.
const gapLimit = 64

// Start returns a copy of the beginning.
//
//oob:stage inband
func (t *Text) Start() []byte {
	return append([]byte(nil), t.First[:min(t.n, uint64(len(t.First)))]...)
}

// Bytes returns a copy of all that is kept. A line tells what is missing between the beginning and the end.
//
//oob:stage inband
func (t *Text) Bytes() []byte {
	b := t.Start()
	behind := t.n - uint64(len(b))
	lost := behind - min(behind, uint64(len(t.Last)))
	if lost == 0 {
		return append(b, t.Last[:behind]...)
	}
	b = fmt.Appendf(b, "\n[%d bytes are not kept]\n", lost)
	b = append(b, t.Last[t.at:]...)
	return append(b, t.Last[:t.at]...)
}
