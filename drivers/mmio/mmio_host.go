//go:build !tamago

package mmio

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A RegisterFile stands for a device on the host: it gets each access to the range it was mapped at.
type RegisterFile interface {
	ReadReg(off uint32) uint32
	WriteReg(off, v uint32)
}

// A RegisterFile16 has 16-bit registers, too.
type RegisterFile16 interface {
	ReadReg16(off uint32) uint16
	WriteReg16(off uint32, v uint16)
}

type mapping struct {
	base, size uintptr
	file       RegisterFile
}

var (
	mu   sync.RWMutex
	maps []mapping
)

// Map installs file as the registers at base … base+size until the function it returns is called. Host only.
func Map(base, size uintptr, file RegisterFile) (unmap func()) {
	mu.Lock()
	defer mu.Unlock()
	maps = append(maps, mapping{base, size, file})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		for i, m := range maps {
			if m.file == file && m.base == base {
				maps = append(maps[:i:i], maps[i+1:]...)
				return
			}
		}
	}
}

func find(addr, align uintptr) (RegisterFile, uint32) {
	if addr%align != 0 {
		panic(fmt.Sprintf("mmio: address %#x is not a multiple of %d", addr, align))
	}
	mu.RLock()
	defer mu.RUnlock()
	for _, m := range maps {
		if addr >= m.base && addr-m.base < m.size {
			return m.file, uint32(addr - m.base)
		}
	}
	panic(fmt.Sprintf("mmio: nothing is mapped at %#x", addr))
}

// Read returns the register at addr of the register file mapped there.
//
//oob:stage any
func Read(addr uintptr) uint32 {
	f, off := find(addr, 4)
	return f.ReadReg(off)
}

// Write stores v in the register at addr of the register file mapped there.
//
//oob:stage any
func Write(addr uintptr, v uint32) {
	f, off := find(addr, 4)
	f.WriteReg(off, v)
}

// Read16 returns the register at addr of the file mapped there, which must be a RegisterFile16.
//
//oob:stage any
func Read16(addr uintptr) uint16 {
	f, off := find(addr, 2)
	return f.(RegisterFile16).ReadReg16(off)
}

// Write16 stores v in the register at addr of the file mapped there, which must be a RegisterFile16.
//
//oob:stage any
func Write16(addr uintptr, v uint16) {
	f, off := find(addr, 2)
	f.(RegisterFile16).WriteReg16(off, v)
}

// WriteAfter is Write.
//
//oob:stage any
func WriteAfter(addr uintptr, v uint32) { Write(addr, v) }

// Load returns *p, atomically.
//
//oob:stage any
func Load(p *uint32) uint32 { return atomic.LoadUint32(p) }

// Store publishes v in *p, atomically.
//
//oob:stage any
func Store(p *uint32, v uint32) { atomic.StoreUint32(p, v) }

// LoadMem returns the word of DMA memory at addr, atomically.
//
//oob:stage any
func LoadMem(addr uintptr) uint32 { return atomic.LoadUint32(word(addr)) }

// StoreMem publishes v in the word of DMA memory at addr, atomically.
//
//oob:stage any
func StoreMem(addr uintptr, v uint32) { atomic.StoreUint32(word(addr), v) }

// word turns the address of test memory into a pointer; the memory is allocated outside the Go heap (frame.NewMemory).
func word(addr uintptr) *uint32 {
	return *(**uint32)(unsafe.Pointer(&addr))
}
