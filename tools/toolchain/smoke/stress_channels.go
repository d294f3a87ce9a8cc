//go:build tamago

package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

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

// stressSelect has several goroutines send by select to several that receive
// by select: each number must arrive exactly once, a nil channel never be
// chosen, and a default be taken when nobody is there.
func stressSelect(n int) error {
	const senders, receivers, count = 4, 3, 24

	a, b, end := make(chan int), make(chan int, n%4), make(chan struct{})
	var never chan int
	var sending, receiving sync.WaitGroup
	var got [senders * count]atomic.Int32
	var chosen atomic.Int32

	for s := range senders {
		sending.Go(func() {
			for i := range count {
				select {
				case a <- s*count + i:
				case b <- s*count + i:
				case <-never:
					chosen.Add(1)
				}
			}
		})
	}
	for range receivers {
		receiving.Go(func() {
			for {
				select {
				case v := <-a:
					got[v].Add(1)
				case v := <-b:
					got[v].Add(1)
				case never <- 1:
					chosen.Add(1)
				case <-end:
					return
				}
			}
		})
	}
	sending.Wait()
	close(end)
	receiving.Wait()
	for len(b) > 0 {
		got[<-b].Add(1)
	}

	for v := range got {
		if times := got[v].Load(); times != 1 {
			return fmt.Errorf("%d arrived %d times", v, times)
		}
	}
	if chosen.Load() != 0 {
		return errors.New("a nil channel was chosen")
	}
	select {
	case v := <-a:
		return fmt.Errorf("%d from a channel without senders", v)
	case a <- 1:
		return errors.New("sent to a channel without receivers")
	default:
		return nil
	}
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
