// Package mmio reads and writes device registers and the memory words that two stages, or a stage and a DMA engine,
// share.
//
// Go's own loads and stores are not volatile: the compiler may merge or drop them. On the target every function here is
// an assembly leaf of a single access (and the barrier its name promises), so that it can be called from the oob stage.
// On the host, Read and Write go to a register file that a test installs with Map, and the rest are atomics, so that the
// race detector sees the synchronisation.
//
// Stage: any. Follows: ARM DDI 0406C.d (ARMv7-A ARM), A3.8 "Memory access order"; ARM DDI 0487 (ARMv8-A ARM), B2.3
// "Ordering requirements". Does not support: 8 and 64-bit registers.
package mmio

// Set sets the bits of mask in the register at addr (read, modify, write).
//
//oob:stage any
func Set(addr uintptr, mask uint32) { Write(addr, Read(addr)|mask) }

// Clear clears the bits of mask in the register at addr (read, modify, write).
//
//oob:stage any
func Clear(addr uintptr, mask uint32) { Write(addr, Read(addr)&^mask) }
