// Command count matches frames against tables over and over: TestInstructions runs it under qemu-arm, which counts. Arguments:
// how often, then for each match the file that holds the table, and the frame in hexadecimal digits.
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"mortise/stack/filter/rules"
	"mortise/stack/frame"
)

var table rules.Table

func main() {
	n, err := strconv.Atoi(os.Args[1])
	check(err)
	m, _, err := frame.NewMemory(1)
	check(err)
	for args := os.Args[2:]; len(args) > 1; args = args[2:] {
		image, err := os.ReadFile(args[0])
		check(err)
		// A Table is the same bytes on every machine with the same byte order.
		if copy(unsafe.Slice((*byte)(unsafe.Pointer(&table)), unsafe.Sizeof(table)), image) != int(unsafe.Sizeof(table)) {
			check(fmt.Errorf("a table has %d bytes here, %d in the file", unsafe.Sizeof(table), len(image)))
		}
		b, err := hex.DecodeString(args[1])
		check(err)
		copy(unsafe.Slice((*byte)(unsafe.Add(nil, m.Frame(0))), frame.MaxLen), b)
		rule := uint32(0)
		for range n {
			runtime.Gosched() // or the scheduler may ask for it in the middle of a run
			if table.HasOne != 0 {
				rule = table.MatchOne(m.Frame(0), uint32(len(b)))
			} else {
				rule = table.Match(m.Frame(0), uint32(len(b)))
			}
		}
		fmt.Println(rule)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
