// Package terminal is what the host command needs of a terminal: is there one, and who gets its ^C.
//
// Stage: host. Follows: ioctl_tty(2), setpgid(2). Does not support: hosts other than Linux.
package terminal

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// Is reports whether f is a terminal.
func Is(f *os.File) bool {
	_, err := foreground(f)
	return err == nil
}

// TakeForeground makes this process a process group of its own and the terminal's foreground group, so that a ^C reaches
// it and not the make that started it: make would end with an error, however cleanly the command ends. The function it
// returns gives the terminal back. Where that is not the situation, nothing happens.
func TakeForeground() (release func()) {
	nothing := func() {}
	before, err := foreground(os.Stdin)
	if err != nil || before != syscall.Getpgrp() || before == os.Getpid() {
		return nothing // no terminal, in the background, or started by a shell: the ^C is ours already
	}
	// CAUTION: a process outside the foreground group that changes it is stopped by SIGTTOU; and nobody would wake us
	// up from a ^Z, because no shell knows of the new group.
	signal.Ignore(syscall.SIGTTOU, syscall.SIGTTIN, syscall.SIGTSTP)
	if err := syscall.Setpgid(0, 0); err != nil {
		return nothing
	}
	if err := setForeground(os.Stdin, os.Getpid()); err != nil {
		_ = syscall.Setpgid(0, before) // as it was: the group exists, its leader waits for us
		return nothing
	}
	return func() { _ = setForeground(os.Stdin, before) }
}

func foreground(f *os.File) (pgrp int, err error) {
	var id int32
	if err := ioctl(f, syscall.TIOCGPGRP, &id); err != nil {
		return 0, err
	}
	return int(id), nil
}

func setForeground(f *os.File, pgrp int) error {
	id := int32(pgrp)
	return ioctl(f, syscall.TIOCSPGRP, &id)
}

func ioctl(f *os.File, request uintptr, arg *int32) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
		return errno
	}
	return nil
}
