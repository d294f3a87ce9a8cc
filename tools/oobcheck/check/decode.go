package check

// The numbers of registers in A32 instructions.
const (
	armSP = 13
	armLR = 14
	armPC = 15
)

// immediate expands the modified constant of a data-processing instruction (A5.2.4, ARM DDI 0406C.d).
func immediate(w uint32) uint32 {
	v, r := w&0xff, field(w, 8, 4)*2
	return v>>r | v<<(32-r)
}

// decode decodes the A32 instruction w at pc (chapter A5, ARM DDI 0406C.d), as far as the check needs it.
func decode(pc uint64, w uint32) insn {
	i := insn{pc: pc, raw: w, size: 4, keep: 0xffff, cond: uint8(w >> 28), rd: uint8(field(w, 12, 4)), rn: uint8(field(w, 16, 4)), rm: uint8(w & 15)}
	if i.cond == 15 {
		i.cond = always
		i.unconditional()
	} else {
		i.conditional()
	}
	if i.rn == armPC {
		i.literal = uint64(uint32(pc) + 8 + uint32(i.imm))
	}
	for _, r := range []*uint8{&i.rd, &i.rn, &i.rm} {
		switch *r {
		case armSP:
			*r = regSP
		case armPC:
			*r = regPC
		}
	}
	return i
}

func (i *insn) conditional() {
	w := i.raw
	switch field(w, 25, 3) {
	case 0, 1:
		i.data()
	case 2, 3:
		i.memory()
	case 4:
		i.multiple()
	case 5:
		i.flow, i.target = branch, uint64(uint32(i.pc)+8+uint32(int32(w<<8)>>6))
		if field(w, 24, 1) == 1 {
			i.flow = call
		}
	default:
		i.coprocessor()
	}
}

// unconditional decodes what has the condition 1111 (A5.7).
func (i *insn) unconditional() {
	w := i.raw
	switch {
	case w&0xfff000f0 == 0xf5700010, w&0xffffff00 == 0xf57ff000: // CLREX, DSB, DMB, ISB
	case w&0xfff10000 == 0xf1000000: // CPS
	case w&0xfd70f000 == 0xf550f000, w&0xfd70f000 == 0xf510f000: // PLD, PLDW
	case w>>25 == 0x79, w>>24 == 0xf4, w>>24&0xfe == 0xfe, w>>24&0xfe == 0xfc:
		i.flow = floating
	default:
		i.flow = unknown
	}
}

// write notes that r changes.
func (i *insn) write(r uint8) {
	switch r {
	case armPC:
		i.flow = jumpRegister
	case armSP:
		i.spLost = true
	default:
		i.writes |= 1 << r
	}
}

// data decodes data processing, multiplication, extra loads and stores, and what is between them (A5.2).
func (i *insn) data() {
	w := i.raw
	isImm := field(w, 25, 1) == 1
	if !isImm && w&0x90 == 0x90 {
		if field(w, 5, 2) != 0 {
			i.extra()
			return
		}
		if field(w, 24, 1) == 1 { // LDREX, STREX, SWP
			i.write(i.rd)
			if field(w, 20, 4) == 0xb && i.rd < armSP { // LDREXD
				i.write(i.rd + 1)
			}
			i.stores, i.loads = field(w, 20, 1) == 0, field(w, 20, 1) == 1
			i.size = [4]uint8{4, 8, 1, 2}[field(w, 21, 2)]
			return
		}
		i.flags = field(w, 20, 1) == 1
		i.write(i.rn) // MUL's Rd is where Rn is elsewhere
		if field(w, 23, 1) == 1 || field(w, 21, 3) == 2 {
			i.write(i.rd) // RdLo
		}
		return
	}
	opcode, s := field(w, 21, 4), field(w, 20, 1) == 1
	if opcode>>2 == 2 && !s {
		i.misc(isImm)
		return
	}
	i.flags = s
	var imm uint32
	plain := !isImm && w&0xff0 == 0 // register, not shifted
	if isImm {
		imm = immediate(w)
	}
	switch opcode {
	case 0: // AND
		i.choose(isImm, plain, andImm, andReg, imm)
	case 2: // SUB
		i.choose(isImm, plain, addImm, subReg, -imm)
		i.subs = s && isImm
	case 4: // ADD
		i.choose(isImm, plain, addImm, addReg, imm)
	case 14: // BIC
		i.choose(isImm, false, andImm, otherOp, ^imm)
	case 13: // MOV and shifts
		switch {
		case isImm:
			i.op, i.imm = movImm, uint64(imm)
		case plain:
			i.op = movReg
		case w&0x70 == 0x20 && w&0xf80 != 0:
			i.op, i.imm = shiftR, uint64(field(w, 7, 5))
		case w&0x70 == 0:
			i.op, i.imm = shiftL, uint64(field(w, 7, 5))
		}
	case 15: // MVN
		if isImm {
			i.op, i.imm = movImm, uint64(^imm)
		}
	case 10: // CMP
		i.choose(isImm, plain, cmpImm, cmpReg, imm)
		return
	case 9: // TEQ
		i.choose(isImm, false, teqImm, otherOp, imm)
		return
	case 8, 11: // TST, CMN
		return
	}
	switch {
	case i.rd == armPC && (opcode == 2 && s && i.rn == armLR || opcode == 13 && plain && i.rm == armLR ||
		opcode == 4 && isImm && imm == 0 && i.rn == armLR):
		i.flow = ret // SUBS PC, LR, #n leaves an exception; ADD PC, LR, #0 is Go's return from a leaf
	case i.rd == armSP && i.rn == armSP && i.op == addImm:
		i.spDelta = int32(i.imm)
	case i.rd == armSP && i.rn == armSP && i.op == addReg:
		i.spReg = 1
	case i.rd == armSP && i.rn == armSP && i.op == subReg:
		i.spReg = -1
	default:
		i.write(i.rd)
	}
}

func (i *insn) choose(isImm, plain bool, immOp, regOp operation, imm uint32) {
	switch {
	case isImm:
		i.op, i.imm = immOp, uint64(imm)
	case plain:
		i.op = regOp
	}
}

// misc decodes A5.2.12 and the 16-bit constants.
func (i *insn) misc(isImm bool) {
	w := i.raw
	op := field(w, 21, 2)
	if isImm {
		switch op {
		case 0:
			i.op, i.imm = movImm, uint64(field(w, 16, 4)<<12|w&0xfff)
			i.write(i.rd)
		case 2:
			i.op, i.imm = movTop, uint64(field(w, 16, 4)<<12|w&0xfff)<<16
			i.write(i.rd)
		} // else MSR, and hints
		return
	}
	switch field(w, 4, 4) {
	case 0: // MRS, MSR
		if op&1 == 0 {
			i.write(i.rd)
		}
	case 1:
		switch {
		case op == 3: // CLZ
			i.op, i.keep = maskTo, 63
			i.write(i.rd)
		case op == 1 && i.rm == armLR:
			i.flow = ret
		case op == 1:
			i.flow = jumpRegister
		default:
			i.flow = unknown
		}
	case 3:
		i.flow = callRegister
	case 5:
		i.write(i.rd)
	case 7:
		i.flow = trap
	default:
		if w&0x90 != 0x80 {
			i.flow = unknown
			return
		}
		i.write(i.rn) // halfword multiplication
		i.write(i.rd)
	}
}

// address decodes the addressing of a load or store that transfers n registers from rd on.
func (i *insn) address(load bool, imm uint32, isImm bool, whole bool, n uint8) {
	w := i.raw
	if field(w, 23, 1) == 0 {
		imm = -imm
	}
	pre, writeback := field(w, 24, 1) == 1, field(w, 24, 1) == 0 || field(w, 21, 1) == 1
	i.stores, i.loads = !load && i.rn != armSP, load
	i.indexed, i.post = !isImm, !pre
	i.imm = uint64(imm)
	switch {
	case isImm && load && whole:
		i.op = loadWord
	case isImm && !load && whole:
		i.op = storeWord
	case isImm && !load:
		i.op = storePart
	case !load && i.rn == armSP:
		i.stores = true // somewhere in the frame
	}
	if writeback {
		switch {
		case i.rn != armSP:
			i.op = otherOp
			i.write(i.rn)
			if isImm {
				i.moved = int32(imm)
			}
		case isImm:
			i.spDelta, i.spBefore = int32(imm), pre
			if !pre {
				i.imm = 0
			} else {
				i.imm = 0 // SP has moved to the address
			}
		case field(w, 4, 8) == 0: // a register, not shifted: Go's prologue of a large frame
			i.stores, i.spReg = false, 1
			if field(w, 23, 1) == 0 {
				i.spReg = -1
			}
		default:
			i.spLost = true
		}
	}
	if !load {
		return
	}
	for r := i.rd; r < i.rd+n; r++ {
		switch {
		case r == armPC && i.rn == armSP && writeback && !pre:
			i.flow = ret
		case r == armSP && i.rn == armPC:
			i.spConst = true
		default:
			i.write(r)
		}
	}
}

// extra decodes loads and stores of halves, signed bytes and pairs (A5.2.8).
func (i *insn) extra() {
	w := i.raw
	isImm, load, op := field(w, 22, 1) == 1, field(w, 20, 1) == 1, field(w, 5, 2)
	n := uint8(1)
	if !load && op >= 2 {
		n, load = 2, op == 2
	}
	if field(w, 24, 1) == 0 && field(w, 21, 1) == 1 {
		i.flow = unknown
		return
	}
	i.address(load, field(w, 8, 4)<<4|w&15, isImm, false, n)
	switch i.pair = n == 2; {
	case i.pair:
		i.rd2 = i.rd + 1
	case op == 2:
		i.size = 1
	default:
		i.size = 2
	}
	if load && n == 1 && op == 1 {
		i.op, i.keep = maskTo, 0xffff
	}
	if !load && n == 2 {
		i.stores = true
	}
}

// memory decodes loads and stores of words and bytes, and media instructions (A5.3, A5.4).
func (i *insn) memory() {
	w := i.raw
	register := field(w, 25, 1) == 1
	if register && w&0x10 != 0 {
		i.media()
		return
	}
	load, isByte := field(w, 20, 1) == 1, field(w, 22, 1) == 1
	i.address(load, w&0xfff, !register, !isByte, 1)
	if isByte {
		i.size = 1
	}
	if load && isByte {
		i.op, i.keep = maskTo, 0xff
	}
}

func (i *insn) media() {
	w := i.raw
	op := field(w, 20, 5)
	switch {
	case op == 0x1f && field(w, 5, 3) == 7:
		i.flow = trap // UDF
	case op >= 0x1c && op <= 0x1d && field(w, 5, 2) == 0: // BFC, BFI
		if w&15 == 15 {
			lsb, msb := field(w, 7, 5), field(w, 16, 5)
			i.op, i.rn, i.imm = andImm, i.rd, uint64(^(uint32(1)<<(msb+1)-1)|(1<<lsb-1))
		}
		i.write(i.rd)
	case op >= 0x1e && field(w, 5, 2) == 2: // UBFX
		i.op, i.keep = maskTo, uint64(uint32(2)<<field(w, 16, 5)-1)
		i.write(i.rd)
	case op >= 0x1a && op <= 0x1b && field(w, 5, 2) == 2: // SBFX
		i.write(i.rd)
	case op >= 0x10 && op <= 0x18: // signed multiplications, divisions, USAD8
		i.write(i.rn)
		i.write(i.rd & 15)
		if i.rd == armPC {
			i.flow = next // no accumulator
		}
	case op < 0x10:
		if field(w, 4, 4) == 7 && i.rn == 15 {
			switch op {
			case 0xe:
				i.op, i.keep = maskTo, 0xff
			case 0xf:
				i.op, i.keep = maskTo, 0xffff
			}
		}
		i.write(i.rd)
	default:
		i.flow = unknown
	}
}

// multiple decodes LDM and STM (A5.5).
func (i *insn) multiple() {
	w := i.raw
	load, list := field(w, 20, 1) == 1, w&0xffff
	n := int32(0)
	for r := uint8(0); r < 16; r++ {
		if list>>r&1 == 0 {
			continue
		}
		n += 4
		switch {
		case !load:
		case r == armPC && i.rn == armSP:
			i.flow = ret
		default:
			i.write(r)
		}
	}
	i.stores, i.loads, i.several = !load, load, true
	if field(w, 21, 1) == 0 {
		return
	}
	if field(w, 23, 1) == 0 {
		n = -n
	}
	if i.rn != armSP {
		i.write(i.rn)
		i.moved = n
		return
	}
	i.spDelta = n
}

// coprocessor decodes A5.6: CP15 is the system's, CP10 and CP11 are VFP and NEON.
func (i *insn) coprocessor() {
	w := i.raw
	switch {
	case field(w, 24, 4) == 15:
		i.flow = trap // SVC
	case field(w, 9, 3) == 5:
		i.flow = floating
	case field(w, 8, 4) != 15:
		i.flow = unknown
	case field(w, 21, 7) == 0x62: // MCRR, MRRC
		if field(w, 20, 1) == 1 {
			i.write(i.rd)
			i.write(i.rn)
		}
	case field(w, 24, 4) == 14 && w&0x10 != 0: // MCR, MRC
		if field(w, 20, 1) == 1 && i.rd != armPC {
			i.write(i.rd)
		}
	default:
		i.flow = unknown
	}
}
