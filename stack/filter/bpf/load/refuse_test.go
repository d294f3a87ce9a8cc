package load

import (
	"bytes"
	debugelf "debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
)

// TestRefused: objects that are not accepted, and what is said: source line, instruction, reason.
func TestRefused(t *testing.T) {
	for name, want := range map[string]string{
		"map":       `map.c:14: instruction 4 (r1 = 0x0 ll): it refers to counts: maps and global data are not supported`,
		"rodata":    `rodata.c:8: instruction 3 (r1 = 0x0 ll): it refers to`,
		"call":      `it calls helper: calls of functions are not supported, declare them static and always_inline`,
		"divide64":  `divide64.c:7: instruction`,
		"endless":   `a path through here takes more than 256 steps`,
		"unwritten": `unwritten.c:7: instruction`,
		"beyond":    `the address may lie outside of the stack`,
		"data":      `data is not for socket filters: read the packet by bpf_skb_load_bytes`,
		"mark":      `the field mark of struct __sk_buff is not there`,
		"write":     `the context cannot be written`,
		"print":     `the helper bpf_trace_printk (6) is not there`,
		"atomic":    `atomic operations are not supported`,
		"length":    `r4, the length, may be`,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", "refused", name+".o"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := Object(b, Options{})
			if err == nil || f != nil {
				t.Fatal("it was accepted")
			}
			t.Log(err)
			var r *Refusal
			if !errors.As(err, &r) || r.Insn < 0 || r.Source == "" || r.Line.File != name+".c" || r.Line.Line == 0 {
				t.Errorf("%v: want instruction and line", err)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %q", err, want)
			}
		})
	}
}

// TestInvalid: instructions that clang does not make.
func TestInvalid(t *testing.T) {
	exit, zero := insn{op: 0x95}, insn{op: 0xb7}
	for _, tc := range []struct {
		name  string
		insns []insn
		want  string
	}{
		{"no end", []insn{zero}, "instruction 0: the program does not end here"},
		{"no value", []insn{exit}, "r0 was never written"},
		{"unreachable", []insn{zero, exit, exit}, "instruction 2: it is never reached"},
		{"out of the program", []insn{zero, {op: 0x05, off: 5}, exit}, "control leaves it"},
		{"before the program", []insn{{op: 0x05, off: -2}}, "control leaves it"},
		{"register", []insn{{op: 0xb7, dst: 11}, exit}, "no registers above r10"},
		{"frame pointer", []insn{{op: 0xb7, dst: 10}, zero, exit}, "r10 cannot be changed"},
		{"opcode", []insn{{op: 0xff}, exit}, "no such instruction"},
		{"returns an address", []insn{{op: 0xbf, src: 10}, exit}, "r0 is an address of the stack, not a number"},
		{"returns the context", []insn{{op: 0xbf, src: 1}, exit}, "r0 is the context, not a number"},
		{"circle", []insn{zero, {op: 0x05, off: -1}}, "more than 256 steps"},
		{"circle by a condition", []insn{zero, {op: 0x15, off: -2, imm: 0}, exit}, "more than 256 steps"},
		{"address times two", []insn{{op: 0xbf, dst: 2, src: 10}, {op: 0x27, dst: 2, imm: 2}, zero, exit}, "nothing else"},
		{"context plus one", []insn{{op: 0x07, dst: 1, imm: 4}, zero, exit}, "the context's address cannot be calculated with"},
		{"half of an address", []insn{{op: 0xbc, dst: 2, src: 10}, zero, exit}, "half of an address"},
		{"unaligned", []insn{{op: 0x7a, dst: 10, off: -12, imm: 0}, zero, exit}, "may be unaligned"},
		{"above the stack", []insn{{op: 0x72, dst: 10, off: 0, imm: 0}, zero, exit}, "outside of the stack"},
		{"below the stack", []insn{{op: 0x72, dst: 10, off: -513, imm: 0}, zero, exit}, "outside of the stack"},
		{"divides by zero", []insn{zero, {op: 0x37, imm: 0}, exit}, "divides by zero"},
		{"shift", []insn{zero, {op: 0x64, imm: 32}, exit}, "it shifts by 32: 0 to 31"},
		{"skb not in r6", []insn{{op: 0x20, imm: 0}, exit}, "r6 must hold the context"},
		{"ancillary data", []insn{{op: 0xbf, dst: 6, src: 1}, {op: 0x20, imm: adOffset + 4}, exit}, "there is nothing at offset"},
		{"after a call", []insn{{op: 0xbf, dst: 6, src: 1}, {op: 0x20}, {op: 0xbf, src: 2}, exit}, "r2 was never written"},
		{"cpu v4", []insn{{op: 0x06, imm: 1}, zero, exit}, "build with -mcpu=v3"},
		{"middle", []insn{{op: 0x05, off: 1}, {op: 0x18, wide: true}, {second: true}, zero, exit}, "middle of an instruction"},
		{"relative", []insn{{op: 0xb7, dst: 2}, {op: 0xbf, dst: 3, src: 10}, {op: 0x07, dst: 3, imm: -8}, {op: 0xb7, dst: 4, imm: 8},
			{op: 0xb7, dst: 5, imm: 2}, {op: 0x85, imm: 68}, exit}, "BPF_HDR_START_MAC (0) and BPF_HDR_START_NET (1)"},
	} {
		if _, err := program(tc.insns); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	// Each of 17 branches doubles what a register may hold: too many paths to follow.
	var many []insn
	many = append(many, insn{op: 0xbf, dst: 6, src: 1}, insn{op: 0xb7, dst: 7})
	for i := range 17 {
		many = append(many, insn{op: 0x20, imm: int32(i)}, insn{op: 0x15, off: 1, imm: 1}, insn{op: 0x07, dst: 7, imm: 1 << i})
	}
	many = append(many, insn{op: 0xbf, src: 7}, exit)
	if _, err := program(many); err == nil || !strings.Contains(err.Error(), "too many different paths") {
		t.Errorf("2^17 paths: %v", err)
	}
}

// TestNames: an object may hold several programs.
func TestNames(t *testing.T) {
	b, err := os.ReadFile("testdata/refused/two.o")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"":           "the object has more than one program, name one: first, second",
		"third":      `the object has no program "third": it has first, second`,
		"first":      "",
		"second":     "",
		"socket/two": "",
	} {
		_, err := Object(b, Options{Name: name})
		if got := ""; err != nil && err.Error() != want || err == nil && want != got {
			t.Errorf("Name %q: %v, want %q", name, err, want)
		}
	}
}

// TestNoObject: files that are none.
func TestNoObject(t *testing.T) {
	good := corpus(t)["udp_port.o"]
	for _, tc := range []struct {
		name   string
		object []byte
		want   string
	}{
		{"empty", nil, "the file is cut off"},
		{"text", bytes.Repeat([]byte("udp port 7\n"), 10), "it is no ELF file"},
		{"cut", good[:len(good)-200], "the file is cut off"},
		{"machine", slices.Concat(good[:18], []byte{62, 0}, good[20:]), "it is for machine 62: build with -target bpf"},
		{"large", make([]byte, MaxObject+1), "bytes, at most"},
	} {
		if _, err := Object(tc.object, Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

// TestReaders: the code, and the lines, are what debug/elf and cilium/ebpf find in the objects.
func TestReaders(t *testing.T) {
	for name, object := range corpus(t) {
		e, err := parseELF(object)
		if err != nil {
			t.Fatal(err)
		}
		fn, err := e.function("")
		if err != nil {
			t.Fatal(err)
		}
		file, err := debugelf.NewFile(bytes.NewReader(object))
		if err != nil {
			t.Fatal(err)
		}
		section := file.Section("socket")
		if section == nil {
			t.Fatalf("%s has no section socket", name)
		}
		if code, err := section.Data(); err != nil || !bytes.Equal(code, fn.code) {
			t.Errorf("%s: other code than debug/elf's", name)
		}
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
		if err != nil {
			t.Fatal(err)
		}
		lines := e.lines(fn)
		var code bytes.Buffer
		var want, got []string
		for _, in := range spec.Programs[fn.name].Instructions {
			if src := in.Source(); src != nil && strings.TrimSpace(src.String()) != "" {
				want = append(want, strings.TrimSpace(src.String()))
			}
		}
		for _, l := range lines {
			if l.Line != 0 && l.Text != "" {
				got = append(got, strings.TrimSpace(l.Text))
			}
		}
		if err := spec.Programs[fn.name].Instructions.Marshal(&code, binary.LittleEndian); err != nil || !bytes.Equal(code.Bytes(), fn.code) {
			t.Errorf("%s: other code than cilium/ebpf's: %v", name, err)
		}
		if len(want) == 0 {
			t.Fatalf("%s has no lines", name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: lines (-cilium/ebpf +here):\n%s", name, diff)
		}
	}
}
