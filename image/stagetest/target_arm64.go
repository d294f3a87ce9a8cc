//go:build tamago

package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	board "mortise/board/virt"
	preempt "mortise/drivers/tick"
	"mortise/stack/stage"
)

const (
	dmaEnd    = board.DMABase + board.DMASize
	crashBase = board.CrashBase

	// spread is by how many ticks of the counter, of two instructions each, activations may come more or less late: in-band's
	// interrupts have F masked in their first four instructions and in their last four.
	spread = 3

	unmapped  = 0x80000000
	returns   = 0xd65f03c0                    // ret
	fallsBack = "mortise/stack/stage.contain" // the vector that makes the fallback writes
	unlocker  = "internal/sync."

	// breakable is in a block of DMA memory that nothing uses: unmapped, the fault vectors' own write faults.
	breakable = board.DMABase + 32<<20
)

// The transmitter (chapter 3, ARM DDI 0183).
const (
	consoleData   = board.UARTBase + board.UARTDR
	consoleStatus = board.UARTBase + board.UARTFR
	consoleFull   = board.FR_TXFF
)

func initBoard() error { return board.Init() }

func stageConfig() stage.Config { return stage.Config{CPU: board.CPU, GIC: &board.GIC} }

func readLine() string { return board.ReadLine() }

func take() (uint32, bool) {
	if ticking.Load() {
		return preempt.Take()
	}
	return board.GIC.Take()
}

// targetTests are those of this target alone.
var targetTests = []test{{"fair in-band", testFairness}}

// ticking says that the in-band tick serves interrupts, in place of TamaGo.
var ticking atomic.Bool

// testFairness has goroutines that never yield beside the stage's activations and goroutines that sleep, and in-band kicked and
// woken, once the in-band tick runs.
func testFairness() {
	if !preempt.Available {
		fmt.Println("fair in-band: this Go does not preempt")
		return
	}
	exact := virtualTime()
	if !ticking.Swap(true) {
		preempt.Start(board.CPU, &board.GIC, serviceInterrupts)
	}
	var stop [2]uint32
	var spinners sync.WaitGroup
	for i := range stop {
		spinners.Go(func() {
			for atomic.LoadUint32(&stop[i]) == 0 {
				for range 1 << 24 {
				}
			}
		})
	}
	// At periods that share nothing with the activations': in-band's interrupts come at each distance from one.
	preempt.Rate(93*time.Microsecond, 41*time.Microsecond)
	defer preempt.Rate(10*time.Millisecond, 500*time.Microsecond)
	before := preempt.Preempted()
	startTicks(stage.TicksPerSecond()/rateHz, ticks)
	sleeps, woken := 0, 0
	for ; oob.left.Load() > 0; sleeps++ {
		time.Sleep(time.Millisecond)
		if sleeps%4 == 0 {
			wakes := inband.wakes.Load()
			oob.answer.Store(1)
			stage.Kick()
			oob.answer.Store(0)
			if eventually(func() bool { return inband.wakes.Load() != wakes }) {
				woken++
			}
		}
	}
	for i := range stop {
		atomic.StoreUint32(&stop[i], 1)
	}
	spinners.Wait()
	preempted := preempt.Preempted() - before
	fmt.Printf("fair in-band: %d sleeps, %d wakes and %d preemptions beside spinning goroutines, late %d to %d ticks\n",
		sleeps, woken, preempted, oob.early, oob.late)
	if sleeps < 5 || woken != (sleeps+3)/4 || preempted < 5 {
		failf("fair in-band: goroutines that spin kept others waiting")
	}
	if exact && (oob.missed != 0 || oob.late-oob.early > spread) {
		failf("fair in-band: activations late %d to %d ticks, want %d of difference at most", oob.early, oob.late, spread)
	}
}

// clobber changes every register that Go code may change.
//
//oob:stage oob
//go:noescape
func clobber()

func textAddress() uint32 {
	start, _ := runtime.TextRegion()
	return uint32(start) + 0x1000
}

func mapBreakable(yes bool) { board.MapDMA(breakable, yes) }

// hold fills the registers with patterns, with IRQ masked if mode is 1, spins until *fired is set, and returns a bit for each
// register that has changed: X3–X30 but X18, 31 for SP, 0 the flags or what the loop counts by, 1 FPCR or FPSR; and one for
// each of V0–V31.
//
//go:noescape
func hold(mode uint32, fired *uint32) (x, v uint32)

func held(mode uint32, fired *uint32) string {
	if x, v := hold(mode, fired); x != 0 || v != 0 {
		return fmt.Sprintf("X %#x, V %#x", x, v)
	}
	return ""
}

var modes = []struct {
	name string
	mode uint32
}{{"EL1", 0}, {"EL1 with IRQ masked", 1}}

// tripleFault cannot be had: nothing on this machine could tell, which has no watchdog.
func tripleFault() { failf("no watchdog") }

// endsLoops: F stays masked for the whole activation, so that nothing ends one.
const endsLoops = false

//oob:stage oob
func loopForever() {}

func initWarning() {}

func enableWarning() {}
