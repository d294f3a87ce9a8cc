//go:build tamago

package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"weak"
)

func stressTrees(n int) error {
	depth := 8 + n%5
	t := grow(depth)
	runtime.Gosched()
	if got := t.sum(); got != 1<<depth {
		return fmt.Errorf("sum %d, want %d", got, 1<<depth)
	}
	return nil
}

// shelf keeps buffers of all stressors' goroutines from round to round.
var shelf [64]struct {
	data []byte
	seed byte
}

// stressBuffers fills new memory, which must be zero, with a pattern of its
// own, and looks for the pattern of what it laid down many rounds before:
// memory that was handed out twice has another.
func stressBuffers(n int) error {
	for i := range 16 {
		slot := &shelf[(n*16+i*7)%len(shelf)]
		for j, b := range slot.data {
			if want := slot.seed + byte(j); b != want {
				return fmt.Errorf("byte %d of %d is %#x, want %#x", j, len(slot.data), b, want)
			}
		}
		// All size classes, and beyond them.
		data, seed := make([]byte, 1<<(n*5%17)+n*i%97), byte(n+i)
		for j, b := range data {
			if b != 0 {
				return fmt.Errorf("byte %d of %d new ones is %#x", j, len(data), b)
			}
			data[j] = seed + byte(j)
		}
		slot.data, slot.seed = data, seed
		if i%4 == 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// stressGarbage makes garbage until the collector runs without being asked. It gives way so seldom that garbage for a
// collection is there before others ask for one, and often enough for a collection to end.
func stressGarbage(n int) error {
	const piece, most = 32 << 10, 64 << 20 // bytes: a collection is due after 4 MiB, or what is in use

	own := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC - m.NumForcedGC
	}
	before := own()
	for made := 0; own() == before; {
		if made >= most {
			return fmt.Errorf("no collection but those asked for, after %d MiB of garbage", made>>20)
		}
		for range 32 {
			garbage = make([]byte, piece-n%2)
			made += len(garbage)
		}
		runtime.Gosched()
	}
	return nil
}

// garbage has the compiler make what nobody uses.
var garbage []byte

// collected waits for what a collection brings: one that the runtime starts by
// itself, or, every fourth round and where none comes, one by call. The others'
// garbage may hold an object back, but not for ever.
func collected(n int, ended <-chan int) error {
	for i := range 100 {
		if n%4 == 0 || i > 10 {
			runtime.GC()
		}
		select {
		case v := <-ended:
			if v != n {
				return fmt.Errorf("%d, want %d", v, n)
			}
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("not in 100 tries")
}

// saved is what a finalizer made reachable again.
var saved [8]*tree

// stressFinalizers has the finalizer of one object find it whole, with what it
// alone refers to, and keep it for eight rounds.
func stressFinalizers(n int) error {
	ended := make(chan int, 1)
	func() {
		object := &tree{value: n, left: &tree{value: ^n}}
		runtime.SetFinalizer(object, func(t *tree) {
			if t.left.value != ^t.value {
				t.value = -1
			}
			saved[n%len(saved)] = t
			ended <- t.value
		})
	}()
	if err := collected(n, ended); err != nil {
		return fmt.Errorf("finalized: %w", err)
	}
	for _, t := range saved {
		if t != nil && t.left.value != ^t.value {
			return fmt.Errorf("a saved object has %d and %d", t.value, t.left.value)
		}
	}
	return nil
}

// stressCleanups waits for an object's cleanup; a weak pointer to it is nil
// then, and not before.
func stressCleanups(n int) error {
	ended := make(chan int, 1)
	var pointer weak.Pointer[tree]
	var early bool
	func() {
		object := grow(3)
		pointer = weak.Make(object)
		runtime.AddCleanup(object, func(n int) { ended <- n }, n)
		runtime.Gosched()
		early = pointer.Value() != object || len(ended) != 0
		runtime.KeepAlive(object)
	}()
	if early {
		return errors.New("an object in use was cleaned up")
	}
	if err := collected(n, ended); err != nil {
		return fmt.Errorf("cleaned up: %w", err)
	}
	if pointer.Value() != nil {
		return errors.New("the weak pointer still has an object that was cleaned up")
	}
	return nil
}

func stressMaps(n int) error {
	m := map[string]*int{}
	for i := range 500 {
		v := i * n
		m[fmt.Sprint(i)] = &v
		if i%100 == 0 {
			runtime.Gosched()
		}
	}
	for i := range 250 {
		delete(m, fmt.Sprint(i))
	}
	for i := 250; i < 500; i++ {
		if v := m[fmt.Sprint(i)]; v == nil || *v != i*n {
			return fmt.Errorf("entry %d is wrong", i)
		}
	}
	if len(m) != 250 {
		return fmt.Errorf("%d entries, want 250", len(m))
	}
	return nil
}
