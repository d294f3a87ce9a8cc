//go:build tamago

package main

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stressFor is set by the linker with mode "stress": how long to run.
var stressFor = "30s"

// A stressor runs one round and says what went wrong.
type stressor struct {
	name  string
	round func(n int) error
}

// stress has all of the runtime's services used at once until the time is
// over: what one check alone would find intact, others may disturb.
func stress() error {
	limit, err := time.ParseDuration(stressFor)
	if err != nil {
		return err
	}
	until := time.Now().Add(limit)

	stressors := []stressor{
		{"trees", stressTrees}, {"channels", stressChannels}, {"timers", stressTimers}, {"panics", stressPanics},
		{"finalizers", stressFinalizers}, {"maps", stressMaps}, {"stacks", stressStacks}, {"mutexes", stressMutexes},
	}
	rounds := make([]atomic.Int64, len(stressors))
	failed := make(chan error, 2*len(stressors))

	var wg sync.WaitGroup
	for i, s := range stressors {
		for range 2 {
			wg.Go(func() {
				for n := 0; time.Now().Before(until); n++ {
					if err := s.round(n); err != nil {
						failed <- fmt.Errorf("%s, round %d: %w", s.name, n, err)
						return
					}
					rounds[i].Add(1)
					runtime.Gosched()
				}
			})
		}
	}
	go func() { wg.Wait(); close(failed) }()

	report := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Printf("stress: %d collections, %d goroutines, rounds:", m.NumGC, runtime.NumGoroutine())
		for i, s := range stressors {
			fmt.Printf(" %s %d", s.name, rounds[i].Load())
		}
		fmt.Println()
	}
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			report()
		case err, ok := <-failed:
			if ok {
				return err
			}
			report()
			for i, s := range stressors {
				if rounds[i].Load() == 0 {
					return fmt.Errorf("%s never ended a round", s.name)
				}
			}
			return nil
		}
	}
}

func stressTrees(n int) error {
	depth := 8 + n%5
	t := grow(depth)
	runtime.Gosched()
	if got := t.sum(); got != 1<<depth {
		return fmt.Errorf("sum %d, want %d", got, 1<<depth)
	}
	if n%50 == 0 {
		runtime.GC()
	}
	return nil
}

// stressChannels passes numbers through a chain of goroutines, with a way out
// at each.
func stressChannels(n int) error {
	const stages, count = 10, 20

	quit := make(chan struct{})
	in := make(chan int)
	out := in
	for s := range stages {
		from, to := out, make(chan int, s%3)
		go func() {
			defer close(to)
			for {
				select {
				case v, ok := <-from:
					if !ok {
						return
					}
					select {
					case to <- v + 1:
					case <-quit:
						return
					}
				case <-quit:
					return
				}
			}
		}()
		out = to
	}
	go func() {
		defer close(in)
		for i := range count {
			in <- n + i
		}
	}()

	for i := range count {
		if v, ok := <-out; !ok || v != n+i+stages {
			return fmt.Errorf("got %d, %v, want %d", v, ok, n+i+stages)
		}
	}
	close(quit)
	return nil
}

func stressTimers(n int) error {
	const late = time.Minute // it is about loss, not about latency

	var fired atomic.Int32
	done := make(chan struct{})
	d := time.Duration(n%7) * time.Millisecond
	start := time.Now()
	stopped := time.AfterFunc(time.Hour, func() { fired.Add(100) })
	time.AfterFunc(d, func() { fired.Add(1); close(done) })
	stopped.Reset(2 * time.Hour)

	select {
	case <-done:
	case <-time.After(late):
		return fmt.Errorf("a timer of %v is lost", d)
	}
	if took := time.Since(start); took < d {
		return fmt.Errorf("a timer of %v fired after %v", d, took)
	}
	if !stopped.Stop() || fired.Load() != 1 {
		return fmt.Errorf("fired %d times", fired.Load())
	}
	return nil
}

func stressPanics(n int) (err error) {
	deferred := 0
	defer func() {
		r := recover()
		if s := fmt.Sprint(r); !strings.Contains(s, "index out of range") || deferred != n%20+1 {
			err = fmt.Errorf("recovered %q after %d deferred calls, want %d", s, deferred, n%20+1)
		}
	}()

	var down func(left int, list []int)
	down = func(left int, list []int) {
		defer func() { deferred++ }()
		if left == 0 {
			_ = list[n%3+3]
		}
		down(left-1, list)
	}
	down(n%20, make([]int, 3))
	return nil
}

// stressFinalizers waits for the end of an object that the others' garbage
// may hold back, but not for ever.
func stressFinalizers(n int) error {
	ended := make(chan int, 1)
	func() {
		object := &tree{value: n}
		runtime.SetFinalizer(object, func(t *tree) { ended <- t.value })
	}()
	for range 100 {
		runtime.GC()
		select {
		case v := <-ended:
			if v != n {
				return fmt.Errorf("finalized %d, want %d", v, n)
			}
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("not finalized in 100 collections")
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

func stressStacks(n int) error {
	depth := 100 + n*37%2000
	result := make(chan int)
	go func() { result <- deep(depth, [64]byte{}) }()
	if got := <-result; got < depth {
		return fmt.Errorf("depth %d, want %d", got, depth)
	}
	return nil
}

func stressMutexes(n int) error {
	var mu sync.RWMutex
	var wg sync.WaitGroup
	sum := 0
	for range 10 {
		wg.Go(func() {
			for range 2 {
				mu.Lock()
				was := sum
				runtime.Gosched()
				sum = was + 1
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	mu.RLock()
	defer mu.RUnlock()
	if sum != 20 {
		return fmt.Errorf("sum %d, want 20", sum)
	}
	return nil
}
