//go:build tamago

package selftest

import (
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/task"
)

// What Run is asked to do, a byte each.
const (
	askEcho   = 'e' // send the message back
	askLong   = 'l' // take longer than the budget
	askLate   = 'o' // take longer than two periods
	askStart  = 't' // start the one-shot timer
	askSelf   = 's' // make itself ready for as many runs as an activation allows, and some more
	askFault  = 'f' // load from where nothing is
	longLoops = 1 << 16
)

// Set before the stage starts.
var (
	buffer  task.Buffer
	oneShot task.Timer
	long    uint32 // ticks of askLong
	late    uint32 // and of askLate
)

var state struct {
	runs   uint32
	again  uint32
	nobody uint32
}

// Run is the task that is started by in-band's messages.
//
//oob:stage oob
func Run() {
	mmio.Store(&state.runs, state.runs+1)
	if state.again != 0 {
		state.again--
		task.Ready(task.Current())
		return
	}
	var m [task.MaxMessage]byte
	n, ok := buffer.Receive(m[:])
	if !ok || n == 0 {
		return
	}
	switch m[0] {
	case askEcho:
		buffer.Send(m[:n&(task.MaxMessage-1)])
	case askLong:
		spend(long)
	case askLate:
		spend(late)
	case askStart:
		oneShot.In(long)
	case askSelf:
		state.again = 3 * task.MaxRuns
		task.Ready(task.Current())
	case askFault:
		task.Log(1, task.Current(), 0)
		state.runs += *(*uint32)(unsafe.Pointer(uintptr(nowhere)))
	}
}

// nowhere is an address at which nothing is: a variable, so that the compiler does not see it.
var nowhere uint32 = 0xe0000000

// spend waits for so many ticks.
//
//oob:stage oob
func spend(ticks uint32) {
	begin := task.Now()
	for range longLoops {
		if task.Now()-begin >= ticks {
			break
		}
	}
}

// Tick is the periodic task.
//
//oob:stage oob
func Tick() {
	n := mmio.Load(&ticks) + 1
	mmio.Store(&ticks, n)
	if n%1024 == 0 {
		task.Log(0, n, uint32(task.Periodic(task.Current()).Overruns()))
	}
}

// ticks counts the runs of Tick.
var ticks uint32

// Fire is the task of the one-shot timer.
//
//oob:stage oob
func Fire() { mmio.Store(&fired, mmio.Load(&fired)+1) }

// Hog is a task that, once posted, makes itself ready for ever: only its quota ends that.
//
//oob:stage oob
func Hog() {
	spend(hogTicks)
	task.Ready(task.Current())
}

// hogTicks is how long a run of Hog takes.
var hogTicks uint32

// fired counts the runs of Fire.
var fired uint32
