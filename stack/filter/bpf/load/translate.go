package load

import (
	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
)

// translator makes a Program of what the verifier accepted. Where the facts show that 32 bits give the same result it
// takes those, which cost less; a register that is spilled is moved to the stack's word.
type translator struct {
	assembler
	insns []insn
	facts []fact
	joins []bool // more than one way leads to the instruction
	ifidx uint32
	start []int // by instruction of the source: its first one in the Program

	skipped int // instructions behind this one that it stands for
}

var (
	alu32 = map[uint8]bpf.Op{aluAdd: bpf.Add, aluSub: bpf.Sub, aluMul: bpf.Mul, aluOr: bpf.Or, aluAnd: bpf.And,
		aluLsh: bpf.Lsh, aluRsh: bpf.Rsh, aluNeg: bpf.Neg, aluXor: bpf.Xor, aluMov: bpf.Mov, aluArsh: bpf.Arsh}
	alu64 = map[uint8]bpf.Op{aluAdd: bpf.Add64, aluSub: bpf.Sub64, aluMul: bpf.Mul64, aluOr: bpf.Or64, aluAnd: bpf.And64,
		aluLsh: bpf.Lsh64, aluRsh: bpf.Rsh64, aluNeg: bpf.Neg64, aluXor: bpf.Xor64, aluMov: bpf.Mov64, aluArsh: bpf.Arsh64}
)

// comparison is how a conditional jump is expressed: which operation, and whether its targets change places.
type comparison struct {
	op, wide bpf.Op
	swap     bool
}

var comparisons = map[uint8]comparison{
	jmpJEQ: {bpf.JEQ, bpf.JEQ64, false}, jmpJNE: {bpf.JEQ, bpf.JEQ64, true},
	jmpJGT: {bpf.JGT, bpf.JGT64, false}, jmpJLE: {bpf.JGT, bpf.JGT64, true},
	jmpJGE: {bpf.JGE, bpf.JGE64, false}, jmpJLT: {bpf.JGE, bpf.JGE64, true},
	jmpJSGT: {bpf.JSGT, bpf.JSGT64, false}, jmpJSLE: {bpf.JSGT, bpf.JSGT64, true},
	jmpJSGE: {bpf.JSGE, bpf.JSGE64, false}, jmpJSLT: {bpf.JSGE, bpf.JSGE64, true},
	jmpJSET: {bpf.JSET, bpf.JSET64, false},
}

// unsigned is a comparison's kind for numbers of which neither is negative.
var unsigned = map[bpf.Op]bpf.Op{bpf.JSGT: bpf.JGT, bpf.JSGE: bpf.JGE}

// translate emits all instructions.
func (t *translator) translate() {
	t.code.Base, t.code.Codes = ethernetLen, true
	t.start = make([]int, len(t.insns))
	for pc := range t.insns {
		t.start[pc], t.source = len(t.code.Insns), pc
		switch in := &t.insns[pc]; {
		case in.second:
		case !t.facts[pc].seen: // only ways lead here that are never gone
			t.emit(bpf.RetK, 0, 0, 0, 0)
		case t.skipped > 0:
			t.skipped--
		default:
			t.insn(pc, in)
		}
	}
	t.link(t.start)
}

// follow returns the instruction that is executed when control gets to pc: not an unconditional jump.
func (t *translator) follow(pc int) int {
	for range len(t.insns) { // a loop of jumps was not accepted
		if in := &t.insns[pc]; in.class() != clJmp || in.op&0xf0 != jmpJA {
			break
		}
		pc += 1 + int(t.insns[pc].off)
	}
	return pc
}

func (t *translator) insn(pc int, in *insn) {
	f := &t.facts[pc]
	switch in.class() {
	case clLd:
		switch {
		case in.wide:
			t.emit(bpf.Mov64, in.dst, t.constant(in.imm64), 0, 0)
		case in.op&0xe0 == modeAbs:
			at, _ := frameOffset(in.imm, ethernetLen)
			t.emit(map[int]bpf.Op{1: bpf.LdB, 2: bpf.LdH, 4: bpf.LdW}[in.size()], 0, 0, 0, at)
		default:
			t.emit(map[int]bpf.Op{1: bpf.LdBI, 2: bpf.LdHI, 4: bpf.LdWI}[in.size()], 0, in.src, 0, uint32(in.imm))
		}
	case clLdx:
		switch {
		case f.kind == context:
			t.field(in)
		case f.slot > 0:
			t.emit(bpf.Mov64, in.dst, uint8(bpf.StackWord+f.slot-1), 0, 0)
		default:
			t.emit(bpf.LdStack, in.dst, in.src, uint8(in.size()), uint32(int32(in.off)))
		}
	case clSt, clStx:
		src := in.src
		if in.class() == clSt {
			src = t.constant(uint64(int64(in.imm)))
		}
		if f.slot > 0 {
			t.emit(bpf.Mov64, uint8(bpf.StackWord+f.slot-1), src, 0, 0)
		} else {
			t.emit(bpf.StStack, in.dst, src, uint8(in.size()), uint32(int32(in.off)))
		}
	case clAlu, clAlu64:
		t.arithmetic(pc, in, f.wide)
	default:
		t.control(pc, in, f)
	}
}

// field loads a field of the context, or a part of one.
func (t *translator) field(in *insn) {
	size := in.size()
	f, _ := fieldAt(int(in.off), size)
	switch f.name {
	case "len":
		t.emit(bpf.Len, in.dst, 0, 0, ethernetLen)
	case "protocol": // in network order
		t.emit(bpf.LdH, in.dst, 0, 0, 12)
		t.emit(bpf.Swap16, in.dst, in.dst, 0, 0)
	case "ifindex":
		t.emit(bpf.Mov, in.dst, t.constant(uint64(t.ifidx)), 0, 0)
	default:
		t.emit(bpf.Mov, in.dst, t.constant(0), 0, 0)
	}
	if size < f.size {
		t.emit(bpf.Rsh, in.dst, t.constant(uint64(8*(int(in.off)-f.off))), 0, 0)
		t.emit(bpf.And, in.dst, t.constant(1<<(8*size)-1), 0, 0)
	}
}

// extends reports whether the two instructions from pc on do nothing but zero the high half of register dst, as cpu v2 does it: a shift by 32 to
// the left, and back.
func (t *translator) extends(pc int, dst uint8) bool {
	shift := func(pc int, op uint8) bool {
		return pc < len(t.insns) && t.facts[pc].seen && !t.joins[pc] && t.insns[pc].op == clAlu64|op && t.insns[pc].dst == dst && t.insns[pc].imm == 32
	}
	return shift(pc, aluLsh) && shift(pc+1, aluRsh)
}

func (t *translator) arithmetic(pc int, in *insn, wide bool) {
	op := in.op & 0xf0
	switch {
	case op == aluMov && in.class() == clAlu64 && in.op&bySource != 0 && t.extends(pc+1, in.dst):
		t.emit(bpf.Mov, in.dst, in.src, 0, 0)
		t.skipped = 2
		return
	case op == aluLsh && in.op == clAlu64|aluLsh && in.imm == 32 && t.extends(pc, in.dst):
		t.emit(bpf.Mov, in.dst, in.dst, 0, 0)
		t.skipped = 1
		return
	}
	if op == aluEnd {
		swap := in.op&bySource != 0 || in.class() == clAlu64
		switch {
		case swap:
			t.emit(map[int32]bpf.Op{16: bpf.Swap16, 32: bpf.Swap32, 64: bpf.Swap64}[in.imm], in.dst, in.dst, 0, 0)
		case in.imm == 16:
			t.emit(bpf.And, in.dst, t.constant(0xffff), 0, 0)
		case in.imm == 32:
			t.emit(bpf.Mov, in.dst, in.dst, 0, 0)
		}
		return
	}
	immediate := uint64(int64(in.imm))
	if in.class() == clAlu {
		immediate &= 1<<32 - 1
	}
	byReg := in.op&bySource != 0
	if op == aluMov && in.dst == 0 && t.insns[t.follow(pc+1)].op == clJmp|jmpExit { // the way most programs end
		if byReg {
			t.emit(bpf.RetR, in.src, 0, 0, 0)
			return
		}
		v := uint32(immediate)
		if v > uint32(filter.VLAN) {
			v = uint32(filter.Skip) // as Run has it
		}
		t.emit(bpf.RetK, 0, 0, 0, v)
		return
	}
	src := in.src
	if op == aluNeg {
		src = in.dst
	} else if !byReg {
		src = t.constant(immediate)
	}
	if op == aluDiv || op == aluMod {
		t.divide(op == aluMod, in.dst, src, byReg)
		return
	}
	if in.class() == clAlu64 && wide {
		t.emit(alu64[op], in.dst, src, 0, 0)
	} else {
		t.emit(alu32[op], in.dst, src, 0, 0)
	}
}

func (t *translator) control(pc int, in *insn, f *fact) {
	switch in.op & 0xf0 {
	case jmpExit:
		t.emit(bpf.RetR, 0, 0, 0, 0)
		return
	case jmpCall:
		op := bpf.LoadBytes
		if f.from == callMAC {
			op = bpf.LoadFrame
		}
		t.emit(op, 0, 0, 0, 0)
		t.emit(bpf.Copy, 0, 0, 0, 0)
		return
	case jmpJA:
		to := t.follow(pc)
		t.jump(bpf.JEQ, 0, 0, to, to)
		return
	}
	c := comparisons[in.op&0xf0]
	op := c.op
	switch {
	case f.wide:
		op = c.wide
	case in.class() == clJmp:
		if u, ok := unsigned[op]; ok {
			op = u
		}
	}
	src := in.src
	if in.op&bySource == 0 {
		immediate := uint64(int64(in.imm))
		if in.class() == clJmp32 {
			immediate &= 1<<32 - 1
		}
		src = t.constant(immediate)
	}
	taken, next := t.follow(pc+1+int(in.off)), t.follow(pc+1)
	if c.swap {
		taken, next = next, taken
	}
	t.jump(op, in.dst, src, taken, next)
}
