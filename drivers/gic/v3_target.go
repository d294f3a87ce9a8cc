//go:build tamago && arm64

package gic

// AcknowledgeOob acknowledges and ends the most urgent oob interrupt of a GICv3 and returns its ID, Spurious or another ID
// from 1020 when there is none. It ends the interrupt at once, as Acknowledge of a GICv2 does and for the same reasons: FIQ
// stays masked until the activation returns, and a fault leaves no active interrupt behind.
//
//oob:stage oob
//go:noescape
func AcknowledgeOob() uint32

// acknowledgeInband does the same for in-band's group.
//
//oob:stage inband
//go:noescape
func acknowledgeInband() uint32

// raiseOob and raiseInband write ICC_SGI0R_EL1 and ICC_SGI1R_EL1, behind what was written to memory.
//
//oob:stage any
//go:noescape
func raiseOob(sgi uint64)

//oob:stage any
//go:noescape
func raiseInband(sgi uint64)

// enableInband writes ICC_IGRPEN1_EL1.
//
//oob:stage any
//go:noescape
func enableInband(enable uint64)

// initCPU sets up the CPU interface: system registers, the priority mask, the oob group's binary point, both groups enabled.
func initCPU(mask, point uint64)
