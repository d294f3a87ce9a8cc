package load

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// reference is eBPF straight from RFC 9669, with addresses that are checked at each access: slow, and nothing like package
// bpf. It runs the instructions as clang wrote them.
type reference struct {
	insns   []insn
	frame   []byte
	ifindex uint32
	reg     [11]uint64
	stack   [512]byte
	steps   int
	poison  uint64 // what registers and stack hold before they are written
}

// Addresses, far from each other.
const (
	contextAddr = 1 << 40
	stackAddr   = 1 << 50 // of the byte behind the stack
)

var errEnd = errors.New("the program ends with 0")

// run returns r0's low half at exit; the error is of a program that no verifier may let through.
func (m *reference) run() (uint32, error) {
	for i := range m.reg {
		m.reg[i] = m.poison
	}
	for i := range m.stack {
		m.stack[i] = byte(m.poison)
	}
	m.reg[1], m.reg[10] = contextAddr, stackAddr
	for pc := 0; ; m.steps++ {
		if pc < 0 || pc >= len(m.insns) || m.insns[pc].second {
			return 0, errors.New("control leaves the program")
		}
		if m.steps > 1<<20 {
			return 0, errors.New("it does not end")
		}
		in := m.insns[pc]
		pc++
		switch in.class() {
		case clLd:
			if in.wide {
				m.reg[in.dst] = in.imm64
				pc++
				continue
			}
			off := int64(in.imm)
			if in.op&0xe0 == modeInd {
				off = int64(int32(in.imm) + int32(m.reg[in.src]))
			}
			if off < 0 && in.op&0xe0 == modeInd {
				return 0, nil // not as Linux: docs/filters.md
			}
			b, err := m.packet(off, int64(in.size()))
			if err != nil {
				return 0, nil // 0 is what Linux ends a program with
			}
			m.reg[0] = 0
			for _, x := range b {
				m.reg[0] = m.reg[0]<<8 | uint64(x)
			}
		case clLdx:
			v, err := m.read(m.reg[in.src]+uint64(int64(in.off)), in.size())
			if err != nil {
				return 0, err
			}
			m.reg[in.dst] = v
		case clSt, clStx:
			v := uint64(int64(in.imm))
			if in.class() == clStx {
				v = m.reg[in.src]
			}
			at, err := m.at(m.reg[in.dst]+uint64(int64(in.off)), in.size())
			if err != nil {
				return 0, err
			}
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			copy(at, b[:])
		case clAlu:
			m.alu32(in)
		case clAlu64:
			m.alu64(in)
		case clJmp, clJmp32:
			switch in.op & 0xf0 {
			case jmpExit:
				return uint32(m.reg[0]), nil
			case jmpCall:
				if err := m.call(in.imm); err != nil {
					return 0, err
				}
				continue
			}
			if m.jumps(in) {
				pc += int(in.off)
			}
		}
	}
}

// packet returns n bytes at an offset of LD_ABS.
func (m *reference) packet(off, n int64) ([]byte, error) {
	switch {
	case off >= 0:
		off += 14
	case off >= -0x100000:
		off += 0x100000 + 14
	default:
		off += 0x200000
	}
	if off < 0 || off+n > int64(len(m.frame)) {
		return nil, errEnd
	}
	return m.frame[off : off+n], nil
}

// at returns n bytes of the stack.
func (m *reference) at(addr uint64, n int) ([]byte, error) {
	i := int64(addr) - (stackAddr - 512)
	if i < 0 || i+int64(n) > 512 {
		return nil, errors.New("an access outside of the stack")
	}
	return m.stack[i : i+int64(n)], nil
}

func (m *reference) read(addr uint64, n int) (uint64, error) {
	var b [8]byte
	if i := int64(addr) - contextAddr; i >= 0 && i < 44 {
		var skb [52]byte
		binary.LittleEndian.PutUint32(skb[0:], uint32(len(m.frame)-14))
		copy(skb[16:], m.frame[12:14])
		binary.LittleEndian.PutUint32(skb[40:], m.ifindex)
		copy(b[:n], skb[i:])
	} else {
		at, err := m.at(addr, n)
		if err != nil {
			return 0, err
		}
		copy(b[:], at)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

func (m *reference) call(helper int32) error {
	off, n := int64(uint32(m.reg[2])), int(uint32(m.reg[4]))
	to, err := m.at(m.reg[3], n)
	if err != nil {
		return err
	}
	if helper == 26 || m.reg[5] == 1 {
		off += 14
	}
	if off+int64(n) <= int64(len(m.frame)) {
		copy(to, m.frame[off:])
		m.reg[0] = 0
	} else {
		clear(to)
		m.reg[0] = 1<<64 - 14
	}
	return nil
}

func (m *reference) operand(in insn) uint64 {
	if in.op&bySource != 0 {
		return m.reg[in.src]
	}
	return uint64(int64(in.imm))
}

func (m *reference) alu64(in insn) {
	d, s := &m.reg[in.dst], m.operand(in)
	switch in.op & 0xf0 {
	case aluAdd:
		*d += s
	case aluSub:
		*d -= s
	case aluMul:
		*d *= s
	case aluDiv:
		if s == 0 {
			*d = 0
		} else {
			*d /= s
		}
	case aluMod:
		if s != 0 {
			*d %= s
		}
	case aluOr:
		*d |= s
	case aluAnd:
		*d &= s
	case aluXor:
		*d ^= s
	case aluLsh:
		*d <<= s & 63
	case aluRsh:
		*d >>= s & 63
	case aluArsh:
		*d = uint64(int64(*d) >> (s & 63))
	case aluNeg:
		*d = -*d
	case aluMov:
		*d = s
	case aluEnd:
		*d = bits.ReverseBytes64(*d) >> (64 - in.imm)
	}
}

func (m *reference) alu32(in insn) {
	if in.op&0xf0 == aluEnd {
		if in.op&bySource != 0 {
			m.reg[in.dst] = bits.ReverseBytes64(m.reg[in.dst]) >> (64 - in.imm)
		} else {
			m.reg[in.dst] = m.reg[in.dst] << (64 - in.imm) >> (64 - in.imm)
		}
		return
	}
	d, s := uint32(m.reg[in.dst]), uint32(m.operand(in))
	switch in.op & 0xf0 {
	case aluAdd:
		d += s
	case aluSub:
		d -= s
	case aluMul:
		d *= s
	case aluDiv:
		if s == 0 {
			d = 0
		} else {
			d /= s
		}
	case aluMod:
		if s != 0 {
			d %= s
		}
	case aluOr:
		d |= s
	case aluAnd:
		d &= s
	case aluXor:
		d ^= s
	case aluLsh:
		d <<= s & 31
	case aluRsh:
		d >>= s & 31
	case aluArsh:
		d = uint32(int32(d) >> (s & 31))
	case aluNeg:
		d = -d
	case aluMov:
		d = s
	}
	m.reg[in.dst] = uint64(d)
}

func (m *reference) jumps(in insn) bool {
	a, b := m.reg[in.dst], m.operand(in)
	x, y := int64(a), int64(b)
	if in.class() == clJmp32 {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		x, y = int64(int32(a)), int64(int32(b))
	}
	switch in.op & 0xf0 {
	case jmpJA:
		return true
	case jmpJEQ:
		return a == b
	case jmpJNE:
		return a != b
	case jmpJGT:
		return a > b
	case jmpJGE:
		return a >= b
	case jmpJLT:
		return a < b
	case jmpJLE:
		return a <= b
	case jmpJSET:
		return a&b != 0
	case jmpJSGT:
		return x > y
	case jmpJSGE:
		return x >= y
	case jmpJSLT:
		return x < y
	case jmpJSLE:
		return x <= y
	}
	return false
}
