//go:build tamago

package main

import (
	"fmt"
	"os"
	"sync/atomic"

	"mortise/stack/stage"
)

// inband is the state of the in-band side.
var inband struct {
	wakes  atomic.Uint32
	faults atomic.Uint32
}

func serviceInterrupts() {
	for {
		id, ok := take()
		if !ok {
			return
		}
		if id == stage.WakeSGI {
			stage.HandleWake()
			inband.wakes.Add(1)
		}
	}
}

func onFault(stage.Fault) { inband.faults.Add(1) }

// fallback writes a word of the test's own memory, to see that the vectors make the writes.
func fallback() []stage.Write {
	return []stage.Write{{Addr: wordAddress(&fellBack), Value: 0x600df00d}, {Addr: breakable}}
}

// deaths are the ends of in-band that the stage must outlive.
var deaths = []struct {
	name string
	die  func()
}{
	{"panic", func() { panic("in-band panics") }},
	{"abort", func() { fmt.Println(*nilPointer) }},
	{"undefined", undefinedInstruction},
	{"exit", func() { os.Exit(1) }},
	{"throw", unlockUnlocked},
	{"deadlock", func() { select {} }},
	{"spin", spinForever},
	{"overflow", func() { exhaust(1) }},
	{"triple fault", tripleFault}, // but where there is no watchdog
}

const outliveTicks = 2_000

// die ends in-band. The oob stage prints its message after outliveTicks activations, none missed.
func die(kind string) {
	for _, d := range deaths {
		if d.name != kind {
			continue
		}
		fmt.Printf("STAGETEST DIES %s\n", kind)
		oob.watch.Store(1)
		startTicks(stage.TicksPerSecond()/rateHz, outliveTicks)
		d.die()
		fmt.Println("STAGETEST FAIL in-band lives")
		return
	}
	fmt.Printf("unknown death %q\n", kind)
}
