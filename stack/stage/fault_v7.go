//go:build arm || !tamago

package stage

import (
	"fmt"
	"strings"
)

// record is what the vectors store at a fault; contain in vectors_arm.s knows it by its field names.
type record struct {
	r      [15]uint32 // R0–R12, SP, LR of the oob stage
	ret    uint32     // LR of the exception's mode
	psr    uint32     // PSR of the oob code
	kind   uint32
	dfsr   uint32
	ifsr   uint32
	dfar   uint32
	ifar   uint32
	inband uint32 // PSR of the context that the activation had interrupted
	time   uint32
	count  uint32 // faults since Init
}

// stackPointer returns the oob stack pointer at the fault.
func (r *record) stackPointer() uintptr { return uintptr(r.r[13]) }

// RegistersV7 are a fault's registers on ARMv7-A.
type RegistersV7 struct {
	PSR        uint32
	R          [13]uint32
	DFSR, DFAR uint32 // data fault status and address: valid for a data abort
	IFSR, IFAR uint32 // instruction fault status and address: valid for a prefetch abort
}

func (g RegistersV7) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  psr %08x dfsr %08x dfar %08x ifsr %08x ifar %08x\n ", g.PSR, g.DFSR, g.DFAR, g.IFSR, g.IFAR)
	for i, r := range g.R {
		fmt.Fprintf(&b, " r%d %08x", i, r)
	}
	b.WriteByte('\n')
	return b.String()
}

// decode turns the record into a Fault.
func decode(rec *record, m image) Fault {
	f := Fault{
		Kind: Kind(rec.kind), PC: uintptr(faultPC(rec)), SP: uintptr(rec.r[13]), LR: uintptr(rec.r[14]),
		Inband: rec.inband, Time: rec.time, Number: rec.count,
	}
	g := RegistersV7{PSR: rec.psr}
	if f.Kind != Endless { // which is no exception that tells an address
		g.DFSR, g.DFAR, g.IFSR, g.IFAR = rec.dfsr, rec.dfar, rec.ifsr, rec.ifar
	}
	copy(g.R[:], rec.r[:13])
	f.Registers = g
	switch f.Kind {
	case DataAbort:
		f.Addr = uintptr(g.DFAR)
	case PrefetchAbort:
		f.Addr = uintptr(g.IFAR)
	}
	f.explain(m, chain(m, f.PC, f.SP, f.LR, uintptr(g.R[3])))
	return f
}

// faultPC returns the address of the instruction that faulted: each exception leaves its own distance in LR (B1.8.3,
// table B1-7, ARM DDI 0406C).
func faultPC(rec *record) uint32 {
	if Kind(rec.kind) == DataAbort {
		return rec.ret - 8
	}
	return rec.ret - 4
}
