// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package sysrand

import "runtime/goos"

// read fills b from the board's generator.
func read(b []byte) error {
	goos.GetRandomData(b)
	return nil
}
