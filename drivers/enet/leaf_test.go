package enet

import (
	"bytes"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
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
	dir := t.TempDir()
	object := filepath.Join(dir, "leaf.o")
	header := exec.Command(goTool, "build", "-gcflags=-asmhdr="+filepath.Join(dir, "go_asm.h"), ".")
	header.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	if out, err := header.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", header, err, out)
	}
	tool("asm", "-p", "enet", "-I", dir, "-I", filepath.Join(strings.TrimSpace(string(root)), "pkg", "include"), "-o", object, "leaf_arm.s")

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

// arm is the part of a processor that the leaves need: A5.2, A5.3 and A5.5, ARM DDI 0406C.d.
type arm struct {
	base, desc, tdar uint32
	args             []uint32          // on the stack, from SP + 4
	memory           map[uint32]uint32 // words that are neither stack nor registers; ctl of desc is none of them
	regs             [16]uint32
	zero, carry, neg bool
	trace            []string
}

const sp = 0x1000

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
		holds := map[uint32]bool{0: c.zero, 1: !c.zero, 5: !c.neg, 8: c.carry && !c.zero, 14: true}
		if now, known := holds[w>>28]; !known {
			return fmt.Errorf("condition of %#08x", w)
		} else if !now {
			continue
		}
		shifted := c.regs[w&15] << (w >> 7 & 31) // the only shift: LSL #n
		immediate := bits.RotateLeft32(w&0xff, -int(w>>8&15)*2)
		switch {
		case w>>25&7 == 5 && w>>24&1 == 0: // B
			pc += 1 + int(int32(w<<8)>>8)
		case w>>26&3 == 1: // LDR, STR: [Rn, #imm12], [Rn], #imm12 and [Rn, Rm, LSL #n], upwards
			if w>>23&1 == 0 || w>>22&1 != 0 || w>>25&1 != 0 && w>>4&7 != 0 {
				return fmt.Errorf("addressing mode of %#08x", w)
			}
			offset := w & 0xfff
			if w>>25&1 != 0 {
				offset = shifted
			}
			at := c.regs[n]
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
				c.zero, c.neg, c.carry = v == 0, int32(v) < 0, c.regs[n] >= operand // of SUB and CMP
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
	if v, ok := c.memory[a]; ok {
		return v, nil
	}
	if a != c.base+TDAR {
		return 0, fmt.Errorf("load from %#x", a)
	}
	c.trace = append(c.trace, fmt.Sprintf("read %#x", a-c.base))
	return c.tdar, nil
}

func (c *arm) store(a, v uint32) error {
	_, known := c.memory[a]
	switch {
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

// TestRefillLeaf runs the machine code of refill in the model: what it leaves in the port, the ring and the registers is what Refill
// and Resume leave there, and ctl of each descriptor is stored behind a barrier that is behind its other words.
func TestRefillLeaf(t *testing.T) {
	code := assemble(t)["refill"]
	const base, port, ring, list, bus = 0x02188000, 0x80000000, 0x9c000000, 0x80010000, 0x9c100000
	for _, tt := range []struct{ fill, n uint32 }{{0, 0}, {5, 1}, {61, 5}, {1<<32 - 2, 4}, {7, MaxRefill}, {9, MaxRefill + 5}} {
		t.Run(fmt.Sprintf("%d from %d", tt.n, tt.fill), func(t *testing.T) {
			var slots [MaxRefill]uint32
			var descs [RingSize]desc
			taken := min(tt.n, MaxRefill)
			hw := &Port{base: base, rxDesc: uintptr(unsafe.Pointer(&descs)), rxBus: bus, rxFill: tt.fill, rxRecycled: 7, rxMark: 3}

			// The words of the port as GOARCH=arm has them: all its fields are words.
			offset := func(field uintptr) uint32 {
				names := reflect.TypeFor[Port]()
				at := uint32(0)
				for i := range names.NumField() {
					f := names.Field(i)
					if f.Offset == field {
						return at
					}
					if f.Type.Kind() == reflect.Array {
						at += 4 * uint32(f.Type.Len())
					} else {
						at += 4
					}
				}
				panic("no such field")
			}
			memory := map[uint32]uint32{}
			for i := range slots {
				slots[i] = uint32(100 + 3*i)
				memory[list+4*uint32(i)] = slots[i]
			}
			for i := range uint32(RingSize) {
				memory[port+4*i] = 0
				for w := range uint32(3) {
					memory[ring+i*descSize+4*w] = 0
				}
			}
			at := map[string]uint32{
				"base": port + offset(unsafe.Offsetof(hw.base)), "rxDesc": port + offset(unsafe.Offsetof(hw.rxDesc)),
				"rxBus": port + offset(unsafe.Offsetof(hw.rxBus)), "rxFill": port + offset(unsafe.Offsetof(hw.rxFill)),
				"rxRecycled": port + offset(unsafe.Offsetof(hw.rxRecycled)), "rxMark": port + offset(unsafe.Offsetof(hw.rxMark)),
			}
			memory[at["base"]], memory[at["rxDesc"]], memory[at["rxBus"]] = base, ring, bus
			memory[at["rxFill"]], memory[at["rxRecycled"]], memory[at["rxMark"]] = hw.rxFill, hw.rxRecycled, hw.rxMark
			cpu := &arm{base: base, args: []uint32{port, list, tt.n}, memory: memory}
			if err := cpu.run(code); err != nil {
				t.Fatal(err)
			}

			host := &recorder{desc: &desc{}}
			defer mmio.Map(base, 0x4000, host)()
			refill(hw, &slots, tt.n)
			if memory[at["rxFill"]] != hw.rxFill || memory[at["rxMark"]] != hw.rxMark || hw.rxFill != tt.fill+taken || hw.rxMark != 7 {
				t.Errorf("rxFill, rxMark = %d, %d, in Go %d, %d", memory[at["rxFill"]], memory[at["rxMark"]], hw.rxFill, hw.rxMark)
			}
			for i := range uint32(RingSize) {
				d := &descs[i]
				got := [...]uint32{memory[port+4*i], memory[ring+i*descSize], memory[ring+i*descSize+4], memory[ring+i*descSize+8]}
				if want := [...]uint32{hw.rxSlot[i], d.ctl, d.addr, d.ext}; got != want {
					t.Errorf("position %d: slot, ctl, addr, ext = %#x, in Go %#x", i, got, want)
				}
			}
			if got, want := cpu.trace[len(cpu.trace)-3:len(cpu.trace)-1], []string{"dsb", "write 0x10 0x1000000"}; !slices.Equal(got, want) {
				t.Errorf("at the end %v, want %v", got, want)
			}
			words := 0
			for i, s := range cpu.trace {
				var a, v uint32
				if _, err := fmt.Sscanf(s, "0x%x = 0x%x", &a, &v); err != nil || a < ring || a >= ring+RingSize*descSize {
					continue
				}
				words++
				if last := a%descSize == 0; last != (words%3 == 0) || last && cpu.trace[i-1] != "dmb" {
					t.Errorf("%v: ctl is not behind the other words and a barrier", cpu.trace[:i+1])
				}
			}
			if words != int(3*taken) {
				t.Errorf("%d words of descriptors stored, want %d", words, 3*taken)
			}
		})
	}
}
