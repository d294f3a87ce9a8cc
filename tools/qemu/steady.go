package qemu

import (
	"fmt"
	"math/bits"
	"runtime"
	"syscall"
	"unsafe"
)

const (
	schedRR          = 2          // SCHED_RR, sched.h
	schedResetOnFork = 0x40000000 // SCHED_RESET_ON_FORK: threads started later are ordinary ones
)

// cpuSet is the kernel's cpu_set_t.
type cpuSet [16]uint64

// steadily runs start, which starts a process and returns its number, such that all the process's threads share one
// host CPU and its main thread goes before the others. It returns an error if that was not allowed.
//
// With one CPU, and the main thread ahead on it, a frame that the host sent while virtual time stood still is read by
// the main thread before the thread that runs the guest can go on: the order of the two no longer depends on the host.
func steadily(start func() (pid int)) error {
	runtime.LockOSThread() // the affinity that is inherited is the thread's
	defer runtime.UnlockOSThread()
	var old cpuSet
	if err := affinity(syscall.SYS_SCHED_GETAFFINITY, 0, &old); err != nil {
		start()
		return fmt.Errorf("read the CPU affinity: %w", err)
	}
	one := old.last()
	pinErr := affinity(syscall.SYS_SCHED_SETAFFINITY, 0, &one)
	pid := start()
	if pinErr != nil {
		return fmt.Errorf("pin to one CPU: %w", pinErr)
	}
	if err := affinity(syscall.SYS_SCHED_SETAFFINITY, 0, &old); err != nil {
		return fmt.Errorf("restore the CPU affinity: %w", err)
	}
	if pid == 0 {
		return nil // it did not start, and start knows why
	}
	priority := int32(1)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, uintptr(pid), schedRR|schedResetOnFork,
		uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return fmt.Errorf("give the main thread SCHED_RR: %w", errno)
	}
	return nil
}

func affinity(call uintptr, pid int, set *cpuSet) error {
	_, _, errno := syscall.RawSyscall(call, uintptr(pid), unsafe.Sizeof(*set), uintptr(unsafe.Pointer(set)))
	if errno != 0 {
		return errno
	}
	return nil
}

// last returns the set of the highest CPU of s alone: the one that the host's own work uses least.
func (s *cpuSet) last() (one cpuSet) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0 {
			one[i] = 1 << (bits.Len64(s[i]) - 1)
			break
		}
	}
	return one
}
