//go:build tamago && (arm || (arm64 && virt)) && mortise.preempt

package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mortise/drivers/tick"
)

// preemptFor is for how many seconds the mode "preempt" runs, slice the length of a slice in microseconds; set by the linker.
// An emulator with -icount shift=3 executes 125 instructions in a microsecond; in real time a loaded host may give it few.
var (
	preemptFor = "20"
	slice      = "500"
)

func init() {
	register(check{"preemption", func() error { return preempt(time.Second) }})
	modes["preempt"] = func() {
		seconds, err := strconv.Atoi(preemptFor)
		if err == nil {
			err = preempt(time.Duration(seconds) * time.Second)
		}
		if err != nil {
			fmt.Printf("FAIL preemption: %v\n", err)
			return
		}
		fmt.Println("smoke: preemption checks passed")
	}
}

// fewest is how many preemptions there must be.
const fewest = 10

var startTick = sync.OnceFunc(func() {
	start(func() {
		for {
			if _, ok := tick.Take(); !ok {
				return
			}
		}
	})
})

// preempt has goroutines that never yield beside goroutines that check what they compute, with slices of a few thousand
// instructions.
func preempt(d time.Duration) error {
	startTick()
	if err := spinners(); err != nil {
		return err
	}

	us, err := strconv.Atoi(slice)
	if err != nil {
		return err
	}
	tick.Rate(time.Duration(us)*time.Microsecond, time.Duration(us)*time.Microsecond/2)
	defer tick.Rate(10*time.Millisecond, 500*time.Microsecond)
	before := tick.Preempted()
	var (
		stop    atomic.Bool
		group   sync.WaitGroup
		results = make(chan error, 64)
		rounds  [16]atomic.Uint32
	)
	for i, job := range jobs {
		for range 2 {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					if err := job.fn(); err != nil {
						select {
						case results <- fmt.Errorf("%s: %w", job.name, err):
						default:
						}
						return
					}
					rounds[i].Add(1)
					if stop.Load() {
						return
					}
					runtime.Gosched() // where preempted goroutines queue: those that wake each other go first else
				}
			}()
		}
	}
	time.Sleep(d)
	stop.Store(true)
	group.Wait()

	n := tick.Preempted() - before
	fmt.Printf("     %d preemptions;", n)
	for i, job := range jobs {
		fmt.Printf(" %s %d", job.name, rounds[i].Load())
	}
	fmt.Println()
	select {
	case err := <-results:
		return err
	default:
	}
	if n < fewest { // in real time it depends on the host
		return fmt.Errorf("%d preemptions, want %d", n, fewest)
	}
	return nil
}

// spinners checks that goroutines that neither call nor allocate keep nobody from running, and end when told.
func spinners() error {
	var stop [2]uint32
	var group sync.WaitGroup
	for i := range stop {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.LoadUint32(&stop[i]) == 0 {
				for range 1 << 24 {
				}
			}
		}()
	}
	for range 10 {
		start := time.Now()
		time.Sleep(time.Millisecond)
		if took := time.Since(start); took > 5*time.Second {
			return fmt.Errorf("a sleep of 1 ms took %v beside spinning goroutines", took)
		}
	}
	for i := range stop {
		atomic.StoreUint32(&stop[i], 1)
	}
	group.Wait()
	return nil
}

var jobs = []struct {
	name string
	fn   func() error
}{
	{"trees", checkTrees},
	{"maps", checkMaps},
	{"floats", checkFloats},
	{"carries", checkCarries},
	{"defers", checkDefers},
	{"stacks", checkStacks},
	{"channels", checkChannels},
	{"atomics", checkAtomics},
	{"strings", checkStrings},
	{"gc", func() error { runtime.GC(); time.Sleep(50 * time.Millisecond); return nil }},
}

type leafy struct {
	left, right *leafy
	value       int
}

func plant(depth, value int) *leafy {
	if depth == 0 {
		return &leafy{value: value}
	}
	return &leafy{plant(depth-1, 2*value), plant(depth-1, 2*value+1), value}
}

func (t *leafy) sum() int {
	if t == nil {
		return 0
	}
	return t.left.sum() + t.right.sum() + t.value
}

func checkTrees() error {
	// The nodes of a tree that begins with 1 are numbered from 1.
	const depth, nodes = 8, 1<<9 - 1
	t := plant(depth, 1)
	for range 4 {
		if got, want := t.sum(), nodes*(nodes+1)/2; got != want {
			return fmt.Errorf("sum %d, want %d", got, want)
		}
	}
	return nil
}

func checkMaps() error {
	m := map[int]*int{}
	for i := range 500 {
		v := i * 3
		m[i] = &v
	}
	for i := 0; i < 500; i += 2 {
		delete(m, i)
	}
	n := 0
	for k, v := range m {
		if *v != 3*k {
			return fmt.Errorf("m[%d] = %d", k, *v)
		}
		n++
	}
	if n != 250 {
		return fmt.Errorf("%d keys", n)
	}
	return nil
}

// checkFloats keeps more than a few floating-point registers busy in a loop without a call.
func checkFloats() error {
	run := func() (x [8]float64) {
		a, b, c, d, e, f, g, h := 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7
		for i := range 20000 {
			k := float64(i&7) + 1
			a, b, c, d = a*0.5+k/b, b*0.25+k/c, c*0.125+k/d, d*0.75+k/e
			e, f, g, h = e*0.5+k/f, f*0.25+k/g, g*0.125+k/h, h*0.75+k/a
		}
		return [8]float64{a, b, c, d, e, f, g, h}
	}
	if got, want := run(), run(); got != want || math.IsNaN(got[0]) {
		return fmt.Errorf("%v, then %v", got, want)
	}
	return nil
}

// checkCarries has the processor's flags alive between most instructions.
func checkCarries() error {
	const rounds, step = 20000, 0xffff_ffff_ffb
	var x, y uint64
	for range uint64(rounds) {
		x += step
		y -= step
	}
	if x != rounds*step || x+y != 0 {
		return fmt.Errorf("%#x and %#x", x, y)
	}
	return nil
}

var errDeferred = errors.New("deferred")

func checkDefers() error {
	for depth := range 20 {
		n := 0
		err := func() (err error) {
			defer func() { err, _ = recover().(error) }()
			for range depth {
				defer func() { n++ }()
			}
			panic(errDeferred)
		}()
		if err != errDeferred || n != depth {
			return fmt.Errorf("recovered %v, %d of %d deferred calls", err, n, depth)
		}
	}
	return nil
}

// checkStacks grows stacks, whose pointers into themselves must follow.
func checkStacks() error {
	var dive func(n int, sum *int) int
	dive = func(n int, sum *int) int {
		var block [16]int
		block[n&15] = n
		*sum += block[n&15]
		if n == 0 {
			return *sum
		}
		return dive(n-1, sum) + block[n&15] - n
	}
	done := make(chan int)
	go func() { sum := 0; done <- dive(300, &sum) }()
	if got := <-done; got != 300*301/2 {
		return fmt.Errorf("sum %d", got)
	}
	return nil
}

func checkChannels() error {
	in, out, quit := make(chan int), make(chan int, 3), make(chan bool)
	go func() {
		defer close(quit)
		for v := range in {
			out <- v * v
		}
	}()
	sum, sent := 0, 0
	for received := 0; received < 100; {
		send := in
		if sent == 100 {
			send = nil
		}
		select {
		case send <- sent:
			sent++
		case v := <-out:
			sum += v
			received++
		}
	}
	close(in)
	<-quit
	if sum != 99*100*199/6 {
		return fmt.Errorf("sum %d", sum)
	}
	return nil
}

func checkAtomics() error {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		a      atomic.Uint64
		b      atomic.Uint32
		locked int
	)
	for range 3 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 500 {
				a.Add(1 << 31)
				for v := b.Load(); !b.CompareAndSwap(v, v+1); v = b.Load() {
				}
				mu.Lock()
				locked++
				mu.Unlock()
			}
		}()
	}
	group.Wait()
	if a.Load() != 1500<<31 || b.Load() != 1500 || locked != 1500 {
		return fmt.Errorf("%#x, %d, %d", a.Load(), b.Load(), locked)
	}
	return nil
}

func checkStrings() error {
	s := ""
	for i := range 50 {
		s += strconv.Itoa(i)
	}
	b := []byte(s)
	if string(b) != s || len(s) != 90 || fmt.Sprint(len(b), s[88:]) != "9049" {
		return fmt.Errorf("%q", s)
	}
	return nil
}
