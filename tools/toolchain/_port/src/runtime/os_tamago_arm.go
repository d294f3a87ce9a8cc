// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

type regionAddr = uint32

func checkgoarm() {
	if goarm < 7 && goarm != 5 && goarm != 6 {
		throw("GOARM is not 5, 6 or 7")
	}
}

//go:nosplit
func cputicks() int64 {
	// The profiler is content with nanotime.
	return nanotime()
}

// CallOnG0 is for exception handlers in assembly: it calls the function whose
// address is in R1 on g0's stack with the argument R0. R2 is the number of
// bytes the handler has pushed on the interrupted stack, R3 the interrupted
// program counter.
func CallOnG0()
