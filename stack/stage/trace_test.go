//go:build !tamago

package stage

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// trace writes what abandon in vectors_arm.s writes.
func trace(rec record, stack []uint32) []uint32 {
	words := []uint32{0}
	r := (*[recordWords]uint32)(unsafe.Pointer(&rec))
	words = append(words, r[:]...)
	words = append(words, uint32(len(stack)))
	words = append(words, stack...)
	sum := uint32(traceSeed)
	for _, w := range words[1:] {
		sum = sum<<1 | sum>>31
		sum += w
	}
	words[0] = sum
	return append(words, make([]uint32, TraceSize/4-len(words))...)
}

// A trace tells the same as the fault itself, when the stack has long been used for something else.
func TestTrace(t *testing.T) {
	f := newFake()
	s := f.push(f.push(sp, 8, vector+12), 24, dsp+0x40)
	rec := at(DataAbort, task+0x40, s, 0)
	var stack []uint32
	for addr := s; addr < sp; addr += 4 {
		stack = append(stack, f.words[addr])
	}
	words := trace(rec, stack)
	got := ReadTrace(func(word int) uint32 { return words[word] })
	if got == nil {
		t.Fatal("no trace")
	}
	want := decode(&rec, f)
	for addr := s; addr < sp; addr += 4 {
		f.words[addr] = 0
	}
	if diff := cmp.Diff(want, decode(&got.rec, past{f, got})); diff != "" {
		t.Errorf("-fault +trace:\n%s", diff)
	}
	if n := len(decode(&got.rec, nameless{}).Chain); n != 1 {
		t.Errorf("without names: %d calls, want the PC alone", n)
	}
	used := 1 + recordWords + 1 + len(stack)
	for n := range used {
		words[n] ^= 1 << (n % 32)
		if ReadTrace(func(word int) uint32 { return words[word] }) != nil {
			t.Errorf("word %d changed, the trace is still valid", n)
		}
		words[n] ^= 1 << (n % 32)
	}
	if ReadTrace(func(int) uint32 { return 0 }) != nil {
		t.Error("zeroed memory is a trace")
	}
}
