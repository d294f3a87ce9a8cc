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

// assemble returns the machine code of the functions of leaf_arm.s, by the toolchain that runs the test.
func assemble(t *testing.T) map[string][]uint32 {
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
	object := filepath.Join(t.TempDir(), "leaf.o")
	tool("asm", "-p", "enet", "-I", filepath.Join(strings.TrimSpace(string(root)), "pkg", "include"), "-o", object, "leaf_arm.s")

	code := map[string][]uint32{}
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
			code[name] = append(code[name], uint32(w))
		}
	}
	return code
}

// arm is the part of a processor that the leaves need: A5.2 and A5.3, ARM DDI 0406C.d.
type arm struct {
	base, desc, tdar uint32
	args             []uint32 // on the stack, from SP + 4
	regs             [16]uint32
	zero             bool
	trace            []string
}

const sp = 0x1000

func (c *arm) run(code []uint32) error {
	c.regs[13] = sp
	for _, w := range code {
		n, d, imm := w>>16&15, w>>12&15, bits.RotateLeft32(w&0xff, -int(w>>8&15)*2)
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
		switch cond := w >> 28; {
		case cond == 0 && !c.zero: // EQ, false
			continue
		case cond != 0 && cond != 14:
			return fmt.Errorf("condition of %#08x", w)
		}
		switch {
		case w&0x0ff00000 == 0x05900000: // LDR Rd, [Rn, #imm12]
			v, err := c.load(c.regs[n] + w&0xfff)
			if err != nil {
				return err
			}
			c.regs[d] = v
		case w&0x0ff00000 == 0x05800000: // STR
			if err := c.store(c.regs[n]+w&0xfff, c.regs[d]); err != nil {
				return err
			}
		case w&0x0fff0000 == 0x03a00000: // MOV Rd, #imm
			c.regs[d] = imm
		case w&0x0ff0f000 == 0x03500000: // CMP Rn, #imm
			c.zero = c.regs[n] == imm
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
	if a != c.base+TDAR {
		return 0, fmt.Errorf("load from %#x", a)
	}
	c.trace = append(c.trace, fmt.Sprintf("read %#x", a-c.base))
	return c.tdar, nil
}

func (c *arm) store(a, v uint32) error {
	switch {
	case a == c.desc:
		c.trace = append(c.trace, fmt.Sprintf("ctl %#x", v))
	case a-c.base < 0x4000:
		c.trace = append(c.trace, fmt.Sprintf("write %#x %#x", a-c.base, v))
	default:
		return fmt.Errorf("store to %#x", a)
	}
	return nil
}
