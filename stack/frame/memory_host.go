//go:build !tamago

package frame

import (
	"fmt"
	"syscall"
	"unsafe"
)

// NewMemory returns slots in anonymous memory outside the Go heap, for tests: its address never changes, as DMA memory's.
// Bus addresses start at 0x9c000000, where no processor address of the host lies. release gives it back. Host only.
func NewMemory(slots int) (m Memory, release func(), err error) {
	b, err := syscall.Mmap(-1, 0, slots*SlotSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return m, nil, fmt.Errorf("map %d slots: %w", slots, err)
	}
	m = Memory{Base: uintptr(unsafe.Pointer(&b[0])), Bus: 0x9c000000, Slots: uint32(slots)}
	return m, func() { _ = syscall.Munmap(b) }, nil
}
