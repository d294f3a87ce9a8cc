package check

// memory64 decodes loads and stores (C4.1.94).
func (i *insn) memory64() {
	w := i.raw
	vector := field(w, 26, 1) == 1
	i.base()
	switch group := field(w, 27, 3); {
	case group == 1 && vector: // LD1, ST1 and their like
		load := field(w, 22, 1) == 1
		for k := range uint8(4) {
			i.moveVector(load, (i.rd+k)&31)
		}
		i.stores, i.loads = !load && i.rn != regSP, load
		if field(w, 23, 1) == 1 { // moves rn
			i.back(0, false, false)
		}
	case group == 1: // exclusive and ordered, CAS
		load := field(w, 22, 1) == 1
		i.size = 1 << (w >> 30)
		i.wide = i.size == 8
		if i.loads = load; load {
			i.change(i.rd)
			if field(w, 21, 1) == 1 && field(w, 23, 1) == 0 {
				i.change(uint8(field(w, 10, 5)))
			}
		}
		if !load || field(w, 21, 1) == 1 && field(w, 23, 1) == 1 {
			i.stores = true
			i.change(i.rm) // the status; CAS: what was there
			if i.rn == regSP {
				i.op, i.imm = addReg, 0 // an address in the frame
			}
		}
	case group == 3 && field(w, 24, 2) == 0: // relative to PC
		i.rn, i.literal = regPC, i.pc+uint64(extend(field(w, 5, 19), 19)<<2)
		i.loads, i.size = true, 4<<(w>>30&1)
		if vector {
			i.moveVector(true, i.rd)
			return
		}
		if w>>30 == 3 {
			i.loads = false // PRFM
			return
		}
		if i.op, i.wide = loadWord, w>>30 != 0; w>>30 == 2 {
			i.op = otherOp // LDRSW
		}
		i.change(i.rd)
	case group == 5:
		i.pair64(vector)
	case group == 7:
		i.single64(vector)
	default:
		i.flow = unknown
	}
}

// moveVector notes a load or store of a vector register.
func (i *insn) moveVector(load bool, r uint8) {
	if load {
		i.vectors |= 1 << r
	} else {
		i.saves |= 1 << r
	}
}

// back notes that rn moves by n, if that is known, ahead of the access or behind it.
func (i *insn) back(n int32, known, pre bool) {
	i.post = !pre
	switch {
	case i.rn != regSP:
		i.op = otherOp
		i.change(i.rn)
		if known {
			i.moved = n
		}
	case known:
		i.spDelta, i.spBefore, i.imm = n, pre, 0
	default:
		i.spLost = true
	}
}

func (i *insn) pair64(vector bool) {
	w := i.raw
	opc, mode, load := w>>30, field(w, 23, 2), field(w, 22, 1) == 1
	i.pair, i.rd2, i.size = true, uint8(field(w, 10, 5)), 4<<(opc>>1)
	if vector {
		i.size = 4 << opc
	}
	imm := extend(field(w, 15, 7), 7) * int64(i.size)
	i.imm, i.wide = uint64(imm), i.size == 8
	i.stores, i.loads = !load && i.rn != regSP, load
	switch {
	case !load && vector:
		i.op = storePart
	case !load:
		i.op = storeWord
	}
	switch {
	case vector:
		i.moveVector(load, i.rd)
		i.moveVector(load, i.rd2)
	case load:
		i.change(i.rd)
		i.change(i.rd2)
	}
	if mode&1 == 1 {
		i.back(int32(imm), true, mode == 3)
	}
}

func (i *insn) single64(vector bool) {
	w := i.raw
	size, opc := w>>30, field(w, 22, 2)
	i.size = 1 << size
	load := opc != 0
	if vector {
		load = opc&1 == 1
		if opc >= 2 {
			i.size = 16
		}
	}
	i.wide = opc == 2 || size == 3
	indexed := false
	switch {
	case field(w, 24, 2) == 1:
		i.imm = uint64(field(w, 10, 12)) * uint64(i.size)
	case field(w, 24, 2) == 0 && field(w, 21, 1) == 0:
		i.imm = uint64(extend(field(w, 12, 9), 9))
	case field(w, 24, 2) == 0 && field(w, 10, 2) == 2:
		indexed, i.indexed = true, true
	case atomic64(w): // LDADD and its like, SWP
		i.stores, i.loads = true, true
		i.change(i.rd)
		if i.rn == regSP {
			i.op, i.imm = addReg, 0
		}
		return
	default:
		i.flow = unknown
		return
	}
	if !vector && size == 3 && opc == 2 {
		return // PRFM
	}
	i.stores, i.loads = !load && i.rn != regSP, load
	switch {
	case indexed && i.rn == regSP:
		i.stores = i.stores || !load // somewhere in the frame
	case indexed:
	case vector && !load:
		i.op = storePart
	case vector:
	case !load && size >= 2:
		i.op = storeWord
	case !load:
		i.op = storePart
	case opc == 1 && size >= 2:
		i.op = loadWord
	case opc == 1:
		i.op, i.keep = maskTo, uint64(1)<<(8*i.size)-1
	}
	switch {
	case vector:
		i.moveVector(load, i.rd)
	case load:
		i.change(i.rd)
	}
	if field(w, 24, 2) == 0 && field(w, 21, 1) == 0 && field(w, 10, 1) == 1 {
		i.back(int32(extend(field(w, 12, 9), 9)), true, field(w, 10, 2) == 3)
	}
}
