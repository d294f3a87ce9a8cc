package load

import (
	"math"

	"mortise/stack/filter/bpf"
)

// Offsets that stand for parts of the frame: 3.4 of the kernel's Documentation/networking/filter.rst.
const (
	netOffset = -0x100000
	macOffset = -0x200000
	adOffset  = -0x1000
)

// loadPacket follows LD_ABS and LD_IND. A load out of the frame ends the program, so there is nothing to bound.
func (v *verifier) loadPacket(pc int, in *insn, s *state) *Refusal {
	if x := s.reg[6]; x.kind != context {
		return refuse(pc, "r6 must hold the context here, it %s", kindNames[x.kind])
	}
	ind := in.op&0xe0 == modeInd
	if ind {
		if _, r := v.number(pc, s, in.src); r != nil {
			return r
		}
	}
	if _, ok := frameOffset(in.imm, ethernetLen); !ind && !ok || ind && in.imm < adOffset {
		return refuse(pc, "there is nothing at offset %d: offsets from 0 count from the network header, from %d from the frame's first byte",
			in.imm, macOffset)
	}
	for i := 1; i <= 5; i++ {
		s.reg[i] = value{}
	}
	s.reg[0] = upTo(1<<(8*in.size()) - 1)
	return nil
}

// ethernetLen is where offset 0 of a socket filter lies in the frame, as in Linux.
const ethernetLen = 14

// frameOffset returns where the offset off of an instruction lies in the frame, when base is where 0 lies.
func frameOffset(off int32, base uint32) (at uint32, ok bool) {
	switch {
	case off >= 0:
		return uint32(off) + base, true
	case netOffset <= off && off < adOffset:
		return uint32(off-netOffset) + ethernetLen, true
	case macOffset <= off && off < netOffset:
		return uint32(off - macOffset), true
	}
	return 0, false
}

// field is a field of struct __sk_buff.
type field struct {
	off, size int
	name      string
	most      uint64
}

// fields are those that exist here. The data is as it came: no tag was ever taken out of it, so the vlan fields are 0.
var fields = []field{
	{0, 4, "len", 1<<16 - 1},
	{16, 4, "protocol", 1<<16 - 1},
	{20, 4, "vlan_present", 0},
	{24, 4, "vlan_tci", 0},
	{28, 4, "vlan_proto", 0},
	{40, 4, "ifindex", math.MaxUint32},
}

// fieldNames names the fields that do not.
var fieldNames = map[int]string{
	4: "pkt_type", 8: "mark", 12: "queue_mapping", 32: "priority", 36: "ingress_ifindex", 44: "tc_index", 48: "cb", 52: "cb", 56: "cb",
	60: "cb", 64: "cb", 68: "hash", 72: "tc_classid", 76: "data", 80: "data_end", 84: "napi_id", 152: "tstamp",
}

// fieldAt returns the field that an access of size bytes at off reads.
func fieldAt(off, size int) (f field, ok bool) {
	for _, f := range fields {
		if f.off <= off && off+size <= f.off+f.size && off%size == 0 {
			return f, true
		}
	}
	return field{}, false
}

func (v *verifier) load(pc int, in *insn, s *state) (steps int, r *Refusal) {
	base := s.reg[in.src]
	if r := v.sameKind(pc, base.kind); r != nil {
		return 0, r
	}
	switch base.kind {
	case context:
		f, ok := fieldAt(int(in.off), in.size())
		if !ok {
			name := fieldNames[int(in.off)&^3]
			switch name {
			case "":
				return 0, refuse(pc, "struct __sk_buff has nothing of %d bytes at %d that is there: len, protocol, vlan_present, vlan_tci, vlan_proto and ifindex are", in.size(), in.off)
			case "data", "data_end":
				return 0, refuse(pc, "%s is not for socket filters: read the packet by bpf_skb_load_bytes", name)
			}
			return 0, refuse(pc, "the field %s of struct __sk_buff is not there: len, protocol, vlan_present, vlan_tci, vlan_proto and ifindex are", name)
		}
		x := upTo(f.most)
		if in.size() < 4 {
			x = upTo(min(f.most, 1<<(8*in.size())-1))
		}
		s.reg[in.dst] = x
		return 4, nil
	case stack:
		return v.loadStack(pc, in, s, base)
	}
	return 0, refuse(pc, "r%d %s, not an address", in.src, kindNames[base.kind])
}

// sameKind checks that the address of an access is of the same kind on all paths: the translation depends on it.
func (v *verifier) sameKind(pc int, k kind) *Refusal {
	f := &v.facts[pc]
	if f.kind != nothing && f.kind != k {
		return refuse(pc, "the address is of the stack on one path and of the context on another")
	}
	f.kind = k
	return nil
}

// place checks an access of size bytes at base + off and returns where in the stack it may begin.
func (v *verifier) place(pc int, base value, off, size int) (first, last int, r *Refusal) {
	if base.max > bpf.StackSize {
		return 0, 0, refuse(pc, "the address may lie outside of the stack")
	}
	first, last = int(base.min)+off, int(base.max)+off
	if first < 0 || last+size > bpf.StackSize {
		return 0, 0, refuse(pc, "the access may lie outside of the stack: r10%+d to r10%+d", first-bpf.StackSize, last+size-bpf.StackSize)
	}
	if first%size != 0 || first != last && 1<<base.zeros < size {
		return 0, 0, refuse(pc, "the access of %d bytes may be unaligned", size)
	}
	return first, last, nil
}

// word notes where a whole word of the stack is accessed.
func (v *verifier) word(pc, first, last, size int) {
	f, slot := &v.facts[pc], -1
	if size == 8 && first == last {
		slot = first/8 + 1
	}
	if f.slot == 0 {
		f.slot = slot
	} else if f.slot != slot {
		f.slot = -1
	}
}

func (v *verifier) loadStack(pc int, in *insn, s *state, base value) (steps int, r *Refusal) {
	size := in.size()
	first, last, r := v.place(pc, base, int(in.off), size)
	if r != nil {
		return 0, r
	}
	v.word(pc, first, last, size)
	if first == last && size == 8 && s.slot[first/8].kind != nothing {
		s.reg[in.dst] = s.slot[first/8]
		return 1, nil
	}
	x := upTo(uint64(1)<<(8*size-1)*2 - 1)
	for at := first; at < last+size; at++ {
		if s.init[at/8]>>(at%8)&1 == 0 {
			return 0, refuse(pc, "the stack at r10%+d was never written on this path", at-bpf.StackSize)
		}
		if k := s.slot[at/8].kind; k != nothing && k != scalar {
			return 0, refuse(pc, "the stack at r10%+d holds an address: it can be loaded as a whole only", at&^7-bpf.StackSize)
		}
	}
	if slot := s.slot[first/8]; first == last && slot.known() {
		x = number(slot.min >> (8 * (first % 8)) & x.max)
	}
	s.reg[in.dst] = x
	return 1, nil
}

func (v *verifier) store(pc int, in *insn, s *state) *Refusal {
	base, size := s.reg[in.dst], in.size()
	if base.kind != stack {
		if base.kind == context {
			return refuse(pc, "the context cannot be written")
		}
		return refuse(pc, "r%d %s, not an address", in.dst, kindNames[base.kind])
	}
	x := number(uint64(int64(in.imm)))
	if in.class() == clStx {
		if x = s.reg[in.src]; x.kind == nothing {
			return refuse(pc, "r%d was never written on this path", in.src)
		}
	}
	first, last, r := v.place(pc, base, int(in.off), size)
	if r != nil {
		return r
	}
	v.word(pc, first, last, size)
	if x.kind != scalar && (size != 8 || first != last) {
		return refuse(pc, "an address can be stored as a whole only, at a place that is known")
	}
	if first == last && size == 8 {
		s.slot[first/8], s.init[first/8] = x, 0xff
		return nil
	}
	for at := first; at < last+size; at++ {
		s.slot[at/8] = value{}
		if first == last {
			s.init[at/8] |= 1 << (at % 8)
		}
	}
	return nil
}
