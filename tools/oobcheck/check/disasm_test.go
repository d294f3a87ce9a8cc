package check

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/arm/armasm"
	"golang.org/x/arch/arm64/arm64asm"
)

// envImage names the production image; make test sets it.
const envImage = "MORTISE_ELF"

// effect is what of an instruction the check goes by, as another disassembler tells it.
type effect struct {
	flow   flow
	target uint64
	writes uint64 // registers, SP as bit 32 and PC as bit 33
	sp     int64  // added to SP, if writes has it and it is a constant
	fixed  bool   // sp counts
}

const (
	bitSP = uint64(1) << regSP
	bitPC = uint64(1) << regPC
)

// ours is what decode says.
func ours(i *insn) effect {
	e := effect{flow: i.flow, target: i.target, writes: i.writes}
	if i.spDelta != 0 || i.spLost || i.spReg != 0 || i.spConst || i.spSet {
		e.writes |= bitSP
	}
	if e.fixed = i.spDelta != 0; e.fixed {
		e.sp = int64(i.spDelta)
	}
	if i.flow == ret || i.flow == jumpRegister {
		e.writes |= bitPC
	}
	return e
}

// Each instruction of each function of the production image, and with it of the oob code, is to armasm what it is to decode.
func TestDecodeAgreesWithArmasm(t *testing.T) {
	elf := os.Getenv(envImage)
	if elf == "" {
		t.Skipf("%s names no firmware: run make test", envImage)
	}
	agree(t, elf, armEffect, 100_000)
}

// The same for arm64, over the corpus with all of Go's runtime in it.
func TestDecodeAgreesWithArm64asm(t *testing.T) {
	agree(t, link(t, "arm64"), arm64Effect, 50_000)
}

// agree compares all instructions of an image. effect reports false where the other disassembler knows nothing: for few.
func agree(t *testing.T, elf string, other func(i *insn) (effect, bool), least int) {
	im, err := openImage(elf)
	if err != nil {
		t.Fatal(err)
	}
	defer im.file.Close()
	c := newChecker(Config{File: elf}, im)
	known, untold, bad := 0, map[string]int{}, 0
	for _, s := range im.symbols {
		insns, _ := c.follow(&function{symbol: s, taken: 1 << 30})
		for _, i := range insns {
			want, ok := other(&i)
			if !ok {
				if i.flow != floating && i.vectors|i.saves == 0 && !i.float && i.flow != next && i.flow != trap && i.flow != unknown {
					untold[fmt.Sprintf("%s %08x", s.name, i.raw)]++
				}
				continue
			}
			known++
			got := ours(&i)
			if !want.fixed && want.writes&bitSP != 0 {
				got.sp, got.fixed = 0, false
			}
			if got != want {
				if bad++; bad < 20 {
					t.Errorf("%s: %x: %08x (%s) = %+v, want %+v", s.name, i.pc, i.raw, text(im, &i), got, want)
				}
			}
		}
	}
	t.Logf("%d instructions compared, %d not told, %d differ", known, len(untold), bad)
	if known < least || len(untold) > 0 {
		t.Errorf("%d instructions compared, want %d; not told: %v", known, least, untold)
	}
}

func text(im *image, i *insn) string {
	var code [4]byte
	binary.LittleEndian.PutUint32(code[:], i.raw)
	if im.bits == 64 {
		j, _ := arm64asm.Decode(code[:])
		return j.String()
	}
	j, _ := armasm.Decode(code[:], armasm.ModeARM)
	return j.String()
}

func armEffect(i *insn) (e effect, ok bool) {
	var code [4]byte
	binary.LittleEndian.PutUint32(code[:], i.raw)
	j, err := armasm.Decode(code[:], armasm.ModeARM)
	if err != nil {
		return e, false
	}
	op, _, _ := strings.Cut(j.Op.String(), ".")
	write := func(arg armasm.Arg) {
		switch r, ok := arg.(armasm.Reg); {
		case !ok:
		case r == armasm.SP:
			e.writes |= bitSP
		case r == armasm.PC:
			e.writes |= bitPC
		default:
			e.writes |= 1 << r
		}
	}
	moved := func(n int64) { e.sp, e.fixed = n, n != 0 }
	load := strings.HasPrefix(op, "LDR") || strings.HasPrefix(op, "LDM") || op == "POP"
	switch {
	case op == "B", op == "BL":
		e.flow = branch
		if op == "BL" {
			e.flow = call
		}
		e.target = uint64(uint32(i.pc) + 8 + uint32(j.Args[0].(armasm.PCRel)))
		return e, true
	case op == "BX":
		e.flow, e.writes = jumpRegister, bitPC
		if j.Args[0] == armasm.LR {
			e.flow = ret
		}
		return e, true
	case op == "BLX":
		e.flow = callRegister
		return e, true
	case op == "UNDEF":
		e.flow = unknown
		return e, true
	case op == "SVC", op == "BKPT", op == "UDF":
		e.flow = trap
		return e, true
	case strings.HasPrefix(op, "V"):
		e.flow = floating
		return e, true
	case op == "CMP", op == "CMN", op == "TST", op == "TEQ", op == "NOP", op == "DMB", op == "DSB", op == "ISB", op == "CLREX",
		strings.HasPrefix(op, "PLD"), op == "WFI", op == "WFE", op == "SEV", op == "YIELD":
		return e, true
	case op == "PUSH", op == "POP", strings.HasPrefix(op, "LDM"), strings.HasPrefix(op, "STM"):
		list := j.Args[0]
		base, back := armasm.Arg(armasm.SP), true
		if op != "PUSH" && op != "POP" {
			list, base = j.Args[1], j.Args[0]
			if m, ok := base.(armasm.Mem); ok {
				base, back = m.Base, m.Mode == armasm.AddrLDM_WB
			}
		}
		n, single := int64(0), armasm.Reg(0)
		switch l := list.(type) {
		case armasm.RegList:
			for r := range 16 {
				if l>>r&1 != 0 {
					n += 4
					if load {
						write(armasm.Reg(r))
					}
				}
			}
		case armasm.Reg:
			n, single = 4, l
			if load {
				write(single)
			}
		}
		if back {
			write(base)
			if down := op == "PUSH" || strings.HasSuffix(op, "DB") || strings.HasSuffix(op, "DA"); down {
				n = -n
			}
			if base == armasm.SP {
				moved(n)
			}
		}
	case strings.HasPrefix(op, "LDR"), strings.HasPrefix(op, "STR"):
		if load || strings.HasPrefix(op, "STREX") {
			write(j.Args[0])
		}
		if load && strings.HasSuffix(op, "RD") || op == "LDREXD" {
			write(j.Args[1])
		}
		for _, a := range j.Args {
			m, ok := a.(armasm.Mem)
			if !ok || m.Mode != armasm.AddrPreIndex && m.Mode != armasm.AddrPostIndex {
				continue
			}
			write(m.Base)
			if m.Base == armasm.SP && m.Sign == 0 {
				moved(int64(m.Offset))
			}
		}
	case op == "UMULL", op == "SMULL", op == "UMLAL", op == "SMLAL", op == "UMAAL":
		write(j.Args[0])
		write(j.Args[1])
	default:
		write(j.Args[0])
		if imm, ok := immediateOf(j.Args[2]); ok && j.Args[0] == armasm.SP && j.Args[1] == armasm.SP {
			if op == "SUB" {
				imm = -imm
			}
			if op == "ADD" || op == "SUB" {
				moved(imm)
			}
		}
	}
	if e.writes&bitPC != 0 {
		if e.flow = jumpRegister; i.flow == ret && returnsToLR(i, &j) {
			e.flow = ret
		}
	}
	return e, true
}

// returnsToLR reports whether the instruction is one of the returns: what was LR, or was pushed as LR.
func returnsToLR(i *insn, j *armasm.Inst) bool {
	op, _, _ := strings.Cut(j.Op.String(), ".")
	if op == "POP" || op == "LDM" || op == "LDR" {
		return i.spDelta > 0 || i.spReg > 0 || op == "LDM" && i.rn == regSP
	}
	return j.Args[1] == armasm.LR
}

func immediateOf(a armasm.Arg) (int64, bool) {
	switch v := a.(type) {
	case armasm.Imm:
		return int64(v), true
	case armasm.ImmAlt:
		return int64(v.Imm()), true
	}
	return 0, false
}

func arm64Effect(i *insn) (e effect, ok bool) {
	var code [4]byte
	binary.LittleEndian.PutUint32(code[:], i.raw)
	j, err := arm64asm.Decode(code[:])
	if err != nil {
		return e, false
	}
	write := func(arg arm64asm.Arg) {
		n := -1
		switch r := arg.(type) {
		case arm64asm.Reg:
			n = int(r)
		case arm64asm.RegSP:
			if arm64asm.Reg(r) == arm64asm.SP || arm64asm.Reg(r) == arm64asm.WSP {
				e.writes |= bitSP
				return
			}
			n = int(r)
		}
		if n >= int(arm64asm.W0) && n <= int(arm64asm.W30) {
			n -= int(arm64asm.W0)
		} else if n >= int(arm64asm.X0) && n <= int(arm64asm.X30) {
			n -= int(arm64asm.X0)
		} else {
			return // zero, or a vector register
		}
		e.writes |= 1 << n
	}
	op := j.Op.String()
	target := func(arg arm64asm.Arg) uint64 { return i.pc + uint64(int64(arg.(arm64asm.PCRel))) }
	switch {
	case op == "B", strings.HasPrefix(op, "B."):
		e.flow = branch
		arg := j.Args[0]
		if _, ok := arg.(arm64asm.Cond); ok {
			arg = j.Args[1]
		}
		e.target = target(arg)
		return e, true
	case op == "BL":
		e.flow, e.target = call, target(j.Args[0])
		return e, true
	case op == "CBZ", op == "CBNZ":
		e.flow, e.target = branch, target(j.Args[1])
		return e, true
	case op == "TBZ", op == "TBNZ":
		e.flow, e.target = branch, target(j.Args[2])
		return e, true
	case op == "BR":
		e.flow, e.writes = jumpRegister, bitPC
		return e, true
	case op == "BLR":
		e.flow = callRegister
		return e, true
	case op == "RET", op == "ERET":
		e.flow, e.writes = ret, bitPC
		return e, true
	case op == "SVC", op == "HVC", op == "SMC", op == "BRK", op == "HLT":
		e.flow = trap
		return e, true
	case i.float || i.vectors != 0 || i.saves != 0:
		return e, false // which vector registers, the corpus tells
	case op == "CMP", op == "CMN", op == "TST", op == "CCMP", op == "CCMN", op == "NOP", op == "DMB", op == "DSB", op == "ISB",
		op == "MSR", op == "HINT", op == "WFI", op == "WFE", op == "SEV", op == "YIELD", op == "CLREX", op == "DC", op == "IC",
		op == "TLBI", op == "SYS", op == "AT", strings.HasPrefix(op, "PRFM"):
		return e, true
	case strings.HasPrefix(op, "STXR"), strings.HasPrefix(op, "STLXR"):
		write(j.Args[0])
		return e, true
	case strings.HasPrefix(op, "ST"):
	case op == "LDP", op == "LDPSW", op == "LDXP", op == "LDAXP", op == "LDNP":
		write(j.Args[0])
		write(j.Args[1])
	default:
		write(j.Args[0])
	}
	for _, a := range j.Args {
		m, ok := a.(arm64asm.MemImmediate)
		if !ok || m.Mode != arm64asm.AddrPreIndex && m.Mode != arm64asm.AddrPostIndex {
			continue
		}
		write(m.Base)
		if m.Base == arm64asm.RegSP(arm64asm.SP) {
			e.sp, e.fixed = offset64(m), true
		}
	}
	if (op == "ADD" || op == "SUB") && e.writes&bitSP != 0 && j.Args[1] == j.Args[0] {
		if imm, ok := j.Args[2].(arm64asm.ImmShift); ok {
			e.sp, e.fixed = number64(imm.String()), true
			if op == "SUB" {
				e.sp = -e.sp
			}
		}
	}
	return e, true
}

// offset64 returns the offset of a writeback, which arm64asm tells in its text only: [SP,#-16]! or [SP],#16.
func offset64(m arm64asm.MemImmediate) int64 {
	_, text, _ := strings.Cut(m.String(), "#")
	return number64(strings.TrimRight(text, "]!"))
}

// number64 reads #0x10, #16 or #0x10, LSL #12.
func number64(text string) int64 {
	text, shifted := strings.CutSuffix(text, ", LSL #12")
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 0, 64)
	if err != nil {
		return 1 << 62
	}
	if shifted {
		n <<= 12
	}
	return n
}
