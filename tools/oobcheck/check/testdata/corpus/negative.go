//go:build tamago

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	keep(allocates, allocatesSlice, grows, concatenates, boxes, closes)
	keep(writesPointer, readsMap, writesMap, makesMap, sends, receives, selects)
	keep(callsInterface, callsFunc, listsWrongTarget, asserts)
	keep(spawns, yields, reads, locks, defers)
	keep(panics, indexes, reslices, divides, divides64, remainders)
	keep(floats, converts, recurses, ping, overflows, unbounded, walks, endless)
	keep(statesTooLittle, statesNoReason, statesUnknown, copies, compares, spins)
	keep(jumps, hides, handsOverMore, vfp, undecoded, leaks, losesStack, traps, waits)
}

// want allocation write-barrier
func allocates() { target = &node{value: n} }

// want allocation write-barrier bounds-check
func allocatesSlice() { slice = make([]uint32, n); slice[0] = 1 }

// want allocation write-barrier
func grows() { slice = append(slice, n) }

// want allocation write-barrier
func concatenates() { text += "x" }

// want allocation write-barrier
func boxes() { sink = n }

// want allocation write-barrier
func closes() {
	k := n
	call = func() { n = k }
}

// want write-barrier
func writesPointer() { target = target.next }

// want map
func readsMap() { n = lookup[n] }

// want map
func writesMap() { lookup[n] = 1 }

// want map write-barrier
func makesMap() { lookup = make(map[uint32]uint32, 100) }

// want channel
func sends() { queue <- n }

// want channel
func receives() { n = <-queue }

// want channel
func selects() {
	select {
	case n = <-queue:
	default:
	}
}

// want indirect-call
func callsInterface() { method.Method() }

// want indirect-call
func callsFunc() { call() }

// want indirect-call
func listsWrongTarget() {
	call() //oob:calls main.countsUp,main.nobody one of two is not there
}

// want indirect-call interface
// want arm64: indirect-call interface loop
func asserts() { n = sink.(interface{ Number() uint32 }).Number() }

// want scheduler
func spawns() { go countsUp() }

// want scheduler
func yields() { runtime.Gosched() }

// want runtime-service
func reads() { wide = uint64(time.Now().UnixNano()) }

var mutex sync.Mutex

// want lock
// want arm64: lock loop
func locks() {
	mutex.Lock()
	mutex.Unlock()
}

// want defer loop
func defers() {
	for i := 0; i < 3; i++ {
		defer countsUp()
	}
}

// want panic
//
//go:noinline
func panics() { panic("corpus") }

// want bounds-check
func indexes() { table[n]++ }

// want bounds-check
func reslices() { n = uint32(len(slice[n:])) }

// want division
func divides() { n = 1000 / n }

// The processor's own division, of a number that is not 0.
//
// want division
// want arm64: PASS
func divides64() { wide = 1000 / (wide | 1) }

// want division
// want arm64: PASS
func remainders() { n = 1000 % (n | 1) }

// want floating-point
func floats() { real_ *= 1.25 }

// want floating-point
func converts() { n = uint32(real_) }

// want recursion
func recurses() {
	if n--; n > 0 {
		recurses()
		n++
	}
}

// want recursion
//
//go:noinline
func ping() {
	if n--; n > 0 {
		pong()
		n++
	}
}

//go:noinline
func pong() {
	ping()
	n--
}

// want stack
func overflows() {
	var big [5000]uint32
	for i := range 5000 {
		big[i] = n
	}
	use(&big)
}

//go:noinline
func use(big *[5000]uint32) { n = big[n%5000] }

// want loop
func unbounded() {
	for i := uint32(0); i < n; i++ {
		table[i%64]++
	}
}

// want loop
func walks() {
	for p := target; p != nil; p = p.next {
		n += p.value
	}
}

// want loop
func endless() {
	for {
		table[0]++
	}
}

const rounds = 8

// want annotation
func statesTooLittle() {
	for i := 0; i < 9; i++ { //oob:loop rounds the loop makes nine
		table[i]++
	}
}

// want annotation loop
func statesNoReason() {
	for i := uint32(0); i < n; i++ { //oob:loop rounds
		table[i%64]++
	}
}

// want annotation loop
func statesUnknown() {
	for i := uint32(0); i < n; i++ { //oob:loop turns there is no such constant
		table[i%64]++
	}
}

// want loop
func copies() { copy(bytes[:n&255], bytes[n>>1&255:]) }

// want loop
// want arm64: floating-point loop
func compares() {
	if text == "a string that is longer than a few words, so that it is not compared in line" {
		n++
	}
}

// Behind a table of addresses, on arm64.
//
// want map
func hides() {
	switch n {
	case 1:
		signed++
	case 2:
		signed += 3
	case 3:
		signed--
	case 4:
		signed *= 3
	case 5:
		signed &= 7
	case 6:
		signed |= 6
	case 7:
		lookup[n] = 1
	case 8:
		signed += 9
	case 9:
		signed = -signed
	}
}

var spun atomic.Uint64

// want runtime-service
// want arm64: loop
func spins() { spun.Add(1) }

// want indirect-branch
func jumps()

// want floating-point
func vfp()

// want unknown-instruction
func undecoded()

// want stack
func leaks()

// want stack
func handsOverMore()

// want stack
func losesStack()

// want trap
func traps()

// want loop
func waits()
