// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

// Package goos is what the runtime asks of the machine it runs on. GOOSPKG
// names a package whose folder goos replaces this one.
//
// For amd64 this one is a process of Linux: tests of GOOS=tamago run where
// they are compiled. It is a machine with a console, a clock, a random number
// generator, 2 GB of memory and nothing else, but for the arguments and the
// environment it was started with. Read it with the system calls in
// linux_amd64.s; signal(7) and x86_64's struct sigcontext are its manual.
package goos

import "unsafe"

// The memory is reserved at a fixed place that Linux leaves free below the
// 2^40 that the heap's dimensions allow. Pages cost nothing until touched.
const (
	ramStart       = 0xc000000000
	ramSize        = 2 << 30
	ramStackOffset = 0x100
)

var (
	RamStart       uint    = ramStart
	RamSize        uint    = ramSize
	RamStackOffset uint    = ramStackOffset
	Bloc           uintptr = ramStart
)

// Exit ends the process. Idle sleeps until a time, in what Nanotime counts.
var (
	Exit func(code int32)  = exit
	Idle func(until int64) = idle
)

// Not used, see the other machines.
var (
	ProcID func() uint64
	Task   func(sp, mp, gp, fn unsafe.Pointer)
	Wake   func(procid uint64)
)

// CPUInit keeps the address of the arguments, gets the memory and catches
// faults: a nil pointer panics, unlike on a machine without page tables.
func CPUInit()

func Hwinit0()
func Hwinit1()
func InitRNG()

// GetRandomData fills b.
func GetRandomData(b []byte) {
	for len(b) > 0 {
		n := getrandom(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)))
		if n <= 0 {
			fatal("fatal error: getrandom\n")
		}
		b = b[n:]
	}
}

// Nanotime returns the time since 1970.
func Nanotime() int64

// printed is not on the stack, which may be short when the runtime panics.
var printed [1]byte

// Printk prints a byte on standard error's and output's one console.
func Printk(c byte) {
	printed[0] = c
	write(unsafe.Pointer(&printed), 1)
}

// idle has nothing to wait for but time: without a timer no goroutine will
// ever run again.
func idle(until int64) {
	const never = 1<<63 - 1
	if until == never {
		fatal("fatal error: all goroutines are asleep - deadlock!\n")
	}
	sleepUntil(until)
}

// fatal takes a whole line: it may run on the system stack, and allocates
// nothing.
func fatal(line string) {
	write(unsafe.Pointer(unsafe.StringData(line)), uintptr(len(line)))
	exit(2)
}

// In linux_amd64.s.

//go:noescape
func getrandom(p unsafe.Pointer, n uintptr) int

//go:noescape
func write(p unsafe.Pointer, n uintptr) int
func sleepUntil(ns int64)
func exit(code int32)
