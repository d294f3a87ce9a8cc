//go:build !tamago

package gic

import "mortise/drivers/mmio"

// On the host the system registers are a register file that a test maps at ICCBase, in this order.
const (
	ICCBase = 0xfff00000

	ICC_SRE = 4 * iota
	ICC_PMR
	ICC_BPR0
	ICC_BPR1
	ICC_CTLR
	ICC_IGRPEN0
	ICC_IGRPEN1
	ICC_IAR0
	ICC_EOIR0
	ICC_IAR1
	ICC_EOIR1
	ICC_SGI0R
	ICC_SGI1R
)

// AcknowledgeOob acknowledges and ends the most urgent oob interrupt and returns its ID; see the target's version.
//
//oob:stage oob
func AcknowledgeOob() uint32 { return acknowledge(ICC_IAR0, ICC_EOIR0) }

func acknowledgeInband() uint32 { return acknowledge(ICC_IAR1, ICC_EOIR1) }

func acknowledge(iar, eoir uintptr) uint32 {
	id := mmio.Read(ICCBase + iar)
	if id < FirstSpecial || id > Spurious {
		mmio.Write(ICCBase+eoir, id)
	}
	return id
}

//oob:stage any
func raiseOob(sgi uint64) { mmio.Write(ICCBase+ICC_SGI0R, uint32(sgi)) }

//oob:stage any
func raiseInband(sgi uint64) { mmio.Write(ICCBase+ICC_SGI1R, uint32(sgi)) }

//oob:stage any
func enableInband(enable uint64) { mmio.Write(ICCBase+ICC_IGRPEN1, uint32(enable)) }

func initCPU(mask, point uint64) {
	mmio.Set(ICCBase+ICC_SRE, 1)
	mmio.Write(ICCBase+ICC_PMR, uint32(mask))
	mmio.Write(ICCBase+ICC_BPR0, uint32(point))
	for _, reg := range []uintptr{ICC_BPR1, ICC_CTLR} {
		mmio.Write(ICCBase+reg, 0)
	}
	mmio.Write(ICCBase+ICC_IGRPEN0, 1)
	mmio.Write(ICCBase+ICC_IGRPEN1, 1)
}
