package enet

import (
	"bytes"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/mmio"
)

// TestLeaves runs the machine code of leaf_arm.s in a small model of the processor and the twins of leaf_host.go on the
// host: both do the same to the device and to the descriptor. The barriers are checked in the machine code alone.
func TestLeaves(t *testing.T) {
	code := assemble(t)
	const base, d, ctl = 0x02188000, 0x9c000040, 0x8c00003c
	const kickTx = "write 0x14 0x1000000"
	for _, tt := range []struct {
		name string
		tdar uint32
		args []uint32
		twin func(*desc)
		want []string // with barriers
	}{
		{"barrier", 0, nil, func(*desc) { barrier() }, []string{"dmb"}},
		{"startTx", 0, []uint32{base}, func(*desc) { startTx(base) }, []string{"dsb", "read 0x14", kickTx}},
		{"startTx", TDAR_TDAR, []uint32{base}, func(*desc) { startTx(base) }, []string{"dsb", "read 0x14"}},
		{"ack", 0, []uint32{base}, func(*desc) { ack(base) }, []string{"write 0x4 0x2000000", "dmb"}},
		{"send", 0, []uint32{base, d, ctl}, func(d *desc) { send(base, d, ctl) },
			[]string{"dmb", "ctl 0x8c00003c", "dsb", "read 0x14", kickTx}},
		{"send", TDAR_TDAR, []uint32{base, d, ctl}, func(d *desc) { send(base, d, ctl) },
			[]string{"dmb", "ctl 0x8c00003c", "dsb", "read 0x14"}},
	} {
		t.Run(fmt.Sprintf("%s/TDAR=%#x", tt.name, tt.tdar), func(t *testing.T) {
			cpu := &arm{base: base, desc: d, tdar: tt.tdar, args: tt.args}
			if err := cpu.run(code[tt.name]); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, cpu.trace); d != "" {
				t.Errorf("leaf_arm.s: %s", d)
			}

			host := &recorder{tdar: tt.tdar}
			defer mmio.Map(base, 0x4000, host)()
			var dd desc
			host.desc = &dd
			tt.twin(&dd)
			host.look()
			var want []string
			for _, s := range tt.want {
				if s != "dmb" && s != "dsb" {
					want = append(want, s)
				}
			}
			if d := cmp.Diff(want, host.trace); d != "" {
				t.Errorf("leaf_host.go: %s", d)
			}
		})
	}
}

// recorder is a register file that notes each access, and when ctl of the descriptor changed before it.
type recorder struct {
	tdar  uint32
	desc  *desc
	ctl   uint32
	trace []string
}

func (r *recorder) look() {
	if c := *(*uint32)(unsafe.Pointer(r.desc)); c != r.ctl {
		r.ctl = c
		r.trace = append(r.trace, fmt.Sprintf("ctl %#x", c))
	}
}

func (r *recorder) ReadReg(off uint32) uint32 {
	r.look()
	r.trace = append(r.trace, fmt.Sprintf("read %#x", off))
	return r.tdar
}

func (r *recorder) WriteReg(off, v uint32) {
	r.look()
	r.trace = append(r.trace, fmt.Sprintf("write %#x %#x", off, v))
}

// assembled is what assemble has returned before.
var assembled = map[string][]uint32{}

// assemble returns the machine code of the functions of leaf_arm.s, by the toolchain that runs the test.
func assemble(t *testing.T) map[string][]uint32 {
	if len(assembled) != 0 {
		return assembled
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to assemble with")
	}
	tool := func(args ...string) []byte {
		cmd := exec.Command(goTool, append([]string{"tool"}, args...)...)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go tool %s: %v\n%s", args[0], err, stderr.Bytes())
		}
		return out
	}
	root, err := exec.Command(goTool, "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	object := filepath.Join(dir, "leaf.o")
	header := exec.Command(goTool, "build", "-gcflags=-asmhdr="+filepath.Join(dir, "go_asm.h"), ".")
	header.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	if out, err := header.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", header, err, out)
	}
	tool("asm", "-p", "enet", "-I", dir, "-I", filepath.Join(strings.TrimSpace(string(root)), "pkg", "include"), "-o", object, "leaf_arm.s")

	code := assembled
	name := ""
	text := regexp.MustCompile(`^TEXT enet\.(\w+)\(SB\)`)
	word := regexp.MustCompile(`^\s+leaf_arm\.s:\d+\s+0x[0-9a-f]+\s+([0-9a-f]{8})\s`)
	for line := range strings.Lines(string(tool("objdump", object))) {
		if m := text.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if m := word.FindStringSubmatch(line); m != nil {
			w, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, "R_CALLARM") {
				w = elsewhere
			}
			code[name] = append(code[name], uint32(w))
		}
	}
	return code
}

// arm is the part of a processor that the leaves need: A5.2, A5.3 and A5.5, ARM DDI 0406C.d.
type arm struct {
	base, desc, tdar uint32
	args             []uint32          // on the stack, from SP + 4, and the results
	memory           map[uint32]uint32 // words that are neither stack nor registers; ctl of desc is none of them
	regs             [16]uint32
	zero, carry      bool
	neg, over        bool
	left             bool // it ended with a branch to another function
	trace            []string
}

const sp = 0x1000

// elsewhere is what assemble returns for a branch to another function: one to itself.
const elsewhere = 0xeafffffe

func (c *arm) run(code []uint32) error {
	c.regs[13] = sp
	for steps, pc := 0, 0; pc >= 0 && pc < len(code); steps++ {
		w := code[pc]
		pc++
		if steps > 10_000 {
			return fmt.Errorf("no end")
		}
		n, d := w>>16&15, w>>12&15
		switch w {
		case 0xf57ff05f:
			c.trace = append(c.trace, "dmb")
			continue
		case 0xf57ff04f:
			c.trace = append(c.trace, "dsb")
			continue
		case 0xe28ef000, 0xe1a0f00e, 0xe12fff1e: // return
			return nil
		}
		if w == elsewhere {
			c.left = true
			return nil
		}
		holds := map[uint32]bool{0: c.zero, 1: !c.zero, 2: c.carry, 5: !c.neg, 8: c.carry && !c.zero, 11: c.neg != c.over, 14: true}
		if now, known := holds[w>>28]; !known {
			return fmt.Errorf("condition of %#08x", w)
		} else if !now {
			continue
		}
		shifted := c.regs[w&15] << (w >> 7 & 31) // the only shift: LSL #n
		immediate := bits.RotateLeft32(w&0xff, -int(w>>8&15)*2)
		switch {
		case w&0x0ff00000 == 0x03000000: // MOVW
			c.regs[d] = w>>4&0xf000 | w&0xfff
		case w&0x0fe0007f == 0x07c0001f: // BFC
			c.regs[d] &^= 1<<(w>>16&31+1) - 1<<(w>>7&31)
		case w>>25&7 == 5 && w>>24&1 == 0: // B
			pc += 1 + int(int32(w<<8)>>8)
		case w>>26&3 == 1: // LDR, STR, and STRB as STR: [Rn, #imm12], [Rn], #imm12 and [Rn, Rm, LSL #n], upwards
			if w>>23&1 == 0 || w>>25&1 != 0 && w>>4&7 != 0 {
				return fmt.Errorf("addressing mode of %#08x", w)
			}
			offset := w & 0xfff
			if w>>25&1 != 0 {
				offset = shifted
			}
			at := c.regs[n]
			if n == 15 { // a constant behind the code
				if i := pc + 1 + int(offset/4); w>>20&1 != 0 && i < len(code) {
					c.regs[d] = code[i]
					continue
				}
			}
			if w>>24&1 != 0 {
				at += offset
			} else {
				c.regs[n] += offset
			}
			var err error
			if w>>20&1 != 0 {
				c.regs[d], err = c.load(at)
			} else {
				err = c.store(at, c.regs[d])
			}
			if err != nil {
				return err
			}
		case w>>26&3 == 0 && (w>>25&1 != 0 || w>>4&7 == 0): // data processing, #imm or Rm, LSL #n
			operand := shifted
			if w>>25&1 != 0 {
				operand = immediate
			}
			var v uint32
			switch w >> 21 & 15 {
			case 0: // AND
				v = c.regs[n] & operand
			case 2, 10: // SUB, CMP
				v = c.regs[n] - operand
			case 4: // ADD
				v = c.regs[n] + operand
			case 12: // ORR
				v = c.regs[n] | operand
			case 13: // MOV
				v = operand
			default:
				return fmt.Errorf("unknown instruction %#08x", w)
			}
			if w>>20&1 != 0 {
				a := c.regs[n] // of SUB and CMP
				c.zero, c.neg, c.carry, c.over = v == 0, int32(v) < 0, a >= operand, int32((a^operand)&(a^v)) < 0
			}
			if w>>21&15 != 10 {
				c.regs[d] = v
			}
		default:
			return fmt.Errorf("unknown instruction %#08x", w)
		}
	}
	return fmt.Errorf("no return in %#08x", code)
}

func (c *arm) load(a uint32) (uint32, error) {
	if i := (a - sp) / 4; a > sp && i >= 1 && i <= uint32(len(c.args)) {
		return c.args[i-1], nil
	}
	if a == c.base+TDAR {
		c.trace = append(c.trace, "read 0x14")
		return c.tdar, nil
	}
	if v, ok := c.memory[a]; ok {
		return v, nil
	}
	return 0, fmt.Errorf("load from %#x", a)
}

func (c *arm) store(a, v uint32) error {
	_, known := c.memory[a]
	switch {
	case a > sp && (a-sp)/4 >= 1 && (a-sp)/4 <= uint32(len(c.args)):
		c.args[(a-sp)/4-1] = v
	case a == c.desc:
		c.trace = append(c.trace, fmt.Sprintf("ctl %#x", v))
	case a-c.base < 0x4000:
		c.trace = append(c.trace, fmt.Sprintf("write %#x %#x", a-c.base, v))
	case known:
		c.memory[a] = v
		c.trace = append(c.trace, fmt.Sprintf("%#x = %#x", a, v))
	default:
		return fmt.Errorf("store to %#x", a)
	}
	return nil
}
