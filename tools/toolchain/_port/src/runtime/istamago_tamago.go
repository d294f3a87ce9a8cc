// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import board "runtime/goos"

// The heap's dimensions are the board's choice: runtime/goos is replaced by
// the package that GOOSPKG names.
const (
	isTamago = 1

	tamagoArenaBaseOffset     = board.ArenaBaseOffset
	tamagoHeapAddrBits        = board.HeapAddrBits
	tamagoLogHeapArenaBytes   = board.LogHeapArenaBytes
	tamagoLogPallocChunkPages = board.LogPallocChunkPages
	tamagoMinPhysPageSize     = board.MinPhysPageSize
	tamagoStackSystem         = board.StackSystem
)
