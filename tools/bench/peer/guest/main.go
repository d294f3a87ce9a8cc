// Command guest is all there is in user space of a Linux peer: its init, the echo that is measured, and what keeps the
// machine busy. One static binary plays all parts, by its first argument; without one it is init.
//
// Init takes what it has to do from its environment, into which the kernel puts what it does not know of its command line
// (Linux, Documentation/admin-guide/kernel-parameters.rst): see settings.
//
// Stage: none (Linux, arm). Does not support: anything but the comparison.
package main

import (
	"fmt"
	"os"
	"runtime"
)

// init keeps the main goroutine on the process's first thread, the one whose priority is set by the process's number.
func init() { runtime.LockOSThread() }

// parts are what the binary can be.
var parts = map[string]func() error{
	"":          boot,
	"echo":      func() error { return echo(echoPort, true) },
	"echo-slow": func() error { return echo(slowPort, false) },
	"exit":      func() error { return nil },
	"churn":     func() error { return busy(churn) },
	"spin":      func() error { return busy(spin) },
	"fork":      func() error { return busy(fork) },
	"files":     func() error { return busy(files) },
	"lines":     func() error { return busy(lines) },
	"ping":      func() error { return busy(ping) },
	"pong":      pong,
}

func main() {
	name := ""
	if os.Getpid() != 1 && len(os.Args) > 1 {
		name = os.Args[1]
	}
	part, ok := parts[name]
	if !ok {
		fail(fmt.Errorf("no part of this name: %q", name))
	}
	if err := part(); err != nil {
		fail(fmt.Errorf("%s: %w", name, err))
	}
}

// fail tells the console why. The kernel panics if it is init that ends, and the emulator with it.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(1)
}

// start runs a part, with its arguments, in a process of its own.
func start(env []string, part ...string) error {
	_, err := os.StartProcess(self, append([]string{self}, part...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Env:   env,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", part[0], err)
	}
	return nil
}

// self is the binary's place in the initramfs.
const self = "/init"
