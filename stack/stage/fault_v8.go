//go:build arm64 || !tamago

package stage

import (
	"fmt"
	"strings"
)

// recordV8 is what the vectors store at a fault; contain in vectors_arm64.s knows it by its field names.
type recordV8 struct {
	x      [31]uint64 // X0–X30 of the oob stage
	sp     uint64
	elr    uint64
	spsr   uint64
	esr    uint64
	far    uint64
	inband uint64 // SPSR of the context that the activation had interrupted
	time   uint64
	count  uint32 // faults since Init
}

// stackPointer returns the oob stack pointer at the fault.
func (r *recordV8) stackPointer() uintptr { return uintptr(r.sp) }

// RegistersV8 are a fault's registers on ARMv8-A.
type RegistersV8 struct {
	X    [31]uint64
	SPSR uint64
	ESR  uint64 // exception syndrome
	FAR  uint64 // fault address: valid for an abort
}

func (g RegistersV8) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  spsr %08x esr %08x far %08x", g.SPSR, g.ESR, g.FAR)
	if s := g.Status(); s != "" {
		fmt.Fprintf(&b, " (%s)", s)
	}
	for i, x := range g.X {
		if i%8 == 0 {
			b.WriteString("\n ")
		}
		fmt.Fprintf(&b, " x%d %x", i, x)
	}
	b.WriteByte('\n')
	return b.String()
}

// Exception classes, ESR_EL1.EC (D17.2.37, ARM DDI 0487).
const (
	ecShift      = 26
	ecSVC        = 0x15
	ecFetch      = 0x21 // from the same exception level
	ecPC         = 0x22 // alignment of the program counter
	ecData       = 0x25
	ecSP         = 0x26 // alignment of the stack pointer
	ecSError     = 0x2f
	statusMask   = 0x3f
	statusLevels = 0x3c // without the level of the translation table
)

// Status says why an abort was, by ESR_EL1's fault status code.
func (g RegistersV8) Status() string {
	ec, status := g.ESR>>ecShift, g.ESR&statusMask
	switch ec {
	case ecSP, ecPC:
		return "alignment"
	case ecFetch, ecData:
	default:
		return ""
	}
	switch status {
	case 0x10:
		return "external"
	case 0x21:
		return "alignment"
	}
	switch status & statusLevels {
	case 0x04:
		return "not mapped"
	case 0x08:
		return "access flag"
	case 0x0c:
		return "permission"
	case 0x14:
		return "external, of a translation table"
	}
	return fmt.Sprintf("status %#x", status)
}

// kindV8 returns the kind of a synchronous exception. What has none of its own is told apart by ESR.
func kindV8(esr uint64) Kind {
	switch esr >> ecShift {
	case ecSVC:
		return SupervisorCall
	case ecFetch, ecPC:
		return PrefetchAbort
	case ecData, ecSP, ecSError:
		return DataAbort
	}
	return Undefined
}

// decodeV8 turns the record into a Fault.
func decodeV8(rec *recordV8, m image) Fault {
	f := Fault{
		Kind: kindV8(rec.esr), PC: uintptr(rec.elr), SP: uintptr(rec.sp), LR: uintptr(rec.x[30]),
		Registers: RegistersV8{X: rec.x, SPSR: rec.spsr, ESR: rec.esr, FAR: rec.far},
		Inband:    uint32(rec.inband), Time: uint32(rec.time), Number: rec.count,
	}
	switch f.Kind {
	case DataAbort, PrefetchAbort:
		f.Addr = uintptr(rec.far)
	case SupervisorCall: // which is behind the instruction, other than the rest
		f.PC -= 4
	}
	f.explain(m, chainV8(m, f.PC, uintptr(rec.x[29]), f.LR, uintptr(rec.x[3])))
	return f
}
