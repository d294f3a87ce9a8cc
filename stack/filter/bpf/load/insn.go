package load

import "fmt"

// Parts of an opcode: 3, RFC 9669.
const (
	clLd, clLdx, clSt, clStx       = 0, 1, 2, 3
	clAlu, clJmp, clJmp32, clAlu64 = 4, 5, 6, 7

	modeImm, modeAbs, modeInd, modeMem = 0x00, 0x20, 0x40, 0x60
	modeMemSX, modeAtomic              = 0x80, 0xc0

	sizeW, sizeH, sizeB, sizeDW = 0x00, 0x08, 0x10, 0x18

	bySource = 8 // the operand is a register, not the constant

	aluAdd, aluSub, aluMul, aluDiv, aluOr, aluAnd, aluLsh, aluRsh = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
	aluNeg, aluMod, aluXor, aluMov, aluArsh, aluEnd               = 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0

	jmpJA, jmpJEQ, jmpJGT, jmpJGE, jmpJSET, jmpJNE, jmpJSGT, jmpJSGE = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
	jmpCall, jmpExit, jmpJLT, jmpJLE, jmpJSLT, jmpJSLE               = 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0

	opLdImm64 = clLd | modeImm | sizeDW
)

// insn is an eBPF instruction. wide marks the first half of one of 16 bytes, whose constant is imm64; the second half
// keeps its place in the list, so that jump offsets count.
type insn struct {
	op       uint8
	dst, src uint8
	off      int16
	imm      int32
	imm64    uint64
	wide     bool
	second   bool
}

func (i *insn) class() uint8 { return i.op & 7 }
func (i *insn) size() int    { return [4]int{4, 2, 1, 8}[i.op>>3&3] }

// decode reads the instructions of a section. Its length is a multiple of eight.
func decode(b []byte) ([]insn, *Refusal) {
	list := make([]insn, len(b)/8)
	for i := 0; i < len(list); i++ {
		d := b[i*8:]
		in := insn{op: d[0], dst: d[1] & 15, src: d[1] >> 4, off: int16(le16(d[2:])), imm: int32(le32(d[4:]))}
		if in.op == opLdImm64 {
			if i+1 == len(list) || b[i*8+8] != 0 {
				return nil, &Refusal{Insn: i, Why: "a constant of 64 bits lacks its second half"}
			}
			in.wide = true
			in.imm64 = uint64(uint32(in.imm)) | uint64(le32(b[i*8+12:]))<<32
			list[i] = in
			i++
			in = insn{second: true}
		}
		list[i] = in
	}
	return list, nil
}

func le16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
func le32(b []byte) uint32 { return uint32(le16(b)) | uint32(le16(b[2:]))<<16 }
func le64(b []byte) uint64 { return uint64(le32(b)) | uint64(le32(b[4:]))<<32 }

var (
	sizeNames = [4]string{"u32", "u16", "u8", "u64"}
	aluNames  = [16]string{"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "swap", "?", "?"}
	jmpNames  = [16]string{"goto", "==", ">", ">=", "&", "!=", "s>", "s>=", "call", "exit", "<", "<=", "s<", "s<=", "?", "?"}
)

// String returns the instruction as the kernel's and LLVM's listings do.
func (i *insn) String() string {
	r := func(prefix string, n uint8) string { return fmt.Sprintf("%s%d", prefix, n) }
	operand := func(prefix string) string {
		if i.op&bySource != 0 {
			return r(prefix, i.src)
		}
		return fmt.Sprint(i.imm)
	}
	size := sizeNames[i.op>>3&3]
	switch i.class() {
	case clLd:
		switch {
		case i.wide:
			return fmt.Sprintf("r%d = %#x ll", i.dst, i.imm64)
		case i.op&0xe0 == modeAbs:
			return fmt.Sprintf("r0 = *(%s *)skb[%d]", size, i.imm)
		case i.op&0xe0 == modeInd:
			return fmt.Sprintf("r0 = *(%s *)skb[r%d + %d]", size, i.src, i.imm)
		}
	case clLdx:
		return fmt.Sprintf("r%d = *(%s *)(r%d %+d)", i.dst, size, i.src, i.off)
	case clSt:
		return fmt.Sprintf("*(%s *)(r%d %+d) = %d", size, i.dst, i.off, i.imm)
	case clStx:
		return fmt.Sprintf("*(%s *)(r%d %+d) = r%d", size, i.dst, i.off, i.src)
	case clAlu, clAlu64:
		prefix := "r"
		if i.class() == clAlu {
			prefix = "w"
		}
		d := r(prefix, i.dst)
		switch i.op & 0xf0 {
		case aluNeg:
			return d + " = -" + d
		case aluEnd:
			name := [2]string{"le", "be"}[i.op>>3&1]
			if i.class() == clAlu64 {
				name = "bswap"
			}
			return fmt.Sprintf("r%d = %s%d r%d", i.dst, name, i.imm, i.dst)
		}
		return d + " " + aluNames[i.op>>4] + " " + operand(prefix)
	case clJmp, clJmp32:
		prefix := "r"
		if i.class() == clJmp32 {
			prefix = "w"
		}
		switch i.op & 0xf0 {
		case jmpJA:
			return fmt.Sprintf("goto %+d", i.off)
		case jmpCall:
			return fmt.Sprintf("call %d", i.imm)
		case jmpExit:
			return "exit"
		}
		return fmt.Sprintf("if %s %s %s goto %+d", r(prefix, i.dst), jmpNames[i.op>>4], operand(prefix), i.off)
	}
	return fmt.Sprintf("opcode %#02x", i.op)
}
