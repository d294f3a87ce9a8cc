//go:build tamago

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

func init() {
	register(
		check{"dirty memory", dirtyMemory},
		check{"gc", collect},
		check{"large heap", largeHeap},
		check{"memory limit", memoryLimit},
		check{"maps", maps},
		check{"select", selects},
		check{"panic and recover", panics},
		check{"stack growth", stackGrowth},
		check{"one thread", oneThread},
		check{"atomics and floats", atomics},
		check{"regions", regions},
		check{"random", random},
	)
}

// dirtyMemory soils memory that the heap has not reached, then has the heap
// reach it: all of it must read as zero.
func dirtyMemory() error {
	start, end := runtime.MemRegion()
	size := min(uintptr(end-start)/4, 64<<20)
	probe := unsafe.Pointer(unsafe.SliceData(make([]byte, size/8)))

	from, to := size/4, size/4+size
	if limit := uintptr(end) - 1<<20 - uintptr(probe); to > limit {
		to = limit
	}
	for off := from; off < to; off += 4 {
		*(*uint32)(unsafe.Add(probe, off)) = 0xdeadbeef
	}

	var keep [][]uint32
	for range size >> 20 {
		b := make([]uint32, 1<<18)
		for i, w := range b {
			if w != 0 {
				return fmt.Errorf("new memory at %p has %#x", &b[i], w)
			}
		}
		keep = append(keep, b)
	}
	runtime.KeepAlive(keep)

	return nil
}

type tree struct {
	left, right *tree
	value       int
}

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{value: 1}
	}
	return &tree{left: grow(depth - 1), right: grow(depth - 1)}
}

func (t *tree) sum() int {
	if t.left == nil {
		return t.value
	}
	return t.left.sum() + t.right.sum()
}

// collect keeps one structure alive through collections that free others.
func collect() error {
	const depth = 12

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	kept := grow(depth)
	var cleaned atomic.Int32

	for range 15 {
		garbage := grow(depth)
		runtime.AddCleanup(garbage, func(int) { cleaned.Add(1) }, 0)
		if garbage.sum() != 1<<depth {
			return errors.New("a structure changed")
		}
	}
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}

	runtime.ReadMemStats(&after)
	if after.NumGC == before.NumGC {
		return errors.New("no collection")
	}
	if n := kept.sum(); n != 1<<depth {
		return fmt.Errorf("sum of the kept structure = %d, want %d", n, 1<<depth)
	}
	if cleaned.Load() == 0 {
		return errors.New("no cleanup ran")
	}

	return nil
}

// largeHeap fills three quarters of the memory, or half of a small one, twice:
// the first filling must be collected for the second.
func largeHeap() error {
	start, end := runtime.MemRegion()
	size := int(end-start) / 4 * 3
	if size < 128<<20 {
		size = int(end-start) / 2
	}

	for round := range 2 {
		b := make([]byte, size)
		for i := 0; i < len(b); i += 4096 {
			if b[i] != 0 {
				return fmt.Errorf("round %d: byte %#x is %#x", round, i, b[i])
			}
			b[i] = 0xff
		}
		runtime.KeepAlive(b)
		b = nil
		runtime.GC()
	}
	debug.FreeOSMemory()

	return nil
}

func memoryLimit() error {
	start, end := runtime.MemRegion()
	if got, ram := debug.SetMemoryLimit(-1), int64(end-start); got > ram || got < ram/2 {
		return fmt.Errorf("limit is %d, RAM %d", got, ram)
	}
	return nil
}

func maps() error {
	const n = 20000

	m := map[string]int{}
	for i := range n {
		m[fmt.Sprint("key ", i)] = i
	}
	for i := 0; i < n; i += 2 {
		delete(m, fmt.Sprint("key ", i))
	}

	sum := 0
	for k, v := range m {
		if k != fmt.Sprint("key ", v) {
			return fmt.Errorf("%q has %d", k, v)
		}
		sum += v
	}
	if want := n * n / 4; len(m) != n/2 || sum != want {
		return fmt.Errorf("%d entries with sum %d, want %d with %d", len(m), sum, n/2, want)
	}

	f := map[float64]struct{}{math.NaN(): {}, math.NaN(): {}}
	if len(f) != 2 {
		return fmt.Errorf("%d NaNs, want 2", len(f))
	}

	return nil
}

func selects() error {
	a, b, done := make(chan int), make(chan int, 4), make(chan struct{})

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				select {
				case a <- n:
				case b <- n:
				}
				if i == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()

	got := 0
	for timeout := time.After(10 * time.Second); ; {
		select {
		case <-a:
			got++
			continue
		case <-b:
			got++
			continue
		case <-timeout:
			return fmt.Errorf("timeout with %d values", got)
		case <-done:
		}
		break
	}
	got += len(b)

	if got != 8*500 {
		return fmt.Errorf("%d values, want %d", got, 8*500)
	}

	select {
	case <-a:
		return errors.New("received from a channel nobody sends to")
	default:
	}

	return nil
}

func panics() error {
	zero := 0
	var nilMap map[string]int
	var any interface{} = "text"

	for _, c := range []struct {
		want string
		fn   func()
	}{
		{"index out of range [3] with length 3", func() { _ = make([]int, 3)[zero+3] }},
		{"integer divide by zero", func() { _ = 1 / zero }},
		{"assignment to entry in nil map", func() { nilMap["x"] = 1 }},
		{"interface conversion", func() { _ = any.(int) }},
		{"close of nil channel", func() { close(chan int(nil)) }},
		{"makeslice: len out of range", func() { _ = make([]int, zero-1) }},
		{"inner, then outer", func() {
			defer func() { panic(fmt.Sprint(recover(), ", then outer")) }()
			panic("inner")
		}},
	} {
		got := ""
		func() {
			defer func() { got = fmt.Sprint(recover()) }()
			c.fn()
		}()
		if !strings.Contains(got, c.want) {
			return fmt.Errorf("recovered %q, want %q", got, c.want)
		}
	}

	ended := make(chan bool)
	go func() {
		defer close(ended)
		runtime.Goexit()
	}()
	<-ended

	return nil
}

func deep(n int, pad [64]byte) int {
	if n == 0 {
		return int(pad[0])
	}
	pad[n%64]++
	return deep(n-1, pad) + 1
}

func stackGrowth() error {
	results := make(chan int)
	for range 4 {
		go func() { results <- deep(20000, [64]byte{}) }()
	}
	for range 4 {
		if got := <-results; got < 20000 {
			return fmt.Errorf("depth %d", got)
		}
	}
	return nil
}

// oneThread does what starts threads elsewhere.
func oneThread() error {
	if n := runtime.GOMAXPROCS(4); n != 1 {
		return fmt.Errorf("GOMAXPROCS was %d", n)
	}
	if n := runtime.GOMAXPROCS(0); n != 1 {
		return fmt.Errorf("GOMAXPROCS(4) gave %d", n)
	}
	if n := runtime.NumCPU(); n != 1 {
		return fmt.Errorf("NumCPU = %d", n)
	}

	done := make(chan bool)
	for range 3 {
		go func() {
			runtime.LockOSThread()
			runtime.Gosched()
			time.Sleep(time.Millisecond)
			done <- true // ends locked
		}()
	}
	runtime.LockOSThread()
	for range 3 {
		runtime.Gosched()
		<-done
	}
	runtime.UnlockOSThread()

	return nil
}

func atomics() error {
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 1000 {
				n.Add(1 << 33)
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	if got := n.Load(); got != 10000<<33 {
		return fmt.Errorf("64-bit sum %#x", got)
	}

	if got := math.Sqrt(2) * math.Sin(1); math.Abs(got-1.190019678) > 1e-8 {
		return fmt.Errorf("sqrt(2) sin(1) = %v", got)
	}

	return nil
}

func regions() error {
	memStart, memEnd := runtime.MemRegion()
	textStart, textEnd := runtime.TextRegion()
	dataStart, dataEnd := runtime.DataRegion()

	// As a process the program is not in the heap's memory.
	within := runtime.GOARCH == "amd64" || memStart < textStart && dataEnd < memEnd
	if !(within && textStart < textEnd && textEnd <= dataStart && dataStart < dataEnd) {
		return fmt.Errorf("memory %#x-%#x text %#x-%#x data %#x-%#x", memStart, memEnd, textStart, textEnd, dataStart, dataEnd)
	}

	if v := uintptr(unsafe.Pointer(&checks)); v < uintptr(dataStart) || v >= uintptr(dataEnd) {
		return fmt.Errorf("a variable is at %#x, outside of the data region", v)
	}

	return nil
}

func random() error {
	var a, b [32]byte
	rand.Read(a[:])
	rand.Read(b[:])
	if a == b || a == [32]byte{} {
		return fmt.Errorf("%x, then %x", a, b)
	}

	f, err := os.Open("/dev/urandom")
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.Read(a[:]); n != len(a) || err != nil {
		return fmt.Errorf("/dev/urandom gave %d bytes: %v", n, err)
	}

	return nil
}
