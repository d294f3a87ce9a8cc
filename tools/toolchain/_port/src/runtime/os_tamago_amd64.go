// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import _ "unsafe" // for go:linkname

type regionAddr = uint64

// cpuBrand stores the processor's brand string, or nothing.
//
//go:noescape
func cpuBrand(p *[48]byte)

// CPU returns the name that the processor gives itself.
func CPU() string {
	var brand [48]byte
	cpuBrand(&brand)

	n := 0
	for n < len(brand) && brand[n] != 0 {
		n++
	}
	return string(brand[:n])
}

//go:linkname signal_Waiting os/signal.Waiting
func signal_Waiting() bool {
	return sig.state.Load() == sigReceiving
}
