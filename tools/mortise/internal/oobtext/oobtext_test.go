package oobtext

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// link places the functions one after another from base, each a run of words; a word with a target becomes a branch or,
// with bits 0, an address.
func link(base uint32, order []string, code map[string][]word, data uint32) *Image {
	im := &Image{Name: "test", start: base}
	addr := map[string]uint32{"data": data}
	for _, name := range order {
		size := uint32(4 * len(code[name]))
		if size == 0 {
			continue
		}
		addr[name] = base
		im.symbols = append(im.symbols, symbol{name, base, size})
		base += size
	}
	im.symbols = append(im.symbols, symbol{"data", data, 64})
	for _, name := range order {
		for i, w := range code[name] {
			bits := w.bits
			switch to := addr[w.target] + w.offset; {
			case w.target == "":
			case bits == 0:
				bits = to
			default:
				bits |= (to - addr[name] - uint32(4*i) - 8) >> 2 & 0xffffff
			}
			im.text = binary.LittleEndian.AppendUint32(im.text, bits)
		}
	}
	im.index()
	return im
}

const (
	bl     = 0xeb000000
	bne    = 0x1a000000
	ldrLit = 0xe59f0000 // LDR R0, [PC, #0]
	bxLR   = 0xe12fff1e
	nop    = 0xe320f000
	module = "m"
	other  = "runtime.other"
)

// program calls m/leaf, loads the address data+8 and a number from its pool, and branches within itself.
func program() map[string][]word {
	return map[string][]word{
		"m/root": {
			{bits: ldrLit | 12}, {bits: ldrLit | 12}, {bne, "m/root", 0}, {bl, "m/leaf", 0}, {bits: bxLR},
			{0, "data", 8}, {bits: 0x0a0b0c0d},
		},
		"m/leaf":   {{bits: nop}, {bl, other, 0}, {bits: bxLR}},
		"m/unused": {{bits: bxLR}},
		other:      {{bits: bxLR}},
	}
}

func TestSameCodeElsewhere(t *testing.T) {
	a := link(0x80010000, []string{"m/root", "m/leaf", "m/unused", other}, program(), 0x80100000)
	b := link(0x80020000, []string{other, "m/leaf", "m/root", "m/unused"}, program(), 0x80200040)
	names, err := a.Reachable([]string{"m/root"}, module)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"m/leaf", "m/root"}, names); diff != "" {
		t.Errorf("Reachable (-want +got):\n%s", diff)
	}
	for _, name := range names {
		if d := Diff(a, b, name); d != "" {
			t.Errorf("the same code at another address differs: %s", d)
		}
	}
}

func TestDifferentCode(t *testing.T) {
	order := []string{"m/root", "m/leaf", "m/unused", other}
	tests := []struct {
		name   string
		change func(code map[string][]word)
		want   string
	}{
		{"instruction", func(c map[string][]word) { c["m/root"][4] = word{bits: nop} }, "m/root+0x10"},
		{"call of another function", func(c map[string][]word) { c["m/root"][3] = word{bl, "m/unused", 0} }, "m/root+0xc"},
		{"condition", func(c map[string][]word) { c["m/root"][2] = word{0x0a000000, "m/root", 0} }, "m/root+0x8"},
		{"address in the pool", func(c map[string][]word) { c["m/root"][5].offset = 12 }, "m/root+0x14"},
		{"number in the pool", func(c map[string][]word) { c["m/root"][6].bits++ }, "m/root+0x18"},
		{"length", func(c map[string][]word) { c["m/root"] = append(c["m/root"], word{bits: nop}) }, "7 words"},
		{"missing", func(c map[string][]word) { delete(c, "m/root") }, "not in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := program()
			tt.change(changed)
			a, b := link(0x80010000, order, program(), 0x80100000), link(0x80010000, order, changed, 0x80100000)
			if got := Diff(a, b, "m/root"); !strings.Contains(got, tt.want) {
				t.Errorf("Diff = %q, want it to name %q", got, tt.want)
			}
		})
	}
}

// A number in a pool may look like a branch; it must stay a number wherever the function lies.
func TestLiteralIsNotAnInstruction(t *testing.T) {
	code := map[string][]word{"m/root": {{bits: ldrLit}, {bits: bxLR}, {bits: bl | 0x123}}}
	a := link(0x80010000, []string{"m/root"}, code, 0x80100000)
	b := link(0x80020000, []string{"m/root"}, code, 0x80200000)
	if d := Diff(a, b, "m/root"); d != "" {
		t.Error(d)
	}
}

func TestLiterals(t *testing.T) {
	tests := []struct {
		name string
		bits uint32
		want []uint32
	}{
		{"LDR R1, [PC, #16]", 0xe59f1010, []uint32{0x100 + 8 + 16}},
		{"LDR R1, [PC, #-4]", 0xe51f1004, []uint32{0x100 + 8 - 4}},
		{"LDR R1, [R2, #16]", 0xe5921010, nil},
		{"VLDR S0, [PC, #8]", 0xed9f0a02, []uint32{0x100 + 8 + 8}},
		{"VLDR D0, [PC, #8]", 0xed9f0b02, []uint32{0x100 + 8 + 8, 0x100 + 8 + 12}},
		{"PLD [PC]", 0xf59ff000, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, literals(tt.bits, 0x100)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
