//go:build tamago

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"
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

var stressors = []stressor{
	{"trees", stressTrees}, {"buffers", stressBuffers}, {"channels", stressChannels}, {"select", stressSelect},
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
			return errors.Join(ended(workers, time.Since(start), limit), left(before, goroutines, limit))
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

// left checks that the collector ran on its own, not only when it was called, if there was time,
// and that neither memory nor goroutines are left over.
func left(before runtime.MemStats, goroutines int, ran time.Duration) error {
	const slack = 4 << 20 // what pools, timers and dead goroutines' stacks may keep

	time.Sleep(100 * time.Millisecond) // those at their last instructions
	runtime.GC()
	runtime.GC() // what finalizers held back
	var after runtime.MemStats
	runtime.ReadMemStats(&after)

	var err error
	// At 31 MIPS ten seconds do not make 4 MiB of garbage between two collections that are asked for.
	const enough = time.Minute
	if ran >= enough && after.NumGC-after.NumForcedGC == before.NumGC-before.NumForcedGC {
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

// late is when a timer is lost: it is about loss, not about latency.
const late = time.Minute

func stressTimers(n int) error {
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

	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	start = time.Now()
	time.Sleep(d / 2)
	<-ctx.Done()
	if took := time.Since(start); ctx.Err() != context.DeadlineExceeded || took < d/2 {
		return fmt.Errorf("a deadline of %v: %v after %v", d, ctx.Err(), took)
	}
	return nil
}

// stressTickers counts a ticker's ticks, none of which may come before its
// time, then takes another period, then none.
func stressTickers(n int) error {
	const period = 2 * time.Millisecond

	tick := time.NewTicker(period)
	defer tick.Stop()
	lost := time.After(late)
	for _, every := range []time.Duration{period, period + time.Duration(n%3)*time.Millisecond} {
		start := time.Now()
		tick.Reset(every)
		for i := range 3 {
			select {
			case <-tick.C:
				if took, least := time.Since(start), time.Duration(i+1)*every; took < least {
					return fmt.Errorf("tick %d of %v after %v", i, every, took)
				}
			case <-lost:
				return fmt.Errorf("tick %d of %v is lost", i, every)
			}
		}
	}
	tick.Stop()
	select {
	case <-tick.C:
		return errors.New("a stopped ticker ticks")
	case <-time.After(2 * period):
		return nil
	}
}

// thrown are panics of several kinds, each with what recover must give.
var thrown = []struct {
	want string
	fn   func(list []int, none map[int]int, anything any)
}{
	{"index out of range [5] with length 3", func(list []int, _ map[int]int, _ any) { list[5]++ }},
	{"slice bounds out of range", func(list []int, _ map[int]int, _ any) { _ = list[len(list)+1:] }},
	{"nil map", func(_ []int, none map[int]int, _ any) { none[1] = 1 }},
	{"interface conversion", func(_ []int, _ map[int]int, anything any) { _ = anything.(fmt.Stringer) }},
	{"divide by zero", func(list []int, _ map[int]int, _ any) { list[0] /= list[1] }},
	{"first, second", func([]int, map[int]int, any) {
		defer func() { panic(fmt.Sprint(recover(), ", second")) }()
		panic("first")
	}},
}

// stressPanics panics below some frames, each of which has a deferred call,
// and has a goroutine ended from as deep.
func stressPanics(n int) (err error) {
	depth, t := n%20+1, thrown[n%len(thrown)]
	deferred := 0
	var down func(left int, end func())
	down = func(left int, end func()) {
		defer func() { deferred++ }()
		if left == 1 {
			end()
		}
		down(left-1, end)
	}

	text := ""
	func() {
		defer func() { text = fmt.Sprint(recover()) }()
		down(depth, func() { t.fn(make([]int, 3), nil, n) })
	}()
	if !strings.Contains(text, t.want) || deferred != depth {
		return fmt.Errorf("recovered %q after %d deferred calls, want %q after %d", text, deferred, t.want, depth)
	}

	deferred = 0
	gone := make(chan any)
	go func() {
		defer func() { gone <- recover() }()
		down(depth, runtime.Goexit)
	}()
	if r := <-gone; r != nil || deferred != depth {
		return fmt.Errorf("Goexit gave %v after %d deferred calls, want none after %d", r, deferred, depth)
	}
	return nil
}

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

// A frame is a link of the chain that stressStacks builds on the stack.
type frame struct {
	up  *frame
	n   int
	pad [4]int
}

// climb grows the stack under pointers into it, then follows them to the top.
func climb(left int, up *frame) (sum int) {
	f := frame{up: up, n: left, pad: [4]int{left, left, left, left}}
	if left > 0 {
		sum = climb(left-1, &f)
	} else {
		runtime.Gosched()
		for link := &f; link != nil; link = link.up {
			sum += link.n
		}
	}
	if f.n != left || f.pad != [4]int{left, left, left, left} {
		return -1
	}
	return sum
}

func stressStacks(n int) error {
	depth := 100 + n*37%2000
	result := make(chan int)
	go func() { result <- climb(depth, nil) }()
	if got, want := <-result, depth*(depth+1)/2; got != want {
		return fmt.Errorf("a sum of %d over %d frames, want %d", got, depth, want)
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
