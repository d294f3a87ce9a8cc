//go:build tamago && (arm || arm64)

package mmio

// Read returns the 32-bit device register at addr, which must be a multiple of 4.
//
//oob:stage any
//go:noescape
func Read(addr uintptr) uint32

// Write stores v to the 32-bit device register at addr, which must be a multiple of 4.
//
//oob:stage any
//go:noescape
func Write(addr uintptr, v uint32)

// Read16 returns the 16-bit device register at addr, which must be even.
//
//oob:stage any
//go:noescape
func Read16(addr uintptr) uint16

// Write16 stores v to the 16-bit device register at addr, which must be even.
//
//oob:stage any
//go:noescape
func Write16(addr uintptr, v uint16)

// WriteAfter is Write behind a DSB: what was stored to memory before is visible to the device when the register changes.
//
//oob:stage any
//go:noescape
func WriteAfter(addr uintptr, v uint32)

// Load returns *p; what is read afterwards was published before (DMB behind the load).
//
//oob:stage any
//go:noescape
func Load(p *uint32) uint32

// Store publishes v in *p; what was written before is visible first (DMB ahead of the store).
//
//oob:stage any
//go:noescape
func Store(p *uint32, v uint32)

// LoadMem returns the 32-bit word of DMA memory at addr (Normal memory, a multiple of 4), with a DMB behind the load.
//
//oob:stage any
//go:noescape
func LoadMem(addr uintptr) uint32

// StoreMem publishes v in the word of DMA memory at addr (a multiple of 4), with a DMB ahead of the store.
//
//oob:stage any
//go:noescape
func StoreMem(addr uintptr, v uint32)
