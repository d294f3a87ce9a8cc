//go:build tamago

package main

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"mortise/stack/stage"
)

// A fault that inject can have, and what the record must say of it.
type faultCase struct {
	name  string
	kind  stage.Kind
	blame string // function
	cause string // runtime service, "" for the function itself
}

// Cases; inject's numbers are the indexes.
var faultCases = [...]faultCase{
	0:         {},
	1:         {"index out of range", stage.DataAbort, "main.indexOutOfRange", "runtime."},
	2:         {"slice bounds", stage.DataAbort, "main.sliceBounds", "runtime."},
	3:         {"nil dereference", stage.DataAbort, "main.nilDereference", ""},
	4:         {"division by zero", stage.DataAbort, "main.divideByZero", "runtime.panicdivide"},
	5:         {"nil map write", stage.DataAbort, "main.nilMapWrite", "runtime.mapassign"},
	6:         {"map write", stage.DataAbort, "main.mapWrite", "runtime.mapassign"},
	7:         {"allocation", stage.DataAbort, "main.allocate", "runtime.newobject"},
	8:         {"append", stage.DataAbort, "main.appendGrow", "runtime.growslice"},
	9:         {"string concatenation", stage.DataAbort, "main.concatenate", "runtime.concatstring"},
	10:        {"panic", stage.DataAbort, "main.explicitPanic", "runtime.gopanic"},
	11:        {"type assertion", stage.DataAbort, "main.assertType", "runtime.panicdottype"},
	12:        {"throw", stage.DataAbort, "main.unlockUnlocked", unlocker},
	13:        {"print", stage.DataAbort, "main.printIt", "runtime.printlock"},
	14:        {"go statement", stage.DataAbort, "main.goStatement", "runtime.newproc"},
	15:        {"channel send", stage.DataAbort, "main.channelSend", "runtime."},
	16:        {"stack overflow", stage.DataAbort, "main.recurse", "runtime.morestack"},
	17:        {"wild store, unmapped", stage.DataAbort, "main.wildStore", ""},
	18:        {"wild store, text", stage.DataAbort, "main.wildStore", ""},
	19:        {"wild jump, data", stage.PrefetchAbort, "main.wildJump", ""},
	20:        {"wild jump, zero", stage.PrefetchAbort, "main.wildJump", ""},
	21:        {"undefined instruction", stage.Undefined, "main.undefinedInstruction", ""},
	22:        {"supervisor call", stage.SupervisorCall, "main.supervisorCall", ""},
	23:        {"nil function", stage.DataAbort, "main.nilFunction", ""},
	loops:     {"endless loop", stage.Endless, "main.endless", ""}, // but where endsLoops is false
	unaligned: {"unaligned device access", stage.DataAbort, "main.unalignedAccess", ""},
}

// loops is an activation that only the warning before the watchdog's timeout ends.
const loops = 24

// unaligned is a fault that a processor has by its manual, and an emulator may not model: QEMU does since 9.0, on arm64, in
// real time, on a machine with more than one processor.
const unaligned = 25

// What the faults use; variables, so that the compiler cannot know better.
var (
	array      [4]uint32
	index      = 7
	nilPointer *uint32
	zero       uint32
	nilMap     map[uint32]uint32
	someMap    = map[uint32]uint32{}
	someSlice  = make([]uint32, 4)
	sink       *[64]uint32
	sinkString string
	text           = "text"
	someValue  any = text
	someChan       = make(chan uint32)
	someFunc   func()
	someMutex  sync.Mutex
	data       = [2]uint32{returns, returns}
	fellBack   uint32
)

func wordAddress(p *uint32) uint32 { return uint32(uintptr(unsafe.Pointer(p))) }

// inject has the fault of a number. Breaking every rule of oob code is its purpose.
//
//oob:stage oob
//oob:allow call what it calls breaks the rules on purpose
//go:noinline
func inject(number uint32) {
	switch number {
	case 1:
		indexOutOfRange()
	case 2:
		sliceBounds()
	case 3:
		nilDereference()
	case 4:
		divideByZero()
	case 5:
		nilMapWrite()
	case 6:
		mapWrite()
	case 7:
		allocate()
	case 8:
		appendGrow()
	case 9:
		concatenate()
	case 10:
		explicitPanic()
	case 11:
		assertType()
	case 12:
		unlockUnlocked()
	case 13:
		printIt()
	case 14:
		goStatement()
	case 15:
		channelSend()
	case 16:
		array[0] = recurse(1)
	case 17:
		wildStore(unmapped)
	case 18:
		wildStore(textAddress())
	case 19:
		wildJump(wordAddress(&data[0]))
	case 20:
		wildJump(0)
	case 21:
		undefinedInstruction()
	case 22:
		supervisorCall()
	case 23:
		nilFunction()
	case loops:
		loopForever()
	case unaligned:
		unalignedAccess()
	}
}

// defined in regs_*.s
func undefinedInstruction()
func supervisorCall()
func wildJump(addr uint32)

//go:noinline
func indexOutOfRange() { array[index] = 1 }

//go:noinline
func sliceBounds() { someSlice = someSlice[index:] }

//go:noinline
func nilDereference() { *nilPointer = 1 }

//go:noinline
func divideByZero() { array[0] /= zero }

//go:noinline
func nilMapWrite() { nilMap[1] = 1 }

//go:noinline
func mapWrite() { someMap[1] = 1 }

//go:noinline
func allocate() { sink = new([64]uint32) }

//go:noinline
func appendGrow() { someSlice = append(someSlice, 1) }

//go:noinline
func concatenate() { sinkString = text + sinkString + text }

//go:noinline
func explicitPanic() { panic("oob") }

//go:noinline
func assertType() { array[0] = someValue.(uint32) }

//go:noinline
func unlockUnlocked() { someMutex.Unlock() }

//go:noinline
func printIt() { print("oob") }

//go:noinline
func goStatement() { go explicitPanic() }

//go:noinline
func channelSend() { someChan <- 1 }

//go:noinline
func recurse(n uint32) uint32 {
	var frame [16]uint32
	frame[n%16] = recurse(n+1) + n
	return frame[(n+1)%16] + frame[n%16]
}

//go:noinline
func wildStore(addr uint32) { **(**uint32)(unsafe.Pointer(&addr)) = 0 }

//go:noinline
func nilFunction() { someFunc() }

//go:noinline
func unalignedAccess() {
	addr := uintptr(consoleStatus + 1)
	array[0] = **(**uint32)(unsafe.Pointer(&addr))
}

// exhaust recurses until memory ends.
//
//go:noinline
func exhaust(n int) int {
	var frame [1 << 16]byte
	frame[n%len(frame)] = 1
	return exhaust(n+1) + int(frame[n/2%len(frame)])
}

//go:noinline
func spinForever() {
	for {
	}
}

// testFaults has each fault once, restarts the stage, and looks whether it serves.
func testFaults() {
	for number := range faultCases {
		if number > 0 && (number != loops || endsLoops) {
			testFault(uint32(number))
		}
	}
}

func testFault(number uint32) {
	c := faultCases[number]
	faults, kicks := inband.faults.Load(), oob.kicks.Load()
	fellBack = 0

	enableWarning()
	oob.inject.Store(number)
	stage.Kick()
	if s := stage.Status(); number == unaligned && s == stage.Serving {
		fmt.Printf("fault %-22s not one of this machine\n", c.name+":")
		return
	} else if s != stage.Faulted {
		failf("%s: the stage is %v, want faulted", c.name, s)
		return
	}
	if fellBack != 0x600df00d {
		failf("%s: no fallback write", c.name)
	}
	if !eventually(func() bool { return inband.faults.Load() == faults+1 }) {
		failf("%s: not reported", c.name)
	}
	f, _ := stage.LastFault()
	if f.Kind != c.kind || f.Func.Func != c.blame || !strings.HasPrefix(f.Cause, c.cause) || (c.cause == "") != (f.Cause == "") {
		failf("%s: want %v, %s, %s*, got\n%v", c.name, c.kind, c.blame, c.cause, f)
	} else if r, ok := f.Registers.(interface{ Status() string }); ok && number == unaligned && r.Status() != "alignment" {
		failf("%s: %s, want alignment", c.name, r.Status())
	} else {
		fmt.Printf("fault %-22s %v in %v%s\n", c.name+":", f.Kind, f.Func, through(f.Cause))
	}

	if problem := incomplete(&f); problem != "" {
		failf("%s: %s:\n%v", c.name, problem, f)
	}

	stage.Restart() // begins with a kick
	if oob.kicks.Load() != kicks+1 {
		failf("%s: the stage does not serve after Restart", c.name)
	}
}

// incomplete says what the report of an injected fault lacks: a line of the function to blame, or the chain from there to
// inject, to the activation's begin. That of a stack overflow is cut off.
func incomplete(f *stage.Fault) string {
	if f.Func.Line == 0 {
		return "no line"
	}
	want := []string{f.Func.Func, "main.inject", "mortise/stack/stage.dispatch"}
	if f.Func.Func == "main.recurse" {
		want = []string{"main.recurse", "main.recurse"}
	}
	for _, c := range f.Chain {
		if len(want) > 0 && c.Func == want[0] && c.Line > 0 {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		return "no " + want[0] + " in its place of the chain"
	}
	return ""
}

func through(cause string) string {
	if cause == "" {
		return ""
	}
	return ", through " + cause
}
