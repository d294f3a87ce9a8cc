//go:build tamago

package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// stressFor is set by the linker with mode "stress": how long to run.
var stressFor = "30s"

// stuck is after how long without a round a stressor's goroutine counts as lost. It is far beyond the longest round on a
// loaded host: none takes a second there.
const stuck = time.Minute

// A stressor runs one round and says what went wrong.
type stressor struct {
	name  string
	round func(n int) error
}

// Those of memory, channels, timers and calls are in a file each.
var stressors = []stressor{
	{"trees", stressTrees}, {"buffers", stressBuffers}, {"garbage", stressGarbage}, {"channels", stressChannels}, {"select", stressSelect},
	{"timers", stressTimers}, {"tickers", stressTickers}, {"panics", stressPanics}, {"finalizers", stressFinalizers},
	{"cleanups", stressCleanups}, {"maps", stressMaps}, {"stacks", stressStacks}, {"mutexes", stressMutexes},
}

// perStressor is how many goroutines run each.
const perStressor = 2

// A worker is one goroutine of a stressor.
type worker struct {
	stressor
	rounds atomic.Int64
	seen   int64 // at the last look
}

// run ends at the end of the time, or with the first thing that is wrong.
func (w *worker) run(until time.Time) error {
	for n := 0; time.Now().Before(until); n++ {
		if err := w.round(n); err != nil {
			return fmt.Errorf("%s, round %d: %w", w.name, n, err)
		}
		w.rounds.Add(1)
		runtime.Gosched()
	}
	return nil
}

// stress has all of the runtime's services used at once until the time is
// over: what one check alone would find intact, others may disturb. Each round
// checks its own result; here it is about all of them going on, and about what
// is left when they have ended.
func stress() error {
	limit, err := time.ParseDuration(stressFor)
	if err != nil {
		return err
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()

	start := time.Now()
	workers := make([]*worker, len(stressors)*perStressor)
	failed := make(chan error, len(workers))
	var wg sync.WaitGroup
	for i := range workers {
		w := &worker{stressor: stressors[i/perStressor]}
		workers[i] = w
		wg.Go(func() {
			if err := w.run(start.Add(limit)); err != nil {
				failed <- err
			}
		})
	}
	go func() { wg.Wait(); close(failed) }()

	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for looked := start; ; {
		select {
		case <-tick.C:
			report(workers)
			if time.Since(looked) < stuck {
				continue
			}
			looked = time.Now()
			for _, w := range workers {
				n := w.rounds.Load()
				if n == w.seen {
					return fmt.Errorf("%s: no round since %d in %v", w.name, n, stuck)
				}
				w.seen = n
			}
		case err, ok := <-failed:
			if ok {
				return err
			}
			report(workers)
			return errors.Join(ended(workers, time.Since(start), limit), left(before, goroutines))
		}
	}
}

func report(workers []*worker) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("stress: %d collections (%d asked for), %d KiB in use, %d goroutines, rounds:", m.NumGC, m.NumForcedGC, m.HeapAlloc>>10, runtime.NumGoroutine())
	for i, s := range stressors {
		sum := int64(0)
		for _, w := range workers[i*perStressor : (i+1)*perStressor] {
			sum += w.rounds.Load()
		}
		fmt.Printf(" %s %d", s.name, sum)
	}
	fmt.Println()
}

// ended checks that all took part, for as long as they should.
func ended(workers []*worker, took, limit time.Duration) error {
	if took < limit {
		return fmt.Errorf("ended after %v, want %v", took, limit)
	}
	for _, w := range workers {
		if w.rounds.Load() == 0 {
			return fmt.Errorf("%s never ended a round", w.name)
		}
	}
	return nil
}

// left checks that the collector ran on its own, not only when it was called, and that neither memory nor goroutines are
// left over.
func left(before runtime.MemStats, goroutines int) error {
	const slack = 4 << 20 // what pools, timers and dead goroutines' stacks may keep

	time.Sleep(100 * time.Millisecond) // those at their last instructions
	runtime.GC()
	runtime.GC() // what finalizers held back
	var after runtime.MemStats
	runtime.ReadMemStats(&after)

	var err error
	if after.NumGC-after.NumForcedGC == before.NumGC-before.NumForcedGC {
		err = errors.New("no collection but those asked for")
	}
	if after.HeapAlloc > before.HeapAlloc+slack {
		err = errors.Join(err, fmt.Errorf("%d bytes in use at the end, %d at the start", after.HeapAlloc, before.HeapAlloc))
	}
	// The one that runs finalizers and those that run cleanups start with the first.
	if n, most := runtime.NumGoroutine(), goroutines+4; n > most {
		err = errors.Join(err, fmt.Errorf("%d goroutines at the end, want at most %d", n, most))
	}
	return err
}
