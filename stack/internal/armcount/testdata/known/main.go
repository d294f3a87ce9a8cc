// Command known calls a function of twelve instructions, which calls one of three, three times.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func twelve()

func main() {
	for range 3 {
		runtime.Gosched()
		twelve()
	}
	fmt.Println(os.Args[1:])
}
