//go:build tamago && arm

package gic

// Acknowledge acknowledges and ends the most urgent interrupt and returns its ID, Spurious or another ID from 1020 when
// there is none. cpu is GIC.CPU. It ends the interrupt at once: FIQ stays masked until the activation returns, so no
// interrupt nests, and a fault leaves no active interrupt behind that would hold back in-band's. The caller then serves
// the source; a level-sensitive one that is still asserted causes the next activation.
//
//oob:stage oob
//go:noescape
func Acknowledge(cpu uintptr) uint32
