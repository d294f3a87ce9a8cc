package gic

// Distributor registers (p75, Table 4-1, IHI 0048B.b).
const (
	GICD_CTLR       = 0x000
	GICD_TYPER      = 0x004
	GICD_IGROUPR    = 0x080
	GICD_ISENABLER  = 0x100
	GICD_ICENABLER  = 0x180
	GICD_ISPENDR    = 0x200
	GICD_ICPENDR    = 0x280
	GICD_ISACTIVER  = 0x300
	GICD_ICACTIVER  = 0x380
	GICD_IPRIORITYR = 0x400
	GICD_ITARGETSR  = 0x800
	GICD_ICFGR      = 0xc00
	GICD_SGIR       = 0xf00
)

// CPU interface registers (p76, Table 4-2, IHI 0048B.b).
const (
	GICC_CTLR  = 0x00
	GICC_PMR   = 0x04
	GICC_BPR   = 0x08
	GICC_IAR   = 0x0c
	GICC_EOIR  = 0x10
	GICC_RPR   = 0x14
	GICC_HPPIR = 0x18
	GICC_AIAR  = 0x20
	GICC_AEOIR = 0x24
)

// Fields, by the section of IHI 0048B.b.
const (
	// GICD_CTLR (4.3.1) and GICC_CTLR (4.4.1), secure copies.
	CTLR_ENABLEGRP0 = 1 << 0
	CTLR_ENABLEGRP1 = 1 << 1
	CTLR_ACKCTL     = 1 << 2 // GICC: GICC_IAR acknowledges group 1 too
	CTLR_FIQEN      = 1 << 3 // GICC: group 0 is signalled as FIQ

	TYPER_ITLINES = 0x1f // lines = 32(N+1) (4.3.2)

	IAR_ID       = 0x3ff // (4.4.4)
	FirstSpecial = 1020  // 1020–1023: no interrupt to serve (3.2.5)

	ICFGR_EDGE = 0b10 // of the two bits of an interrupt (4.3.13)

	// GICD_SGIR (4.3.15).
	SGIR_SELF  = 0b10 << 24 // forward to the requesting processor only
	SGIR_NSATT = 1 << 15    // only where the SGI is group 1
)
