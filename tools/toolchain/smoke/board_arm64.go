//go:build tamago && arm64 && !virt

package main

import (
	_ "unsafe"

	_ "github.com/usbarmory/tamago/board/nxp/imx8mpevk"
)

// The EVK has 6 GB. It is built with the tag linkramsize, so that an emulator
// needs no more than this.
//
//go:linkname ramSize runtime/goos.RamSize
var ramSize uint64 = 0x20000000 // 512 MB
