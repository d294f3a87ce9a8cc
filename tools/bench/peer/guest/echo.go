package main

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	echoPort = 7    // the one that is measured (RFC 862)
	slowPort = 7777 // the one that answers the flood, as the gateway's in-band stage does
)

// echo returns every datagram to its sender, for ever: two system calls a datagram and nothing else. Those are raw ones,
// which Go's scheduler does not see: the thread is the kernel's only, as one of a C program would be.
func echo(port int, realTime bool) error {
	runtime.LockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
		return fmt.Errorf("bind to port %d: %w", port, err)
	}
	if realTime {
		if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE); err != nil {
			return fmt.Errorf("mlockall: %w", err)
		}
		if err := fifo(unix.Gettid(), echoPriority); err != nil {
			return err
		}
	}
	var buffer [2048]byte
	var from unix.RawSockaddrInet4
	for {
		size := uint32(unsafe.Sizeof(from))
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buffer)), uintptr(len(buffer)), 0,
			uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("receive: %w", errno)
		}
		// A reply that is not sent is seen as lost.
		unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&buffer)), n, 0,
			uintptr(unsafe.Pointer(&from)), uintptr(size))
	}
}
