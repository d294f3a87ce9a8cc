//go:build !tamago

package gic

import "mortise/drivers/mmio"

// Acknowledge acknowledges and ends the most urgent interrupt and returns its ID; see the target's version.
//
//oob:stage oob
func Acknowledge(cpu uintptr) uint32 {
	iar := mmio.Read(cpu + GICC_IAR)
	mmio.Write(cpu+GICC_EOIR, iar)
	return iar & IAR_ID
}
