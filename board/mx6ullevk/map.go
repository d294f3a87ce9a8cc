package mx6ullevk

// DRAM: 512 MiB DDR3 at MMDC_BASE (p178, Table 2-3, IMX6ULLRM). Go gets the first 448 MiB, DMA the last 64.
const (
	ramStart = 0x80000000
	dmaStart = 0x9c000000
	ramEnd   = 0xa0000000
)

// DMA memory: Normal, Non-cacheable, never executed. The same addresses for the processor and the devices.
const (
	DMABase = dmaStart
	DMASize = ramEnd - dmaStart
)

// CrashBase and CrashSize are the end of DMA memory but for a page, for stack/guard's record of what the machine was doing:
// no loader writes there, and the processor's caches hold nothing of it, so that it survives a reset that leaves DRAM its
// power. The page behind it is free for tests.
const (
	CrashBase = ramEnd - 2*CrashSize
	CrashSize = 4096
)
