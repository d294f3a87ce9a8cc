package check

import (
	"encoding/binary"
	"math/bits"

	"golang.org/x/arch/arm64/arm64asm"
)

// zr is the number that SP and the zero register share in A64 instructions.
const zr = 31

// decode64 decodes the A64 instruction w at pc (chapter C4.1, ARM DDI 0487), as far as the check needs it. What
// arm64asm does not know, atomic instructions of ARMv8.1 excepted, is unknown.
func decode64(pc uint64, w uint32) insn {
	i := insn{pc: pc, raw: w, cond: always, rd: uint8(field(w, 0, 5)), rn: uint8(field(w, 5, 5)), rm: uint8(field(w, 16, 5)), wide: w>>31 == 1}
	switch op0 := field(w, 25, 4); {
	case w>>16 == 0:
		i.flow = trap // UDF
		return i
	case op0>>1 == 4:
		i.immediate64()
	case op0>>1 == 5:
		i.branch64()
	case op0&5 == 4:
		i.memory64()
	case op0&7 == 5:
		i.register64()
	case op0&7 == 7:
		i.vector64()
	default:
		i.flow = unknown
	}
	// Registers that are used otherwise have been named by now; what still has number 31 reads as zero.
	for _, r := range []*uint8{&i.rd, &i.rn, &i.rm, &i.rd2} {
		if *r == zr {
			*r = regZero
		}
	}
	if i.flow != unknown && !atomic64(w) && !known64(w) {
		i.flow = unknown
	}
	return i
}

// known64 reports whether arm64asm knows the instruction.
func known64(w uint32) bool {
	var code [4]byte
	binary.LittleEndian.PutUint32(code[:], w)
	_, err := arm64asm.Decode(code[:])
	return err == nil
}

// atomic64 reports whether w is an atomic instruction of ARMv8.1: CAS, LDADD and their like, SWP (C4.1.94).
func atomic64(w uint32) bool {
	return w&0x3fa07c00 == 0x08a07c00 || w&0x3f200c00 == 0x38200000 && field(w, 26, 1) == 0
}

// change notes that register r changes, where number 31 is the zero register.
func (i *insn) change(r uint8) {
	if r < registers {
		i.writes |= 1 << r
	}
}

// changeSP is change where number 31 is SP. It names rd.
func (i *insn) changeSP() {
	if i.rd != zr {
		i.change(i.rd)
		return
	}
	i.rd = regSP
	switch {
	case i.op == movReg:
		i.spSet = true
	case i.rn == regSP && i.op == addImm:
		i.spDelta = int32(i.imm)
	case i.rn == regSP && i.op == addReg:
		i.spReg = 1
	case i.rn == regSP && i.op == subReg:
		i.spReg = -1
	default:
		i.spLost = true
	}
}

// base names rn where number 31 is SP.
func (i *insn) base() {
	if i.rn == zr {
		i.rn = regSP
	}
}

// extend returns the low n bits of v as a signed number.
func extend(v uint32, n uint) int64 { return int64(v) << (64 - n) >> (64 - n) }

// immediate64 decodes data processing with a constant (C4.1.92).
func (i *insn) immediate64() {
	w := i.raw
	switch field(w, 23, 3) {
	case 0, 1: // ADR, ADRP
		offset := extend(field(w, 5, 19)<<2|field(w, 29, 2), 21)
		i.op, i.imm, i.wide = movImm, i.pc+uint64(offset), true
		if w>>31 == 1 {
			i.imm = i.pc&^0xfff + uint64(offset<<12)
		}
		i.change(i.rd)
	case 2: // ADD, SUB
		imm := uint64(field(w, 10, 12)) << (12 * field(w, 22, 1))
		i.base()
		i.add64(-imm, imm, addImm, cmpImm)
		if i.op == cmpImm {
			i.imm = -i.imm
			if !i.wide {
				i.imm &= 1<<32 - 1
			}
		} else if i.op == addImm && i.imm == 0 && (i.rn == regSP || i.rd == zr) {
			i.op, i.rm = movReg, i.rn // MOV to and from SP
		}
		if field(w, 29, 1) == 0 {
			i.changeSP()
		} else {
			i.change(i.rd)
		}
	case 4: // AND, ORR, EOR, ANDS
		imm := logical64(field(w, 22, 1), field(w, 16, 6), field(w, 10, 6))
		if !i.wide {
			imm &= 1<<32 - 1
		}
		opc := field(w, 29, 2)
		switch {
		case opc == 0 || opc == 3:
			i.op, i.imm = andImm, imm
		case opc == 1 && i.rn == zr:
			i.op, i.imm = movImm, imm
		}
		if i.flags = opc == 3; i.flags {
			i.change(i.rd)
		} else {
			i.changeSP()
		}
	case 5: // MOVN, MOVZ, MOVK
		shift := 16 * field(w, 21, 2)
		imm := uint64(field(w, 5, 16)) << shift
		switch field(w, 29, 2) {
		case 0:
			i.op, i.imm = movImm, ^imm
		case 2:
			i.op, i.imm = movImm, imm
		case 3:
			i.op, i.imm, i.keep = movTop, imm, ^(uint64(0xffff) << shift)
		}
		i.change(i.rd)
	case 6: // SBFM, BFM, UBFM
		i.bitfield64(uint64(field(w, 16, 6)), uint64(field(w, 10, 6)))
		i.change(i.rd)
	case 7: // EXTR
		i.change(i.rd)
	default:
		i.flow = unknown
	}
}

// add64 sets what an addition or, by bit 30, subtraction does, with the flags by bit 29: sub or add is what is added.
func (i *insn) add64(sub, add uint64, op, compare operation) {
	if i.flags = field(i.raw, 29, 1) == 1; field(i.raw, 30, 1) == 1 {
		i.imm, i.subs = sub, i.flags
	} else {
		i.imm = add
	}
	i.op = op
	if i.flags && i.rd == zr {
		i.op = compare
		if field(i.raw, 30, 1) == 0 {
			i.op = otherOp // CMN
		}
	}
}

func (i *insn) bitfield64(immr, imms uint64) {
	width := uint64(32)
	if i.wide {
		width = 64
	}
	i.rm = i.rn
	if field(i.raw, 29, 2) != 2 {
		return
	}
	switch { // UBFM
	case imms == width-1:
		i.op, i.imm = shiftR, immr
	case imms+1 == immr:
		i.op, i.imm = shiftL, width-immr
	case immr == 0 && imms == 31:
		i.op, i.wide = movReg, false // UXTW
	case imms >= immr:
		i.op, i.keep = maskTo, uint64(1)<<(imms-immr+1)-1
	}
}

// logical64 returns the constant of a logical instruction (DecodeBitMasks, shared/functions/common).
func logical64(n, immr, imms uint32) uint64 {
	length := bits.Len32(n<<6|^imms&0x3f) - 1
	if length < 1 {
		return 0
	}
	size := uint(1) << length
	ones := imms&uint32(size-1) + 1
	element := uint64(1)<<ones - 1
	if ones == 64 {
		element = ^uint64(0)
	}
	turn := uint(immr) & (size - 1)
	if turn != 0 {
		element = element>>turn | element<<(size-turn)
	}
	if size < 64 {
		element &= 1<<size - 1
	}
	for ; size < 64; size *= 2 {
		element |= element << size
	}
	return element
}

// branch64 decodes branches, exceptions and system instructions (C4.1.93).
func (i *insn) branch64() {
	w := i.raw
	switch {
	case w&0x7c000000 == 0x14000000:
		i.flow, i.target = branch, i.pc+uint64(extend(field(w, 0, 26), 26)<<2)
		if w>>31 == 1 {
			i.flow = call
		}
	case w&0xff000010 == 0x54000000:
		i.flow, i.target = branch, i.pc+uint64(extend(field(w, 5, 19), 19)<<2)
		if i.cond = uint8(field(w, 0, 4)); i.cond == 15 {
			i.cond = always
		}
	case w&0x7e000000 == 0x34000000: // CBZ, CBNZ
		i.flow, i.target = branch, i.pc+uint64(extend(field(w, 5, 19), 19)<<2)
		i.cond, i.tests, i.op, i.rn = uint8(field(w, 24, 1)), true, cmpImm, i.rd
	case w&0x7e000000 == 0x36000000: // TBZ, TBNZ
		i.flow, i.target = branch, i.pc+uint64(extend(field(w, 5, 14), 14)<<2)
		i.cond, i.tests = uint8(field(w, 24, 1)), true
	case w>>24 == 0xd4:
		i.flow = trap
	case w>>22 == 0x354: // MSR, MRS, hints, barriers, SYS
		if field(w, 21, 1) == 1 {
			i.change(i.rd)
			i.fpsr = w>>5 == 0xd53b4420>>5
		}
	case w&0xff9ffc1f == 0xd61f0000:
		switch field(w, 21, 2) {
		case 0:
			i.flow = jumpRegister
		case 1:
			i.flow = callRegister
		case 2:
			i.flow = ret
		default:
			i.flow = unknown
		}
		i.rm = i.rn
	case w == 0xd69f03e0:
		i.flow = ret // ERET
	default:
		i.flow = unknown
	}
}

// register64 decodes data processing with registers (C4.1.95).
func (i *insn) register64() {
	w := i.raw
	plain := field(w, 10, 6) == 0 && field(w, 22, 2) == 0 // not shifted
	switch field(w, 24, 5) {
	case 0x0a: // AND, ORR, EOR, ANDS, and with the second operand inverted
		opc, inverted := field(w, 29, 2), field(w, 21, 1) == 1
		i.flags = opc == 3
		switch {
		case !plain || inverted:
		case opc == 1 && i.rn == zr:
			i.op = movReg
		case opc == 0 || opc == 3:
			i.op = andReg
		}
		i.change(i.rd)
	case 0x0b: // ADD, SUB
		extended := field(w, 21, 1) == 1
		if extended {
			i.base()
			plain = field(w, 10, 3) == 0 && field(w, 13, 2) == 3 // UXTX, SXTX
		}
		i.add64(0, 0, addReg, cmpReg)
		if field(w, 30, 1) == 1 && i.op == addReg {
			i.op = subReg
		}
		i.subs = false
		if !plain {
			i.op = otherOp
		}
		if extended && !i.flags {
			i.changeSP()
		} else {
			i.change(i.rd)
		}
	case 0x1a:
		switch field(w, 21, 3) {
		case 0: // ADC, SBC
			i.flags = field(w, 29, 1) == 1
			i.change(i.rd)
		case 2: // CCMP, CCMN
			i.flags = true
		case 4, 6: // CSEL and its like; operations of one and two sources
			i.change(i.rd)
			if field(w, 21, 3) == 6 && field(w, 30, 1) == 1 && field(w, 10, 6)>>1 == 2 { // CLZ, CLS
				i.op, i.keep = maskTo, 127
			}
		default:
			i.flow = unknown
		}
	case 0x1b: // MADD and its like
		i.change(i.rd)
	default:
		i.flow = unknown
	}
}

// vector64 decodes floating point and SIMD (C4.1.96): which registers change is all that counts, and that is not looked at
// closely. Some write a general register or the flags.
func (i *insn) vector64() {
	i.vectors, i.float, i.flags = 1<<i.rd, true, true
	i.change(i.rd)
	if w := i.raw; w&0xbfe0fc00 == 0x0ea01c00 || w&0xfff8fc00 == 0x2f00e400 || w&0xbff8fc00 == 0x0f00e400 || w&0x9ff80c00 == 0x0f000400 {
		i.float, i.flags, i.writes = false, false, 0 // ORR and MOV of a vector, MOVI: no arithmetic
	}
}

// table returns the targets of a switch that the compiler has made a table of addresses in read-only memory: of
//
//	CMP $last, Xi;  BHI …;  ADRP, ADD → Xt;  LDR (Xt)(Xi<<3) → X27;  BR X27
//
// All must be in the function. Without the comparison (the compiler may know that there is nothing to compare) each address
// counts up to the first that is in another function: no fewer than the table has.
func (c *checker) table(f *function, i *insn) (targets []uint64) {
	const reach = 12
	back := func(n uint64) (j insn, ok bool) {
		w, ok := c.image.word(i.pc - 4*n)
		if !ok || i.pc-4*n < f.addr {
			return j, false
		}
		return c.image.decode(i.pc-4*n, w), true
	}
	load, ok := back(1)
	if !ok || c.image.bits != 64 || load.raw&0xffe0fc00 != 0xf8607800 || load.rd != i.rm {
		return nil
	}
	var at uint64
	first := uint64(0)
	for n := uint64(2); n < reach && first == 0; n++ {
		j, ok := back(n)
		switch {
		case !ok || j.flow != next:
			return nil
		case j.writes>>load.rn&1 == 0:
		case j.op == addImm && j.rn == load.rn && at == 0:
			at = j.imm
		case j.op == movImm:
			at, first = at+j.imm, n
		default:
			return nil
		}
	}
	entries := uint64(1 << 16)
	for n := first + 1; n < first+4; n++ {
		if j, ok := back(n); ok && j.op == cmpImm && j.rn == load.rm && !j.tests {
			entries = j.imm + 1
			break
		}
	}
	if first == 0 {
		return nil
	}
	for k := range entries {
		to, ok := c.image.load(at+8*k, 8)
		if !ok || to < f.addr || to >= f.end || to%4 != 0 {
			if entries < 1<<16 {
				return nil
			}
			break
		}
		targets = append(targets, to)
	}
	return targets
}
