package load

import (
	"fmt"
	"strconv"
	"strings"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
)

// Returns says what a classic program's value means.
type Returns struct {
	// Codes says that the value is the verdict's code: DROP 0, ACCEPT 1, SKIP 2, VLAN 3, any other SKIP. Else the program is an
	// expression that a frame matches or not.
	Codes bool
	// Match is the verdict for any value but 0, Else that for 0.
	Match, Else filter.Verdict
}

// Matching is how an expression chooses the frames that the oob stage takes; in-band gets the others.
var Matching = Returns{Match: filter.Accept, Else: filter.Skip}

// Instruction is one of classic BPF.
type Instruction struct {
	Op     uint16
	JT, JF uint8
	K      uint32
}

// Classic opcodes, where they are not eBPF's too: McCanne and Jacobson, Table 1.
const (
	classicLdx = 1
	classicSt  = 2
	classicStx = 3
	classicRet = 6
	classicMsc = 7

	modeMemory = 0x60
	modeLen    = 0x80
	modeMsh    = 0xa0

	retA = 0x10
	tax  = 0x00
	txa  = 0x80
)

// Words of the Program's file: the accumulator, the index register, the 16 words of memory.
const (
	wordA      = 0
	wordX      = 7
	wordMemory = bpf.StackWord
)

// beyond is an offset that no frame has.
const beyond = 1 << 30

// maxClassic is how many instructions are taken: each becomes one of the Program, but for two at its begin.
const maxClassic = bpf.MaxInsns - 2

// ParseClassic reads a program as `tcpdump -ddd` prints it: the number of instructions, then on each line opcode, jt, jf
// and k, decimal.
func ParseClassic(text string) ([]Instruction, error) {
	if len(text) > 64*maxClassic {
		return nil, fmt.Errorf("the program has %d characters, more than any program", len(text))
	}
	rows := strings.Split(strings.TrimSpace(text), "\n")
	count, err := strconv.Atoi(strings.TrimSpace(rows[0]))
	if err != nil {
		return nil, fmt.Errorf("line 1: %.40q is not the number of instructions, as tcpdump -ddd prints it first", rows[0])
	}
	if count < 1 || count > maxClassic {
		return nil, fmt.Errorf("line 1: %d instructions: 1 to %d are taken", count, maxClassic)
	}
	if len(rows)-1 != count {
		return nil, fmt.Errorf("line 1 says %d instructions, %d lines follow", count, len(rows)-1)
	}
	list := make([]Instruction, count)
	for i, row := range rows[1:] {
		f := strings.Fields(row)
		if len(f) != 4 {
			return nil, fmt.Errorf("line %d: %.40q is not opcode, jt, jf and k", i+2, row)
		}
		var n [4]uint64
		for j, bits := range [4]int{16, 8, 8, 32} {
			if n[j], err = strconv.ParseUint(f[j], 10, bits); err != nil {
				return nil, fmt.Errorf("line %d: %.40q is no number of %d bits", i+2, f[j], bits)
			}
		}
		list[i] = Instruction{uint16(n[0]), uint8(n[1]), uint8(n[2]), uint32(n[3])}
	}
	return list, nil
}

// String returns the instruction as tcpdump -d does.
func (i Instruction) String() string {
	size := [4]string{"", "h", "b", "?"}[i.Op>>3&3]
	operand := fmt.Sprintf("#%#x", i.K)
	if i.Op&bySource != 0 {
		operand = "x"
	}
	names := [16]string{"add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "neg", "mod", "xor", "?", "?", "?", "?", "?"}
	jumps := [16]string{"ja", "jeq", "jgt", "jge", "jset", "?", "?", "?", "?", "?", "?", "?", "?", "?", "?", "?"}
	switch i.Op & 7 {
	case clLd:
		switch i.Op & 0xe0 {
		case modeImm:
			return "ld " + fmt.Sprintf("#%#x", i.K)
		case modeAbs:
			return fmt.Sprintf("ld%s [%d]", size, int32(i.K))
		case modeInd:
			return fmt.Sprintf("ld%s [x + %d]", size, int32(i.K))
		case modeMemory:
			return fmt.Sprintf("ld M[%d]", i.K)
		case modeLen:
			return "ld #pktlen"
		}
	case classicLdx:
		switch i.Op & 0xe0 {
		case modeImm:
			return fmt.Sprintf("ldx #%#x", i.K)
		case modeMemory:
			return fmt.Sprintf("ldx M[%d]", i.K)
		case modeLen:
			return "ldx #pktlen"
		case modeMsh:
			return fmt.Sprintf("ldxb 4*([%d]&0xf)", i.K)
		}
	case classicSt:
		return fmt.Sprintf("st M[%d]", i.K)
	case classicStx:
		return fmt.Sprintf("stx M[%d]", i.K)
	case clAlu:
		return names[i.Op>>4&15] + " " + operand
	case clJmp:
		if i.Op&0xf0 == 0 {
			return fmt.Sprintf("ja +%d", i.K)
		}
		return fmt.Sprintf("%s %s jt %d jf %d", jumps[i.Op>>4&15], operand, i.JT, i.JF)
	case classicRet:
		if i.Op&0x18 == retA {
			return "ret a"
		}
		return fmt.Sprintf("ret #%d", i.K)
	case classicMsc:
		if i.Op&0xf8 == tax {
			return "tax"
		}
		return "txa"
	}
	return fmt.Sprintf("opcode %#04x", i.Op)
}

// Classic makes a filter of a classic program. Offset 0 is the frame's first byte, as for tcpdump. The error is a *Refusal.
func Classic(program []Instruction, returns Returns) (*Filter, error) {
	f := &Filter{source: make([]string, len(program)), frame: true}
	for i := range program {
		f.source[i] = program[i].String()
	}
	if len(program) == 0 || len(program) > maxClassic {
		return nil, &Refusal{Insn: -1, Why: fmt.Sprintf("%d instructions: 1 to %d are taken", len(program), maxClassic)}
	}
	c := &classic{program: program, start: make([]int, len(program))}
	c.code.Codes, c.code.Zero, c.code.Else = returns.Codes, returns.Else, returns.Match
	if r := c.translate(); r != nil {
		if r.Insn >= 0 {
			r.Source = f.source[r.Insn]
		}
		return nil, r
	}
	f.Steps = c.longest()
	if f.Steps > bpf.MaxSteps {
		return nil, refuse(-1, "its longest path takes %d steps, at most %d are allowed", f.Steps, bpf.MaxSteps)
	}
	if err := c.build(f); err != nil {
		return nil, err
	}
	return f, nil
}

// classic translates a classic program. A and X are 0 at the begin; jumps go forward only, so one pass sees all ways to an
// instruction before it.
type classic struct {
	assembler
	program []Instruction
	start   []int // by instruction of the source: its first one in the Program
}

func (c *classic) translate() *Refusal {
	c.emit(bpf.Mov, wordA, c.constant(0), 0, 0)
	c.emit(bpf.Mov, wordX, c.constant(0), 0, 0)
	n := len(c.program)
	written := make([]uint16, n) // words of memory that are, on all ways to the instruction
	reached := make([]bool, n)
	reached[0] = true
	for pc := range c.program {
		c.start[pc], c.source = len(c.code.Insns), pc
		in := &c.program[pc]
		if !reached[pc] { // allowed, never executed
			c.emit(bpf.RetK, 0, 0, 0, 0)
			continue
		}
		if why := c.insn(pc, in, written[pc]); why != "" {
			return refuse(pc, "%s", why)
		}
		out := written[pc]
		if op := in.Op & 7; op == classicSt || op == classicStx {
			out |= 1 << in.K
		}
		for _, to := range c.ways(pc) {
			if to >= n {
				return refuse(pc, "the program does not end here: control leaves it")
			}
			if !reached[to] {
				reached[to], written[to] = true, out
			}
			written[to] &= out
		}
	}
	c.link(c.start)
	return nil
}

// ways returns where the program may go on behind pc.
func (c *classic) ways(pc int) []int {
	in := &c.program[pc]
	switch {
	case in.Op&7 == classicRet:
		return nil
	case in.Op == clJmp|jmpJA:
		return []int{int(min(uint64(pc)+1+uint64(in.K), uint64(len(c.program))))}
	case in.Op&7 == clJmp:
		return []int{pc + 1 + int(in.JT), pc + 1 + int(in.JF)}
	}
	return []int{pc + 1}
}

// insn translates one instruction; written has the words of memory that may be read. It says what is wrong, "" if nothing.
func (c *classic) insn(pc int, in *Instruction, written uint16) string {
	const bad = "no such instruction"
	reads := func() string {
		if in.K > 15 {
			return "there are no words of memory above M[15]"
		}
		if written>>in.K&1 == 0 {
			return fmt.Sprintf("M[%d] was not written on all ways to here", in.K)
		}
		return ""
	}
	switch in.Op {
	case clLd | modeImm:
		c.emit(bpf.Mov, wordA, c.constant(uint64(in.K)), 0, 0)
	case classicLdx | modeImm:
		c.emit(bpf.Mov, wordX, c.constant(uint64(in.K)), 0, 0)
	case clLd | modeLen:
		c.emit(bpf.Len, wordA, 0, 0, 0)
	case classicLdx | modeLen:
		c.emit(bpf.Len, wordX, 0, 0, 0)
	case clLd | modeMemory, classicLdx | modeMemory:
		if why := reads(); why != "" {
			return why
		}
		c.emit(bpf.Mov, [2]uint8{wordA, wordX}[in.Op&1], wordMemory+uint8(in.K), 0, 0)
	case classicSt, classicStx:
		if in.K > 15 {
			return "there are no words of memory above M[15]"
		}
		c.emit(bpf.Mov, wordMemory+uint8(in.K), [2]uint8{wordA, wordX}[in.Op&1], 0, 0)
	case clLd | modeAbs | sizeW, clLd | modeAbs | sizeH, clLd | modeAbs | sizeB:
		return c.absolute(in)
	case clLd | modeInd | sizeW, clLd | modeInd | sizeH, clLd | modeInd | sizeB:
		// Beyond any frame the sum must not wrap back into it: 1 asks for that.
		c.emit(map[uint16]bpf.Op{sizeW: bpf.LdWI, sizeH: bpf.LdHI, sizeB: bpf.LdBI}[in.Op&0x18], wordA, wordX, 1, min(in.K, beyond))
	case classicLdx | modeMsh | sizeB:
		c.emit(bpf.Msh, wordX, 0, 0, in.K)
	case classicMsc | tax:
		c.emit(bpf.Mov, wordX, wordA, 0, 0)
	case classicMsc | txa:
		c.emit(bpf.Mov, wordA, wordX, 0, 0)
	case classicRet:
		c.emit(bpf.RetK, 0, 0, 0, c.verdict(in.K))
	case classicRet | retA:
		c.emit(bpf.RetR, wordA, 0, 0, 0)
	case clJmp | jmpJA:
		to := c.ways(pc)[0]
		if to >= len(c.program) {
			return "the program does not end here: control leaves it"
		}
		c.jump(bpf.JEQ, wordA, wordA, to, to)
	default:
		switch in.Op & 7 {
		case clAlu:
			return c.arithmetic(in)
		case clJmp:
			return c.branch(pc, in)
		}
		return bad
	}
	return ""
}

// verdict returns what the value v stands for.
func (c *classic) verdict(v uint32) uint32 {
	switch {
	case c.code.Codes && v > uint32(filter.VLAN):
		return uint32(filter.Skip)
	case c.code.Codes:
		return v
	case v == 0:
		return uint32(c.code.Zero)
	}
	return uint32(c.code.Else)
}

// Ancillary data of Linux that is known here: 3.4 of Documentation/networking/filter.rst. No tag was ever taken out of a
// frame, so the VLAN fields are 0, and the programs that tcpdump makes for them look into the frame.
const (
	adProtocol   = 0
	adVLANTag    = 44
	adVLANTagged = 48
	adVLANType   = 60
)

func (c *classic) absolute(in *Instruction) string {
	if k := int32(in.K); adOffset <= k && k < 0 {
		switch k - adOffset {
		case adProtocol:
			c.emit(bpf.LdH, wordA, 0, 0, 12)
		case adVLANTag, adVLANTagged, adVLANType:
			c.emit(bpf.Mov, wordA, c.constant(0), 0, 0)
		default:
			return fmt.Sprintf("the ancillary data at %d is not there: the protocol (0) and the VLAN tag (44, 48, 60) are", k-adOffset)
		}
		return ""
	}
	at, ok := frameOffset(int32(in.K), 0)
	if !ok {
		at = beyond
	}
	c.emit(map[uint16]bpf.Op{sizeW: bpf.LdW, sizeH: bpf.LdH, sizeB: bpf.LdB}[in.Op&0x18], wordA, 0, 0, at)
	return ""
}

func (c *classic) arithmetic(in *Instruction) string {
	code := uint8(in.Op & 0xf0)
	op, ok := alu32[code]
	if !ok && code != aluDiv && code != aluMod || code == aluMov || code == aluArsh || in.Op > 0xff {
		return "no such instruction"
	}
	src := uint8(wordX)
	switch {
	case code == aluNeg:
	case in.Op&bySource == 0:
		if (code == aluDiv || code == aluMod) && in.K == 0 {
			return "it divides by zero"
		}
		if (code == aluLsh || code == aluRsh) && in.K > 31 {
			return fmt.Sprintf("it shifts by %d: 0 to 31 are there", in.K)
		}
		src = c.constant(uint64(in.K))
	case code == aluDiv || code == aluMod:
		// By 0 the program ends with 0.
		next := len(c.code.Insns)
		c.emit(bpf.JEQ, wordX, c.constant(0), 0, uint32(next+1)|uint32(next+2)<<16)
		c.emit(bpf.RetK, 0, 0, 0, c.verdict(0))
	case code == aluLsh || code == aluRsh:
		// By 32 and more the result is 0, as libpcap has it; the operation takes the amount modulo 32.
		next := len(c.code.Insns)
		c.emit(bpf.JGE, wordX, c.constant(32), 0, uint32(next+3)|uint32(next+1)<<16)
		c.emit(op, wordA, wordX, 0, 0)
		c.emit(bpf.JEQ, wordA, wordA, 0, uint32(next+4)|uint32(next+4)<<16)
		c.emit(bpf.Mov, wordA, c.constant(0), 0, 0)
		return ""
	}
	if code == aluDiv || code == aluMod {
		c.divide(code == aluMod, wordA, src, false)
		return ""
	}
	c.emit(op, wordA, src, 0, 0)
	return ""
}

func (c *classic) branch(pc int, in *Instruction) string {
	how, ok := comparisons[uint8(in.Op&0xf0)]
	if !ok || how.swap || how.op > bpf.JSET || in.Op > 0xff {
		return "no such instruction"
	}
	to := c.ways(pc)
	if to[0] >= len(c.program) || to[1] >= len(c.program) {
		return "the program does not end here: control leaves it"
	}
	src := uint8(wordX)
	if in.Op&bySource == 0 {
		src = c.constant(uint64(in.K))
	}
	c.jump(how.op, wordA, src, to[0], to[1])
	return ""
}

// longest returns the steps of the longest path. All jumps go forward.
func (c *classic) longest() int {
	insns := c.code.Insns
	most := make([]int, len(insns)+1)
	for i := len(insns) - 1; i >= 0; i-- {
		switch op := insns[i].Op(); {
		case op == bpf.RetK || op == bpf.RetR:
			most[i] = 1
		case bpf.JEQ <= op && op <= bpf.JSGE: // the 32-bit ones, all that there are here
			most[i] = 1 + max(most[insns[i].K&0xffff], most[insns[i].K>>16])
		default:
			most[i] = 1 + most[i+1]
		}
	}
	return most[0]
}
