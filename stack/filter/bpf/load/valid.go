package load

import "fmt"

// Helpers that may be called: their numbers are Linux's.
const (
	callLoadBytes         = 26
	callLoadBytesRelative = 68
)

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
