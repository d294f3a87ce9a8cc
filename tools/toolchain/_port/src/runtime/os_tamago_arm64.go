// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

type regionAddr = uint64

//go:nosplit
func cputicks() int64 {
	// The profiler is content with nanotime.
	return nanotime()
}
