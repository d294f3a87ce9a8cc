package load

import (
	"fmt"
	"math"

	"mortise/stack/filter/bpf"
)

// Limits of the verifier's own work: a program that needs more is refused.
const (
	maxVisits = 1 << 16 // instructions looked at, on all paths
	maxKept   = 1 << 11 // states remembered, some 3 kB each
)

// Helpers that may be called: their numbers are Linux's.
const (
	callLoadBytes         = 26
	callLoadBytesRelative = 68
)

// Where a helper counts from: a fact's from.
const (
	callMAC = 1 + iota // the frame's first byte
	callNet            // its network header
)

// state is what is known at an instruction: of the registers, and of the stack by words of eight bytes. A word of the stack
// that was written as a whole has its value in slot; of others, init has the bytes that were written.
type state struct {
	reg  [11]value
	slot [bpf.StackSize / 8]value
	init [bpf.StackSize / 8]uint8
}

// in reports whether whatever may happen from s on, may from t on.
func (s *state) in(t *state) bool {
	for i := range s.reg {
		if !s.reg[i].in(t.reg[i]) {
			return false
		}
	}
	for i := range s.slot {
		if t.init[i]&^s.init[i] != 0 || !s.slot[i].in(t.slot[i]) {
			return false
		}
		if t.slot[i].kind == nothing && t.init[i] != 0 && s.slot[i].kind > scalar {
			return false // an address is no bytes
		}
	}
	return true
}

// fact is what was found out about an instruction, on all paths: the translation relies on it.
type fact struct {
	seen bool
	wide bool // the instruction needs its 64 bits
	kind kind // of the address of an access
	slot int  // of an access to a whole word of the stack at one place: its number and 1; 0 unknown, -1 it varies
	from int  // where a helper counts from: callMAC, callNet
}

// verifier follows all paths through a program.
type verifier struct {
	insns  []insn
	facts  []fact
	joins  []bool // more than one instruction goes on here
	live   []uint16
	kept   [][]memory // by join
	visits int
	states int
}

// memory is a state from which the rest of the program was followed, and the most steps that it takes.
type memory struct {
	state state
	steps int
}

// verify reports why the program is not accepted, nil when it is: all paths end, within bpf.MaxSteps steps.
func (v *verifier) verify() (steps int, r *Refusal) {
	if r := v.graph(); r != nil {
		return 0, r
	}
	start := &state{}
	start.reg[1] = value{kind: context}
	start.reg[10] = value{kind: stack, zeros: 9, min: bpf.StackSize, max: bpf.StackSize}
	return v.walk(0, start, 0)
}

func refuse(pc int, format string, args ...any) *Refusal {
	return &Refusal{Insn: pc, Why: fmt.Sprintf(format, args...)}
}

// next returns the instruction behind pc.
func (v *verifier) next(pc int) int {
	if v.insns[pc].wide {
		return pc + 2
	}
	return pc + 1
}

// ways returns where the program may go on behind pc; taken is -1 when the instruction is no jump.
func (v *verifier) ways(pc int) (taken, next int) {
	in := &v.insns[pc]
	if c := in.class(); c == clJmp || c == clJmp32 {
		switch in.op & 0xf0 {
		case jmpExit:
			return -1, -1
		case jmpJA:
			return pc + 1 + int(in.off), -1
		case jmpCall:
			return -1, pc + 1
		}
		return pc + 1 + int(in.off), pc + 1
	}
	return -1, v.next(pc)
}

// graph checks each instruction as such, that jumps lead to instructions and all are reached, and finds the live registers.
func (v *verifier) graph() *Refusal {
	n := len(v.insns)
	v.facts, v.joins, v.live, v.kept = make([]fact, n), make([]bool, n), make([]uint16, n), make([][]memory, n)
	for pc := range v.insns {
		if in := &v.insns[pc]; !in.second {
			if why := in.invalid(); why != "" {
				return refuse(pc, "%s", why)
			}
		}
	}
	reached, work := make([]bool, n), []int{0}
	arrive := func(from, to int) *Refusal {
		if to < 0 || to >= n {
			return refuse(from, "the program does not end here: control leaves it")
		}
		if v.insns[to].second {
			return refuse(from, "it jumps into the middle of an instruction of 16 bytes")
		}
		if reached[to] || to <= from {
			v.joins[to] = true
		}
		if !reached[to] {
			reached[to] = true
			work = append(work, to)
		}
		return nil
	}
	reached[0] = true
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		taken, next := v.ways(pc)
		in := &v.insns[pc]
		if next != -1 || in.class() != clJmp && in.class() != clJmp32 {
			if r := arrive(pc, next); r != nil {
				return r
			}
		}
		if isJump(in) {
			if r := arrive(pc, taken); r != nil {
				return r
			}
		}
	}
	for pc := range v.insns {
		if !reached[pc] && !v.insns[pc].second {
			return refuse(pc, "it is never reached")
		}
	}
	v.liveness()
	return nil
}

// isJump reports whether in has an offset to jump by.
func isJump(in *insn) bool {
	if c := in.class(); c != clJmp && c != clJmp32 {
		return false
	}
	op := in.op & 0xf0
	return op != jmpCall && op != jmpExit
}

// liveness finds which registers are read behind each instruction before they are written again: what the others hold
// makes no difference between states.
func (v *verifier) liveness() {
	for changed := true; changed; {
		changed = false
		for pc := len(v.insns) - 1; pc >= 0; pc-- {
			if v.insns[pc].second {
				continue
			}
			out := uint16(0)
			for taken, next := v.ways(pc); ; taken, next = next, -1 {
				if taken >= 0 {
					out |= v.live[taken]
				}
				if next < 0 {
					break
				}
			}
			read, written := v.insns[pc].uses()
			if in := out&^written | read; in != v.live[pc] {
				v.live[pc], changed = in, true
			}
		}
	}
}

// uses returns the registers that in reads and those that it writes.
func (i *insn) uses() (read, written uint16) {
	d, s := uint16(1)<<i.dst, uint16(1)<<i.src
	if i.op&bySource == 0 {
		s = 0
	}
	switch i.class() {
	case clLd:
		if i.wide {
			return 0, d
		}
		read, written = 1<<6, 1|0x3e
		if i.op&0xe0 == modeInd {
			read |= 1 << i.src
		}
	case clLdx:
		return 1 << i.src, d
	case clSt:
		return d, 0
	case clStx:
		return d | 1<<i.src, 0
	case clAlu, clAlu64:
		switch i.op & 0xf0 {
		case aluMov:
			return s, d
		case aluEnd, aluNeg:
			return d, d
		}
		return d | s, d
	case clJmp, clJmp32:
		switch i.op & 0xf0 {
		case jmpJA:
			return 0, 0
		case jmpExit:
			return 1, 0
		case jmpCall:
			return 0x3e, 0x3f
		}
		return d | s, 0
	}
	return read, written
}

// invalid says what is wrong with the instruction whatever comes before, "" when nothing is.
func (i *insn) invalid() string {
	if i.dst > 10 || i.src > 10 {
		return "there are no registers above r10"
	}
	code, byReg := i.op&0xf0, i.op&bySource != 0
	switch i.class() {
	case clLd:
		switch {
		case i.wide:
			if i.src != 0 || i.off != 0 {
				return "maps and global data are not supported: keep tables in registers or on the stack"
			}
			return ""
		case i.op&0xe0 != modeAbs && i.op&0xe0 != modeInd || i.op&0x18 == sizeDW:
			return "no such instruction"
		}
	case clLdx:
		if i.op&0xe0 == modeMemSX {
			return "instructions of cpu v4 are not supported: build with -mcpu=v3"
		}
		if i.op&0xe0 != modeMem {
			return "no such instruction"
		}
	case clSt, clStx:
		if i.op&0xe0 == modeAtomic {
			return "atomic operations are not supported"
		}
		if i.op&0xe0 != modeMem {
			return "no such instruction"
		}
	case clAlu, clAlu64:
		switch {
		case code > aluEnd:
			return "no such instruction"
		case code == aluEnd:
			if i.imm != 16 && i.imm != 32 && i.imm != 64 || i.class() == clAlu64 && byReg {
				return "no such instruction"
			}
		case i.off != 0:
			return "instructions of cpu v4 are not supported: build with -mcpu=v3"
		case (code == aluDiv || code == aluMod) && !byReg && i.imm == 0:
			return "it divides by zero"
		case (code == aluLsh || code == aluRsh || code == aluArsh) && !byReg:
			if width := i.width(); i.imm < 0 || int(i.imm) >= width {
				return fmt.Sprintf("it shifts by %d: 0 to %d are there", i.imm, width-1)
			}
		}
		if i.dst == 10 {
			return "r10 cannot be changed"
		}
	case clJmp:
		switch {
		case code > jmpJSLE, i.op == clJmp|jmpJA|bySource, i.op == clJmp|jmpExit|bySource, i.op == clJmp|jmpCall|bySource:
			return "no such instruction"
		case code == jmpCall:
			switch {
			case i.src == 1:
				return "calls of functions are not supported: declare them static and always_inline"
			case i.src != 0 || i.imm != callLoadBytes && i.imm != callLoadBytesRelative:
				return fmt.Sprintf("%s is not there: bpf_skb_load_bytes (26) and bpf_skb_load_bytes_relative (68) are", helperName(i.imm))
			}
		}
	case clJmp32:
		switch {
		case code == jmpJA:
			return "instructions of cpu v4 are not supported: build with -mcpu=v3"
		case code > jmpJSLE, code == jmpCall, code == jmpExit:
			return "no such instruction"
		}
	}
	if i.class() == clLdx && i.dst == 10 {
		return "r10 cannot be changed"
	}
	return ""
}

// helperName names the commonest helpers of the kernel that are not there.
func helperName(n int32) string {
	if s, ok := map[int32]string{
		1: "bpf_map_lookup_elem", 2: "bpf_map_update_elem", 3: "bpf_map_delete_elem", 5: "bpf_ktime_get_ns", 6: "bpf_trace_printk",
		7: "bpf_get_prandom_u32", 8: "bpf_get_smp_processor_id", 9: "bpf_skb_store_bytes", 12: "bpf_tail_call",
	}[n]; ok {
		return fmt.Sprintf("the helper %s (%d)", s, n)
	}
	return fmt.Sprintf("the helper %d", n)
}

func (i *insn) width() int {
	if c := i.class(); c == clAlu || c == clJmp32 {
		return 32
	}
	return 64
}

// walk follows the program from pc on in state s, which becomes its own, used steps after the start. It returns the most
// steps that any path takes from here.
func (v *verifier) walk(pc int, s *state, used int) (steps int, r *Refusal) {
	if !v.joins[pc] {
		return v.path(pc, s, used)
	}
	for i := range v.kept[pc] {
		if m := &v.kept[pc][i]; s.in(&m.state) {
			if used+m.steps > bpf.MaxSteps {
				return 0, tooLong(pc)
			}
			return m.steps, nil
		}
	}
	for i := range s.reg {
		if v.live[pc]>>i&1 == 0 && i != 10 {
			s.reg[i] = value{}
		}
	}
	if v.states == maxKept {
		return v.path(pc, s, used)
	}
	begin := *s
	if steps, r = v.path(pc, s, used); r == nil && v.states < maxKept {
		v.states++
		v.kept[pc] = append(v.kept[pc], memory{begin, steps})
	}
	return steps, r
}

// path is walk up to the next join or branch, from where walk goes on. Each call takes a step, so their depth is bounded.
func (v *verifier) path(pc int, s *state, used int) (steps int, r *Refusal) {
	for {
		if v.visits++; v.visits > maxVisits {
			return 0, refuse(pc, "there are too many different paths to here: more than %d instructions to look at", maxVisits)
		}
		v.facts[pc].seen = true
		cost, r := v.execute(pc, s)
		if r != nil {
			return 0, r
		}
		steps += cost
		if used += cost; used > bpf.MaxSteps {
			return 0, tooLong(pc)
		}
		taken, next := v.ways(pc)
		switch {
		case taken < 0 && next < 0:
			return steps, nil
		case taken >= 0 && next >= 0:
			here, there := *s, *s
			canFall, canJump := v.branch(pc, &v.insns[pc], &here, &there)
			most := 0
			if canJump {
				if most, r = v.walk(taken, &there, used); r != nil {
					return 0, r
				}
			}
			if canFall {
				rest, r := v.walk(next, &here, used)
				if r != nil {
					return 0, r
				}
				most = max(most, rest)
			}
			return steps + most, nil
		case taken >= 0:
			pc = taken
		default:
			pc = next
		}
		if v.joins[pc] {
			rest, r := v.walk(pc, s, used)
			return steps + rest, r
		}
	}
}

func tooLong(pc int) *Refusal {
	return refuse(pc, "a path through here takes more than %d steps: a loop without a bound, or too long a one", bpf.MaxSteps)
}

// branch narrows the states behind a conditional jump, and reports which ways can be gone.
func (v *verifier) branch(pc int, in *insn, here, there *state) (canFall, canJump bool) {
	op := in.op & 0xf0
	a, b := here.reg[in.dst], number(uint64(int64(in.imm)))
	if in.op&bySource != 0 {
		b = here.reg[in.src]
	}
	if in.width() == 32 {
		if in.op&bySource == 0 {
			b = b.low()
		}
		most := uint64(math.MaxUint32)
		if op == jmpJSGT || op == jmpJSGE || op == jmpJSLT || op == jmpJSLE {
			most = math.MaxInt32
		}
		if a.max > most || b.max > most {
			return true, true
		}
	} else {
		// The comparison of the low words alone is the same where the high ones are zero.
		if !a.small() || !b.small() {
			v.facts[pc].wide = true
		}
	}
	x, y, canJump := compare(op, a, b, true)
	there.reg[in.dst] = x
	if in.op&bySource != 0 {
		there.reg[in.src] = y
	}
	x, y, canFall = compare(op, a, b, false)
	here.reg[in.dst] = x
	if in.op&bySource != 0 {
		here.reg[in.src] = y
	}
	return canFall, canJump
}

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
