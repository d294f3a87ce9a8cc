// Command count runs programs on frames over and over: TestInstructions runs it under qemu-arm, which counts. Arguments: how
// often, then for each program its object, and the frame in hexadecimal digits.
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"mortise/stack/filter/bpf/load"
	"mortise/stack/frame"
)

// program is what is run, on what.
type program struct {
	filter *load.Filter
	frame  []byte
	want   load.Explanation
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	check(err)
	m, _, err := frame.NewMemory(1)
	check(err)
	var list []program
	for args := os.Args[2:]; len(args) > 1; args = args[2:] {
		object, err := os.ReadFile(args[0])
		check(err)
		b, err := hex.DecodeString(args[1])
		check(err)
		f, err := load.Object(object, load.Options{Ifindex: 1})
		check(err)
		list = append(list, program{f, b, f.Explain(b)}) // before the first run: it executes the same code
	}
	for _, p := range list {
		copy(unsafe.Slice((*byte)(unsafe.Add(nil, m.Frame(0))), frame.MaxLen), p.frame)
		for range n {
			runtime.Gosched() // or the scheduler may ask for it in the middle of a run
			if v := p.filter.Program.Run(m.Frame(0), uint32(len(p.frame))); v != p.want.Verdict {
				check(fmt.Errorf("Run = %d, Explain %s", v, p.want.Why))
			}
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
