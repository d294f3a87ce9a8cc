// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago && !amd64

// Package goos is what the runtime asks of the machine it runs on. GOOSPKG
// names a package whose folder goos replaces this one. This one leaves all to
// packages that link to its names (//go:linkname), as TamaGo's do.
package goos

import "unsafe"

// The memory given to the runtime, program included, and the distance of the
// boot stack from its end.
var (
	RamStart       uint
	RamSize        uint
	RamStackOffset uint
)

// CPUInit is the first code that runs. It ends in a jump to
// _rt0_tamago_start, on a stack.
func CPUInit()

// Hwinit0 runs before the runtime has started, Hwinit1 and InitRNG in the
// main goroutine, before packages are initialized.
func Hwinit0()
func Hwinit1()
func InitRNG()

// GetRandomData fills b.
func GetRandomData(b []byte)

// Nanotime returns the time in nanoseconds, since 1970 where it is known.
func Nanotime() int64

// Printk prints a byte on the console.
func Printk(c byte)

// What a machine may have: a start of the heap other than the end of the
// program, a way to stop, a way to wait for an interrupt until a time. ProcID,
// Task and Wake are for machines with several threads, which this port does
// not start.
var (
	Bloc   uintptr
	Exit   func(code int32)
	Idle   func(until int64)
	ProcID func() uint64
	Task   func(sp, mp, gp, fn unsafe.Pointer)
	Wake   func(procid uint64)
)
