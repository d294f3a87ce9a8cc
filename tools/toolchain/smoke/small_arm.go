//go:build tamago && arm && linkramsize

package main

import _ "unsafe"

// With the tag linkramsize the board has little memory, to run out of.
//
//go:linkname ramSize runtime/goos.RamSize
var ramSize uint32 = 64 << 20
