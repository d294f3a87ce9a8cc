// This file is part of Mortise's port of GOOS=tamago.

//go:build !tamago

package runtime

// See istamago_tamago.go. Other ports multiply these by isTamago.
const (
	isTamago = 0

	tamagoArenaBaseOffset     = 0
	tamagoHeapAddrBits        = 0
	tamagoLogHeapArenaBytes   = 0
	tamagoLogPallocChunkPages = 0
	tamagoMinPhysPageSize     = 0
	tamagoStackSystem         = 0
)

func tamagoMemoryLimit() int64 { return 0 }
func tamagoBoardInit()         {}
func tamagoPoll()              {}
