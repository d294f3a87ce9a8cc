package load

import (
	"math"

	"mortise/stack/filter/bpf"
)

// Where a helper counts from: a fact's from.
const (
	callMAC = 1 + iota // the frame's first byte
	callNet            // its network header
)

// number returns the value of a register that must hold a number.
func (v *verifier) number(pc int, s *state, reg uint8) (value, *Refusal) {
	if x := s.reg[reg]; x.kind == scalar {
		return x, nil
	} else if x.kind == nothing {
		return x, refuse(pc, "r%d was never written on this path", reg)
	} else {
		return x, refuse(pc, "r%d %s, not a number", reg, kindNames[x.kind])
	}
}

// execute changes s as the instruction at pc does, and returns the steps that it takes at most.
func (v *verifier) execute(pc int, s *state) (steps int, r *Refusal) {
	in := &v.insns[pc]
	switch in.class() {
	case clLd:
		if in.wide {
			s.reg[in.dst] = number(in.imm64)
			return 1, nil
		}
		return 1, v.loadPacket(pc, in, s)
	case clLdx:
		return v.load(pc, in, s)
	case clSt, clStx:
		return 1, v.store(pc, in, s)
	case clAlu, clAlu64:
		return v.arithmetic(pc, in, s)
	}
	switch in.op & 0xf0 {
	case jmpJA:
		return 1, nil
	case jmpExit:
		if _, r := v.number(pc, s, 0); r != nil {
			return 0, r
		}
		return 1, nil
	case jmpCall:
		return v.call(pc, in, s)
	}
	for _, reg := range []uint8{in.dst, in.src}[:1+in.op>>3&1] {
		if _, r := v.number(pc, s, reg); r != nil {
			return 0, r
		}
	}
	return 1, nil
}

func (v *verifier) arithmetic(pc int, in *insn, s *state) (steps int, r *Refusal) {
	op, width := in.op&0xf0, in.width()
	b := number(uint64(int64(in.imm)))
	if in.op&bySource != 0 && op != aluEnd && op != aluNeg {
		if b = s.reg[in.src]; b.kind == nothing {
			return 0, refuse(pc, "r%d was never written on this path", in.src)
		}
	}
	a := s.reg[in.dst]
	if op == aluMov {
		if b.kind != scalar && width == 32 {
			return 0, refuse(pc, "half of an address is none")
		}
		if b.kind != scalar {
			s.reg[in.dst] = b
			v.facts[pc].wide = true
			return 1, nil
		}
		a = number(0)
	}
	if a.kind == nothing {
		return 0, refuse(pc, "r%d was never written on this path", in.dst)
	}
	if op == aluEnd {
		return v.swap(pc, in, s)
	}
	if a.kind == stack || b.kind == stack && op == aluAdd && a.kind == scalar {
		return 1, v.address(pc, in, s, a, b)
	}
	if a.kind == context || b.kind == context {
		return 0, refuse(pc, "the context's address cannot be calculated with")
	}
	if b.kind == stack {
		return 0, refuse(pc, "r%d is an address of the stack, not a number", in.src)
	}
	steps = 1
	result := alu(op, a, b, width)
	if width == 64 {
		wide := !result.small()
		switch op {
		case aluRsh, aluLsh:
			wide = wide || !a.small() || !b.known() || b.min > 31
		case aluArsh:
			wide = wide || a.max > math.MaxInt32 || !b.known() || b.min > 31
		case aluDiv, aluMod:
			if !a.small() || !b.small() {
				return 0, refuse(pc, "a division of 64 bits is not supported, and nothing shows that 32 are enough (%v by %v): use unsigned int", a, b)
			}
		}
		v.facts[pc].wide = v.facts[pc].wide || wide
	}
	if op == aluDiv || op == aluMod {
		steps += bpf.DivSteps
	}
	s.reg[in.dst] = result
	return steps, nil
}

// address follows the addition of a number to an address of the stack, or its subtraction.
func (v *verifier) address(pc int, in *insn, s *state, a, b value) *Refusal {
	op := in.op & 0xf0
	if a.kind != stack {
		a, b = b, a
	}
	if b.kind != scalar {
		return refuse(pc, "two addresses cannot be calculated with")
	}
	if op != aluAdd && op != aluSub || in.width() != 64 {
		return refuse(pc, "numbers can be added to an address and subtracted from it, of 64 bits, nothing else")
	}
	kinds := a.kind
	a.kind = scalar
	r := alu(op, a, b, 64)
	if r.max > bpf.StackSize {
		return refuse(pc, "the address may lie outside of the stack: %v added to it", b)
	}
	r.kind = kinds
	s.reg[in.dst] = r
	return nil
}

func (v *verifier) swap(pc int, in *insn, s *state) (steps int, r *Refusal) {
	if _, r := v.number(pc, s, in.dst); r != nil {
		return 0, r
	}
	switch in.imm {
	case 16:
		s.reg[in.dst] = upTo(math.MaxUint16)
	case 32:
		s.reg[in.dst] = upTo(math.MaxUint32)
	default:
		s.reg[in.dst] = unknown
	}
	return 1, nil
}

// call follows bpf_skb_load_bytes(context, offset, to, length) and its relative kind, which has a fifth argument.
func (v *verifier) call(pc int, in *insn, s *state) (steps int, r *Refusal) {
	if x := s.reg[1]; x.kind != context {
		return 0, refuse(pc, "r1 must hold the context here, it %s", kindNames[x.kind])
	}
	if _, r := v.number(pc, s, 2); r != nil {
		return 0, r
	}
	to := s.reg[3]
	if to.kind != stack {
		return 0, refuse(pc, "r3 must hold an address of the stack here, it %s", kindNames[to.kind])
	}
	length, r := v.number(pc, s, 4)
	if r != nil {
		return 0, r
	}
	if length.min < 1 || length.max > bpf.StackSize {
		return 0, refuse(pc, "r4, the length, may be %v: 1 to %d are allowed", length, bpf.StackSize)
	}
	from := callNet
	if in.imm == callLoadBytesRelative {
		start, r := v.number(pc, s, 5)
		if r != nil {
			return 0, r
		}
		if !start.known() || start.min > 1 {
			return 0, refuse(pc, "r5 may be %v: BPF_HDR_START_MAC (0) and BPF_HDR_START_NET (1) are allowed", start)
		}
		from = callMAC + int(start.min)
	}
	if f := &v.facts[pc]; f.from != 0 && f.from != from {
		return 0, refuse(pc, "r5 is not the same on all paths")
	} else {
		f.from = from
	}
	first, last := int(to.min), int(to.max)
	size := int(length.max)
	if last+size > bpf.StackSize {
		return 0, refuse(pc, "the helper may write beyond the stack: %d bytes to r10%+d", size, last-bpf.StackSize)
	}
	exact := first == last && length.known()
	for at := first; at < last+size; at++ {
		if !exact && s.init[at/8]>>(at%8)&1 == 0 {
			return 0, refuse(pc, "the helper may write less than %d bytes, and the stack at r10%+d was never written before", size, at-bpf.StackSize)
		}
		if k := s.slot[at/8].kind; k != nothing && k != scalar && !exact {
			return 0, refuse(pc, "the helper may overwrite the address at r10%+d", at&^7-bpf.StackSize)
		}
		s.slot[at/8] = value{}
		s.init[at/8] |= 1 << (at % 8)
	}
	for i := 1; i <= 5; i++ {
		s.reg[i] = value{}
	}
	s.reg[0] = unknown
	return 1 + (size+3)/4, nil
}
