// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package signal

// Waiting reports whether the goroutine that hands out signals waits for one.
// TamaGo's amd64 package asks before it enables interrupts again, with several
// processors. Implemented in package runtime.
func Waiting() bool
