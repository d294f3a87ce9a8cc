//go:build tamago

// Command stagetest is a firmware that proves the oob stage: the timer's jitter under in-band load, kicks and wakes, every
// kind of fault with the return to in-band after it, and that the stage outlives in-band. It is an image of its own, so
// that nothing of it, least of all the fault injection, is in production. qemu_test.go boots it. What it does stands in the
// word at commandAddr, which QEMU's loader device fills in:
//
//	0        every test but deaths; ends with STAGETEST PASS or STAGETEST FAIL
//	1 …      ends in-band, by deaths' number; the oob stage then prints STAGETEST OUTLIVED by itself; the last of them, on a
//	         board with a watchdog, ends both stages, and the run after its reset prints STAGETEST CRASH TOLD
//
// with bit 31 set where the emulator counts instructions.
//
// Afterwards the console takes the same as the lines "all" and "die NAME".
//
// It is built for mx6ullevk (GOARCH=arm) and virt (GOARCH=arm64); target_*.go has what differs.
//
// Stage: both. Does not support: hardware, whose memory holds no command.
package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"mortise/drivers/mmio"
	"mortise/stack/stage"
)

// commandAddr is a word of DMA memory that nothing else uses.
const commandAddr = dmaEnd - 16

// countsInstructions is the bit of the word that says that time is virtual: the emulator counts instructions.
const countsInstructions = 1 << 31

var failures int

func failf(format string, args ...any) {
	failures++
	fmt.Printf("FAIL "+format+"\n", args...)
}

func main() {
	if err := initBoard(); err != nil {
		failf("board: %v", err)
	}
	if tellCrash() {
		select {}
	}
	config := stageConfig()
	config.OnFault, config.Fallback, config.Mark = onFault, fallback(), record.Doing()
	stage.Init(config)
	initWarning()
	go serveInterrupts(serviceInterrupts)
	stage.Start()

	if command := mmio.LoadMem(commandAddr) &^ countsInstructions; command > 0 && command <= uint32(len(deaths)) {
		die(deaths[command-1].name)
	} else {
		all()
	}
	for {
		fmt.Println("STAGETEST READY")
		words := strings.Fields(readLine())
		switch {
		case len(words) == 1 && words[0] == "all":
			all()
		case len(words) == 2 && words[0] == "die":
			die(words[1])
		default:
			fmt.Printf("unknown command %q\n", words)
		}
	}
}

type test struct {
	name string
	run  func()
}

func all() {
	start := time.Now()
	for _, t := range append([]test{
		{"jitter", testJitter},
		{"kick", testKick},
		{"stop", testStop},
		{"hold", testHold},
		{"exact return", testExactReturn},
		{"faults", testFaults},
		{"double fault", testDoubleFault},
		{"jitter after faults", testJitter},
	}, targetTests...) {
		before := failures
		t.run()
		if failures == before {
			fmt.Printf("ok   %s\n", t.name)
		}
	}
	s := stage.Statistics()
	fmt.Printf("statistics: %+v, %d MHz ticks, %v\n", s, stage.TicksPerSecond()/1e6, time.Since(start).Round(time.Millisecond))
	if failures > 0 {
		fmt.Printf("STAGETEST FAIL %d\n", failures)
		return
	}
	fmt.Println("STAGETEST PASS")
}

const (
	rateHz = 10_000
	ticks  = 10_000
)

// testJitter runs a periodic oob task under garbage collection and prints.
func testJitter() {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop := make(chan struct{})
	done := make(chan struct{})
	go churn(stop, done)

	stage.ResetLongest()
	startTicks(stage.TicksPerSecond()/rateHz, ticks)
	for i := 0; oob.left.Load() > 0; i++ {
		if i%8 == 0 {
			fmt.Printf("jitter: %d ticks to go\n", oob.left.Load())
		}
		runtime.GC()
	}
	close(stop)
	<-done

	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	s := stage.Statistics()
	fmt.Printf("jitter: %d activations at %d Hz, %d collections, late %d to %d ticks, longest %d ticks, stack %d of %d bytes\n",
		ticks, rateHz, after.NumGC-before.NumGC, oob.early, oob.late, s.LongestTicks, s.HighWaterBytes, s.StackBytes)
	if virtualTime() && (oob.missed != 0 || oob.late-oob.early > spread) {
		failf("jitter: late %d to %d ticks, want %d of difference at most", oob.early, oob.late, spread)
	}
}

// virtualTime reports whether the emulator counts instructions: only then is a latency a number that repeats.
func virtualTime() bool { return mmio.LoadMem(commandAddr)&countsInstructions != 0 }

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

// churn allocates until stop is closed.
func churn(stop, done chan struct{}) {
	defer close(done)
	for {
		select {
		case <-stop:
			return
		default:
			m := map[int]*tree{}
			for i := range 32 {
				m[i] = grow(6)
			}
			runtime.Gosched()
		}
	}
}

// testKick makes round trips: in-band kicks, oob wakes.
func testKick() {
	const rounds = 1000
	for i := range uint32(rounds) {
		kicks, wakes := oob.kicks.Load(), inband.wakes.Load()
		oob.answer.Store(1)
		stage.Kick()
		if got := oob.kicks.Load(); got != kicks+1 {
			failf("kick %d: %d activations before the next statement, want 1", i, got-kicks)
			break
		}
		if !eventually(func() bool { return inband.wakes.Load() != wakes }) {
			failf("kick %d: no wake", i)
			break
		}
	}
	oob.answer.Store(0)
	fmt.Printf("kick: %d kicks, %d wakes\n", oob.kicks.Load(), inband.wakes.Load())
}

// testStop checks that nothing runs while the stage is stopped, and that a kick is kept.
func testStop() {
	stage.Stop()
	before := oob.kicks.Load()
	stage.Kick()
	if stage.Running() || oob.kicks.Load() != before {
		failf("stop: the stage ran while stopped")
	}
	stage.Start()
	if oob.kicks.Load() != before+1 {
		failf("stop: the kick was lost")
	}
}

// eventually waits up to a second for ok.
func eventually(ok func() bool) bool {
	for deadline := time.Now().Add(time.Second); ; {
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		runtime.Gosched()
	}
}
