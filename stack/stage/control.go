//go:build tamago

package stage

import (
	"runtime"
	"runtime/goos"
	"sync"
	"unsafe"

	"mortise/drivers/gic"
	"mortise/drivers/mmio"
)

// A Write is a register write that the fault vectors make once the stage has stopped: to silence a device, for example.
type Write struct{ Addr, Value uint32 }

// maxFallback is the number of fallback writes that the vectors have room for beside the stage's own.
const maxFallback = 8

// Config is what Init needs.
type Config struct {
	CPU *Processor
	GIC *Controller // initialised

	// Fallback is at most eight register writes that the vectors make, in order, after a fault has stopped the stage: to
	// mask the devices that it drove.
	Fallback []Write
	// OnFault is called in-band, from HandleWake, after a fault: every device is to be served in-band from here on.
	OnFault func(Fault)

	// Mark, if not 0, is the address of a word that survives a reset: it gets MarkContain when containing a fault has failed
	// twice and nothing is left but the watchdog.
	Mark uintptr

	// Trace, if not 0, is the address of TraceSize bytes that survive a reset: they get what ReadTrace reads after a fault.
	// ARMv7 only.
	Trace uintptr
}

// words of the g that Go's prologues and runtime read (runtime/runtime2.go, type g): the stack's bounds, then both
// guards. The others stay zero, above all m, the seventh: every runtime service loads through it first.
const (
	gWords     = 256
	stackGuard = 928 // runtime.stackGuard
)

// vectorWords are in front of the g, where fiqVector gets all of them by one instruction: vectorWord, and what Hold has set,
// the time and the last of its ticks.
const vectorWords = 3

var (
	ctl    control
	fault  record
	second record   // of the fault path's own fault
	hand   handover // what the vectors need for in-band's exceptions

	oobG  [vectorWords + gWords]uintptr
	stack [StackSize / 4]uint32

	cpu     *Processor
	intc    Controller
	onFault func(Fault)

	mu       sync.Mutex
	reported uint32 // faults decoded
	last     Fault
)

// The image's function, and what every architecture's vectors have beside the vectors themselves.
func dispatch(id uint32)
func bank()
func unmask()
func halt()

// Init prepares the stage: vectors, banked registers, stack, its three interrupts, and goos.Exit. The stage is stopped
// afterwards. Call it once.
//
//oob:stage init
func Init(c Config) {
	if ctl.state != uint32(Down) {
		panic("stage: Init called twice")
	}
	if len(c.Fallback) > maxFallback {
		panic("stage: more than 8 fallback writes")
	}
	cpu, intc, onFault = c.CPU, *c.GIC, c.OnFault
	setController(c)
	ctl.mark = c.Mark
	ctl.fallbacks = uint32(copy(ctl.fallback[:], c.Fallback))

	prepare()
	setVectors()
	goos.Exit = exit

	Disarm()
	intc.Assign(KickSGI, gic.Oob)
	intc.Assign(WakeSGI, gic.Inband)
	intc.Assign(TimerPPI, gic.Oob)
	intc.SetPriority(TimerPPI, gic.PriorityFirst)
	for _, id := range []uint32{KickSGI, WakeSGI, TimerPPI} {
		intc.Enable(id)
	}
	intc.Forward(true)
	unmask()
	mmio.Store(&ctl.state, uint32(Stopped))
}

// prepare paints the stack, and sets the stage's g and banked registers.
func prepare() {
	for i := range stack {
		stack[i] = pattern
	}
	clear(oobG[:])
	lo := uintptr(unsafe.Pointer(&stack))
	oobG[0] = vectorWord()
	copy(oobG[vectorWords:], []uintptr{lo, lo + StackSize, lo + stackGuard, lo + stackGuard})
	bank()
}

// Start lets the stage serve. It begins with a kick, for those that came while it was down.
//
//oob:stage inband
func Start() {
	if State(mmio.Load(&ctl.state)) != Stopped {
		return
	}
	intc.Enable(TimerPPI) // downVector disables what expires while the stage is down
	mmio.Store(&ctl.state, uint32(Serving))
	serve(true)
	Kick()
}

// Stop stops the stage and its timer: when it returns, no activation is under way and none follows. A kick meanwhile waits for Start; a
// device of the oob group that interrupts is disabled at the interrupt controller: route it to in-band before.
//
//oob:stage inband
func Stop() {
	if State(mmio.Load(&ctl.state)) != Serving {
		return
	}
	serve(false)
	mmio.Store(&ctl.state, uint32(Stopped))
	Disarm()
}

// Restart serves again after a fault. The devices must be in the state that they had before the first Start.
//
//oob:stage inband
func Restart() {
	if State(mmio.Load(&ctl.state)) != Faulted {
		return
	}
	prepare()
	Disarm()
	mmio.Store(&ctl.depth, 0)
	mmio.Store(&ctl.state, uint32(Stopped))
	Start()
}

// Status returns what the stage does.
//
//oob:stage inband
func Status() State { return State(mmio.Load(&ctl.state)) }

// Running reports whether the stage serves.
//
//oob:stage inband
func Running() bool { return mmio.Load(&ctl.state) == uint32(Serving) }

// Statistics returns what the stage counted.
//
//oob:stage inband
func Statistics() Stats {
	return Stats{
		Activations:    mmio.Load(&ctl.activations),
		LongestTicks:   mmio.Load(&ctl.longest),
		HighWaterBytes: highWater(stack[:]),
		StackBytes:     StackSize,
		Faults:         mmio.Load(&fault.count),
	}
}

// ResetLongest starts a new measurement of the longest activation.
//
//oob:stage inband
func ResetLongest() { mmio.Store(&ctl.longest, 0) }

// HandleWake looks for a fault and reports it to Config.OnFault. In-band's interrupt service calls it when WakeSGI is
// taken; the image serves its own reasons for a wake besides.
//
//oob:stage inband
func HandleWake() {
	mu.Lock()
	n := mmio.Load(&fault.count)
	if n == reported {
		mu.Unlock()
		return
	}
	reported = n
	last = decode(&fault, running{})
	if mmio.Load(&ctl.depth) > 1 {
		f := decode(&second, running{})
		last.Second = &f
	}
	f := last
	mu.Unlock()

	if onFault != nil {
		onFault(f)
	}
}

// LastFault returns the last fault that HandleWake reported.
//
//oob:stage inband
func LastFault() (f Fault, ok bool) {
	mu.Lock()
	defer mu.Unlock()
	return last, reported != 0
}

// Fault returns the fault of a trace. same says that it is of the image that runs now: functions and lines are known then.
//
//oob:stage inband
func (t *Trace) Fault(same bool) Fault {
	if !same {
		return decode(&t.rec, nameless{})
	}
	return decode(&t.rec, past{running{}, t})
}

// exit ends in-band and leaves the oob stage serving.
func exit(int32) {
	// Or a pending in-band interrupt, which nobody takes any more, would end each WFI at once.
	intc.MaskInband(true)
	halt()
}

// running is the running image.
type running struct{}

func (running) Load(addr uintptr) (uint32, bool) {
	start, end := runtime.TextRegion()
	lo := uintptr(unsafe.Pointer(&stack))
	inText := addr >= uintptr(start) && addr < uintptr(end)
	inStack := addr >= lo && addr < lo+StackSize
	if addr%4 != 0 || !inText && !inStack {
		return 0, false
	}
	return mmio.LoadMem(addr), true
}

func (running) Function(pc uintptr) (string, uintptr, bool) {
	f := runtime.FuncForPC(pc)
	if f == nil {
		return "", 0, false
	}
	return f.Name(), f.Entry(), true
}

// The runtime tells the innermost of inlined functions with its line, and the outermost, which is named with the line it
// begins on.
func (running) Calls(pc uintptr) []Call {
	// CallersFrames takes return addresses, and looks at the byte before.
	inner, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
	calls := []Call{{PC: pc, Func: inner.Function, File: inner.File, Line: inner.Line}}
	if inner.Entry == 0 {
		return calls
	}
	if outer := runtime.FuncForPC(inner.Entry); outer != nil && outer.Name() != inner.Function {
		file, line := outer.FileLine(inner.Entry)
		calls = append(calls, Call{PC: pc, Func: outer.Name(), File: file, Line: line})
	}
	return calls
}
