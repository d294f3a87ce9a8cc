//go:build tamago && arm64

package virt

import (
	"runtime"
	"unsafe"

	"github.com/usbarmory/tamago/arm64"
)

// RAM: the machine has it from 1 GiB on; 512 MiB of it are used. Go gets the first 448, DMA the last 64.
const (
	ramBase  = 0x40000000
	dmaStart = 0x5c000000
	ramEnd   = 0x60000000
)

// DMA memory: Normal Non-cacheable, never executed. The same addresses for the processor and the devices.
const (
	DMABase = dmaStart
	DMASize = ramEnd - dmaStart
)

// CrashBase and CrashSize are the end of DMA memory but for a page, for stack/guard's record of what the machine was doing:
// no loader writes there. The page behind it is free for tests.
const (
	CrashBase = ramEnd - 2*CrashSize
	CrashSize = 4096
)

//go:linkname ramStart runtime/goos.RamStart
var ramStart uint64 = ramBase

//go:linkname ramSize runtime/goos.RamSize
var ramSize uint64 = dmaStart - ramBase

//go:linkname ramStackOffset runtime/goos.RamStackOffset
var ramStackOffset uint64 = 0x100

// Device memory that is used: the interrupt controller; UART, RTC and fw_cfg; virtio's transports. All else in the first
// gigabyte is not mapped, flash with the nil page among it.
var devices = []uint64{0x08000000, 0x09000000, 0x0a000000}

// TamaGo's translation tables (arm64.CPU.InitMMU): 1 GiB an entry, 2 MiB an entry for the first two gigabytes, 4 KiB an entry
// for the 2 MiB in which text ends.
const (
	table1  = ramBase + 0x4000
	device2 = ramBase + 0x5000
	memory2 = ramBase + 0x6000
	memory3 = ramBase + 0x8000

	entries    = 512
	Block      = 2 << 20 // bytes of memory an entry of the second level maps
	page       = 4 << 10
	descriptor = 0b11
)

// Attributes of memory (D5.3.3, ARM DDI 0487, and MAIR_EL1): TamaGo has device memory at index 0 and cached memory at 1; here
// 2 is Normal Non-cacheable.
const (
	mair = 0x44<<16 | arm64.MemoryRegion<<8 | arm64.DeviceRegion

	readOnly     = arm64.TTE_AP_10 << arm64.TTE_AP
	access       = 1 << arm64.TTE_AF
	nonCacheable = access | arm64.TTE_OUTER_SH | 2<<arm64.TTE_ATTR | arm64.TTE_EXECUTE_NEVER | arm64.TTE_BLOCK
	device       = access | arm64.TTE_OUTER_SH | arm64.TTE_EXECUTE_NEVER | arm64.TTE_BLOCK
)

// mapMemory takes away what nothing answers at, maps DMA memory, and makes text read-only: a wild pointer is a precise fault
// there, instead of a bus error or of nothing at all. The image is linked at Block above RAM's begin, so that text begins with
// an entry of its own; TamaGo's vectors and tables have the one below.
func mapMemory() {
	setMAIR(mair)
	for i := uint64(2); i < entries; i++ {
		store(table1, i, 0)
	}
	for i := range uint64(entries) {
		store(device2, i, 0)
		addr := ramBase + i*Block
		switch {
		case addr >= ramEnd:
			store(memory2, i, 0)
		case addr >= dmaStart:
			store(memory2, i, addr|nonCacheable)
		}
	}
	for _, addr := range devices {
		store(device2, addr/Block, addr|device)
	}
	protectText()
	CPU.FlushTLBs()
}

func protectText() {
	start, end := runtime.TextRegion()
	for addr := start &^ (Block - 1); addr < end; addr += Block {
		i := (addr - ramBase) / Block
		switch {
		case i == 0: // TamaGo's
		case load(memory2, i)&descriptor == uint64(arm64.TTE_BLOCK):
			store(memory2, i, load(memory2, i)|readOnly)
		default:
			for p := max(addr, start&^(page-1)); p+page <= end; p += page {
				store(memory3, p/page%entries, load(memory3, p/page%entries)|readOnly)
			}
		}
	}
}

// MapDMA maps (true) or takes away Block bytes of DMA memory at addr, a multiple of Block: for tests.
func MapDMA(addr uint64, mapped bool) {
	entry := uint64(0)
	if mapped {
		entry = addr | nonCacheable
	}
	store(memory2, (addr-ramBase)/Block, entry)
	CPU.FlushTLBs()
}

func setMAIR(attributes uint64)

// load and store access entry i of the translation table at table.
func load(table, i uint64) uint64 { return *entry(table, i) }

func store(table, i, v uint64) { *entry(table, i) = v }

func entry(table, i uint64) *uint64 {
	addr := table + 8*i
	return *(**uint64)(unsafe.Pointer(&addr))
}
