package frame

import (
	"math/rand/v2"
	"runtime"
	"testing"
)

func TestMemory(t *testing.T) {
	const slots = 8
	m, release, err := NewMemory(slots)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	other := m // what the other stage has: a plain value
	for slot := range uint32(slots) {
		if m.Buffer(slot) != other.Buffer(slot) || m.Frame(slot) != other.Frame(slot) || m.BusBuffer(slot) != other.BusBuffer(slot) {
			t.Errorf("slot %d: the two stages' addresses differ", slot)
		}
		if got := m.Buffer(slot); got%64 != 0 || got < m.Base || got+BufferSize != m.Base+uintptr(slot+1)*SlotSize {
			t.Errorf("Buffer(%d) = %#x: not aligned, or not up to the slot's end", slot, got)
		}
		if got, want := m.Frame(slot), m.Buffer(slot)+Pad; got != want || (got+14)%4 != 0 {
			t.Errorf("Frame(%d) = %#x, want %#x, and the IP header a multiple of 4", slot, got, want)
		}
		if got, want := uintptr(m.BusBuffer(slot)-m.Bus), m.Buffer(slot)-m.Base; got != want {
			t.Errorf("BusBuffer(%d) is %#x into the memory, Buffer %#x", slot, got, want)
		}
	}
	if Pad+MaxLen+4 > BufferSize {
		t.Errorf("a frame of %d bytes does not fit a buffer of %d", MaxLen, BufferSize)
	}
}

func TestRing(t *testing.T) {
	var r Ring
	if _, ok := r.Pop(); ok || r.Len() != 0 {
		t.Error("the zero ring is not empty")
	}
	next, want := uint32(0), uint32(0)
	for round := range 5 * RingSize {
		for range round % (RingSize + 3) {
			full := r.Len() == RingSize
			if ok := r.Push(Ref{Meta: next}); ok == full {
				t.Fatalf("Push with %d queued = %v", r.Len(), ok)
			} else if ok {
				next++
			}
		}
		for range round % 7 * 40 {
			ref, ok := r.Pop()
			if !ok {
				break
			}
			if ref.Meta != want {
				t.Fatalf("Pop = %d, want %d", ref.Meta, want)
			}
			want++
		}
		if got := r.Len(); got != next-want {
			t.Fatalf("Len() = %d, want %d", got, next-want)
		}
	}
}

// TestRingWrap: the free-running counters may pass 2³².
func TestRingWrap(t *testing.T) {
	var r Ring
	r.tail, r.head = ^uint32(0)-3, ^uint32(0)-3
	for i := range uint32(RingSize) {
		if !r.Push(Ref{Meta: i}) {
			t.Fatalf("Push %d = false", i)
		}
	}
	if r.Push(Ref{}) || r.Len() != RingSize {
		t.Errorf("a full ring of %d took another", r.Len())
	}
	for i := range uint32(RingSize) {
		if ref, ok := r.Pop(); !ok || ref.Meta != i {
			t.Fatalf("Pop = %v, %v, want %d", ref, ok, i)
		}
	}
}

// TestRingRace passes refs from one goroutine to another: all arrive, once, in order.
func TestRingRace(t *testing.T) {
	n := uint32(200_000)
	if testing.Short() {
		n = 20_000
	}
	var r Ring
	go func() {
		for i := uint32(0); i < n; {
			if r.Push(Ref{Slot: uint16(i), Len: uint16(i >> 8), Meta: i}) {
				i++
			} else {
				runtime.Gosched()
			}
		}
	}()
	for i := uint32(0); i < n; {
		ref, ok := r.Pop()
		if !ok {
			runtime.Gosched()
			continue
		}
		if want := (Ref{Slot: uint16(i), Len: uint16(i >> 8), Meta: i}); ref != want {
			t.Fatalf("Pop = %+v, want %+v", ref, want)
		}
		i++
	}
	if r.Len() != 0 {
		t.Errorf("%d refs more than were pushed", r.Len())
	}
}

func TestList(t *testing.T) {
	var l List
	if _, ok := l.Get(); ok {
		t.Error("Get from an empty list = true")
	}
	for slot := range uint32(ListSize) {
		if !l.Put(slot) {
			t.Fatalf("Put(%d) = false", slot)
		}
	}
	if l.Put(7) {
		t.Error("Put into a full list = true")
	}
	l.Mark()
	if got := l.Lowest(); got != ListSize {
		t.Errorf("Lowest() after Mark = %d, want %d", got, ListSize)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	owned := map[uint32]bool{}
	low := uint32(ListSize)
	for range 20_000 {
		if slot, ok := l.Get(); rnd.IntN(2) == 0 && ok {
			if owned[slot] {
				t.Fatalf("Get gave slot %d twice", slot)
			}
			owned[slot] = true
			low = min(low, l.Len())
		} else {
			if ok {
				l.Put(slot)
				low = min(low, l.Len()-1)
			}
			for slot := range owned {
				delete(owned, slot)
				l.Put(slot)
				break
			}
		}
		if got := l.Len() + uint32(len(owned)); got != ListSize {
			t.Fatalf("%d slots, want %d", got, ListSize)
		}
	}
	if got := l.Lowest(); got != low {
		t.Errorf("Lowest() = %d, want %d", got, low)
	}
}

func TestAllocs(t *testing.T) {
	var r Ring
	var l List
	if n := testing.AllocsPerRun(100, func() { r.Push(Ref{}); r.Pop(); l.Put(1); l.Get() }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
