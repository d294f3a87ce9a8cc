//go:build arm64 || !tamago

package gic

// Distributor registers that a GICv2 does not have (chapter 12, IHI 0069, by name). The others are where it has them.
const (
	GICD_IROUTER = 0x6000 // 64 bits for each interrupt from 32 on
)

// Redistributor registers (chapter 12, by name): a frame for the processor, and one for its private interrupts, whose registers
// are where the distributor has those of the others.
const (
	GICR_WAKER = 0x0014

	sgiFrame = 0x10000
)

// Fields, by the description of their register in chapter 12.
const (
	// GICD_CTLR where there is one security state.
	CTLR_ARE = 1 << 4
	CTLR_DS  = 1 << 6
	CTLR_RWP = 1 << 31 // a change of the groups' enables is not through yet

	// GICR_WAKER.
	WAKER_PROCESSORSLEEP = 1 << 1
	WAKER_CHILDRENASLEEP = 1 << 2

	// ICC_SGI0R_EL1, ICC_SGI1R_EL1: the interrupt's ID; the targets, of which bit 0 is processor 0.0.0.0.
	sgirID   = 24
	sgirSelf = 1
)
