// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package goos

const pointerBits = 32 << (^uint(0) >> 63)

// The heap's dimensions, see the constants of the same names in package
// runtime.
const (
	ArenaBaseOffset     = 0
	HeapAddrBits        = 32 + (pointerBits-32)/4 // 32 or 40
	LogHeapArenaBytes   = 22
	LogPallocChunkPages = 9
	MinPhysPageSize     = 4096
	StackSystem         = 512
)
