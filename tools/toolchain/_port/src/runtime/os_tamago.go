// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import (
	"internal/runtime/atomic"
	"math"
	board "runtime/goos"
	"unsafe"
)

// The port to a machine without operating system. There is one thread, m0,
// which runs on the stack the boot code left it; the machine's functions are
// those of package runtime/goos, here called board.

// Signals exist for os/signal.Relay only, see relay_tamago.go.
const (
	_NSIG    = 64
	_SIGSEGV = 0xb
)

type mOS struct{}
type sigset struct{}
type gsignalStack struct{}

func osinit() {
	// The smallest unit in which the heap's memory is laid out, not that of
	// a memory management unit. tamagoMinPhysPageSize is a lower bound.
	physPageSize = 4096
	initHeapRange()
	numCPUStartup = getCPUCount()
	getg().m.procid = 1
}

func getCPUCount() int32 { return 1 }

func goenvs() {
	if argc > 0 {
		goenvs_unix() // a process, see bootArgs
		return
	}
	argslice = []string{"tamago"}
	envs = []string{} // not nil: that means "not yet known"
}

// tamagoBoardInit runs early in the main goroutine, before any package is
// initialized: from here on the board's clock runs and its console prints.
//
// InitRNG comes first because boards identify themselves in it, and choose
// the frequency of their clock in Hwinit1 by what they have found.
func tamagoBoardInit() {
	board.InitRNG()
	board.Hwinit1()
	randReseedFromBoard()
}

// randReseedFromBoard replaces the seeds made at startup, when there was
// neither random data nor a clock.
func randReseedFromBoard() {
	seed := &globalRand.seed
	board.GetRandomData(seed[:])

	lock(&globalRand.lock)
	globalRand.state.Init(*seed)
	unlock(&globalRand.lock)
	clear(seed[:])

	mp := acquirem()
	mrandinit(mp)
	releasem(mp)
}

// readRandom is called at startup only, too early for the board's generator.
func readRandom(r []byte) int { return 0 }

//go:nosplit
func nanotime1() (ns int64) {
	// On the system stack: the board's clock is ordinary Go code, nanotime
	// is called where the stack cannot grow.
	systemstack(func() { ns = board.Nanotime() })
	return
}

func walltime() (sec int64, nsec int32) {
	ns := nanotime1()
	return ns / 1e9, int32(ns % 1e9)
}

//go:linkname syscall_now syscall.now
func syscall_now() (sec int64, nsec int32) {
	return walltime()
}

//go:nosplit
func write1(fd uintptr, p unsafe.Pointer, n int32) int32 {
	if fd != 1 && fd != 2 {
		return -9 // EBADF
	}
	systemstack(func() {
		for i := uintptr(0); i < uintptr(n); i++ {
			board.Printk(*(*byte)(add(p, i)))
		}
	})
	return n
}

//go:linkname syscall_consoleWrite syscall.consoleWrite
func syscall_consoleWrite(b []byte) {
	if len(b) > 0 {
		write1(1, unsafe.Pointer(&b[0]), int32(len(b)))
	}
}

// usleep waits by polling the clock. It returns at once where the clock
// stands, as it does before Hwinit1.
//
//go:nosplit
func usleep(usec uint32) {
	const standing = 1000

	start := nanotime1()
	for i := 0; ; i++ {
		now := nanotime1()
		if now-start >= int64(usec)*1000 || now == start && i > standing {
			return
		}
	}
}

//go:nosplit
func usleep_no_g(usec uint32) { usleep(usec) }

//go:nosplit
func osyield() {}

//go:nosplit
func osyield_no_g() {}

// exit hands the machine to the board. There is nothing to return to: a board
// without Exit, or one that returns, waits for ever.
func exit(code int32) {
	if board.Exit != nil {
		board.Exit(code)
	}
	for {
		if board.Idle != nil {
			board.Idle(math.MaxInt64)
		}
	}
}

func crash() { exit(2) }

// newosproc would start a second thread. Nothing asks for one: see the places
// in proc.go that the port shares with wasm.
//
// May run with m.p==nil, so write barriers are not allowed.
//
//go:nowritebarrier
func newosproc(mp *m) {
	throw("newosproc: GOOS=tamago has one thread")
}

func exitThread(wait *atomic.Uint32) {
	throw("exitThread: GOOS=tamago has one thread")
}

func mpreinit(mp *m) {
	mp.gsignal = malg(32 * 1024)
	mp.gsignal.m = mp
}

func minit()            {}
func unminit()          {}
func mdestroy(mp *m)    {}
func initsig(bool)      {}
func sigdisable(uint32) {}
func sigenable(uint32)  {}
func sigignore(uint32)  {}

//go:nosplit
func sigsave(p *sigset) {}

//go:nosplit
func msigrestore(sigmask sigset) {}

//go:nosplit
//go:nowritebarrierrec
func clearSignalHandlers() {}

//go:nosplit
func sigblock(exiting bool) {}

func signame(sig uint32) string { return "" }

// sigpanic is what a fault handler that can resume makes the faulting
// goroutine call.
func sigpanic() {
	gp := getg()
	if !canpanic() {
		throw("unexpected fault during runtime execution")
	}
	gp.sig = _SIGSEGV
	if faultAddr >= 4096 {
		if gp.paniconfault {
			panicmemAddr(faultAddr)
		}
		print("unexpected fault address ", hex(faultAddr), "\n")
		throw("fault")
	}
	panicmem()
}

const preemptMSupported = false

func preemptM(mp *m) {}

func setProcessCPUProfiler(hz int32) {}
func setThreadCPUProfiler(hz int32)  {}

//go:linkname os_sigpipe os.sigpipe
func os_sigpipe() {}

// The runtime opens files for coverage data and crash output only.
func open(name *byte, mode, perm int32) int32        { return -1 }
func closefd(fd int32) int32                         { return -1 }
func read(fd int32, p unsafe.Pointer, n int32) int32 { return -1 }
