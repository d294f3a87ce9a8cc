//go:build tamago

package mx6ullevk

import (
	"runtime"
	_ "unsafe" // go:linkname

	"github.com/usbarmory/tamago/arm"
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	"mortise/drivers/mmio"
)

// imx6ul defines RamStart, the board the size.
//
//go:linkname ramSize runtime/goos.RamSize
var ramSize uint32 = dmaStart - ramStart

// Section descriptors (B3.5.1, ARM DDI 0406C; attributes by B3.8.2, table B3-10, with SCTLR.TRE = 0).
const (
	tex001       = 1 << 12
	readOnly     = 1 << 15 // AP[2]
	pageReadOnly = 1 << 9  // AP[2] of a page (B3.5.1)
	invalid      = 0
	dmaRegion    = tex001 | arm.TTE_AP_001<<10 | arm.TTE_EXECUTE_NEVER | arm.TTE_SECTION
	txtRegion    = arm.MemoryRegion | readOnly
)

// Ranges that no device of this SoC answers in (chapter 2, IMX6ULLRM): peripherals end at 0x022fffff, DRAM of the
// board at 0x9fffffff; EIM and QSPI memory between them are not used. Unmapped, a wild pointer is a precise fault
// instead of a bus error, or of nothing at all.
const (
	holeStart = 0x02300000
	holeEnd   = ramStart
	tailStart = ramEnd
	tailEnd   = 0xffffffff
)

func mapMemory() {
	cpu := imx6ul.ARM
	cpu.ConfigureMMU(dmaStart, ramEnd, 0, dmaRegion)
	cpu.ConfigureMMU(holeStart, holeEnd, 0, invalid)
	cpu.ConfigureMMU(tailStart, tailEnd, 0, invalid)

	// Text read-only, but for the first megabyte: it holds TamaGo's vectors, page tables and exception stacks besides.
	start, end := runtime.TextRegion()
	first := (uint32(start) + sectionSize - 1) &^ (sectionSize - 1)
	last := uint32(end) &^ (sectionSize - 1)
	if first > last {
		return
	}
	protectPages(last, uint32(end))
	cpu.ConfigureMMU(first, last, 0, txtRegion)
}

// protectPages makes the pages start … end read-only, where the section is mapped by pages: TamaGo does so for the one
// that text ends in. The caller flushes.
func protectPages(start, end uint32) {
	entry := mmio.LoadMem(l1Table + uintptr(start>>20*4))
	if entry&0b11 != uint32(arm.TTE_PAGE_TABLE) {
		return
	}
	pages := uintptr(entry &^ 0x3ff)
	for addr := start; addr+pageSize <= end; addr += pageSize {
		desc := pages + uintptr(addr>>12&0xff*4)
		mmio.StoreMem(desc, mmio.LoadMem(desc)|pageReadOnly)
	}
}

const (
	sectionSize = 1 << 20
	pageSize    = 1 << 12
	l1Table     = ramStart + 0x4000 // TamaGo's first level table, from its memory layout
)
