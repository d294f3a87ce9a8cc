//go:build tamago

// Command smoke is the firmware that shows that the port of GOOS=tamago runs:
// it is booted in QEMU by the tests of tools/toolchain. It prints a line for
// each check and ends in a panic, whose way through the runtime to goos.Exit
// is the last check.
//
// It runs in-band. It uses TamaGo's boards unmodified.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/goos"
	"time"
)

// mode is set by the linker: "" runs all checks, "oom" fills the memory,
// "fault" reads address 0, "stress" uses everything at once for a while, others are in modes.
var mode string

// modes run instead of the checks, and end in exit status 1.
var modes = map[string]func(){}

type check struct {
	name string
	fn   func() error
}

var checks []check

func register(list ...check) { checks = append(checks, list...) }

func main() {
	fmt.Printf("smoke: %s %s/%s mode=%q\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, mode)

	// It may run on the system stack: no goroutine may be waited for.
	goos.Exit = func(code int32) {
		print("smoke: exit ", code, "\n")
		for {
		}
	}

	switch mode {
	case "oom":
		fillMemory()
	case "fault":
		fmt.Println(readNil(nil))
	case "stress":
		checks = []check{{"stress", stress}}
	case "":
	default:
		modes[mode]()
		os.Exit(1)
	}

	failed := 0
	for _, c := range checks {
		start := time.Now()
		err := run(c.fn)
		took := time.Since(start).Round(time.Millisecond)
		if err != nil {
			failed++
			fmt.Printf("FAIL %s (%v): %v\n", c.name, took, err)
			continue
		}
		fmt.Printf("ok   %s (%v)\n", c.name, took)
	}

	if failed > 0 {
		fmt.Printf("smoke: %d of %d checks failed\n", failed, len(checks))
		os.Exit(1)
	}

	fmt.Printf("smoke: %d checks passed\n", len(checks))
	panic("the last check")
}

// run turns a panic of a check into its failure.
func run(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()

	return fn()
}

//go:noinline
func readNil(p *int) int { return *p }

var hog [][]byte

func fillMemory() {
	for {
		hog = append(hog, make([]byte, 1<<20))
	}
}
