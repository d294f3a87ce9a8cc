// Package oobtext shows that two firmware images carry the same oob code.
//
// The linker places the same function at other addresses in another image, so bytes are compared with every reference
// resolved: a branch to symbol+offset, a word of a literal pool to symbol+offset when it points into a symbol. What is
// left is the machine code as the compiler made it.
//
// Stage: host. Follows: ARM DDI 0406C.d, A5.1 (encodings), A8.8.18 (B), A8.8.25 (BL), A8.8.64 (LDR literal), A8.8.333
// (VLDR). Does not support: Thumb, arm64, calls through a register (there is nothing to resolve in them).
package oobtext

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"sort"
	"strings"
)

// Image is the linked program in an ELF file.
type Image struct {
	Name    string
	text    []byte
	start   uint32            // address of text[0]
	symbols []symbol          // by address
	funcs   map[string]symbol // functions by name
}

type symbol struct {
	name       string
	addr, size uint32
}

// Open reads the ARM ELF file at path.
func Open(path string) (*Image, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Machine != elf.EM_ARM || f.Class != elf.ELFCLASS32 {
		return nil, fmt.Errorf("%s: %s %s, want a 32-bit ARM image", path, f.Class, f.Machine)
	}
	section := f.Section(".text")
	if section == nil {
		return nil, fmt.Errorf("%s: no .text section", path)
	}
	text, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("%s: .text: %w", path, err)
	}
	table, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: symbol table: %w", path, err)
	}
	im := &Image{Name: path, text: text, start: uint32(section.Addr)}
	for _, s := range table {
		if s.Size == 0 {
			continue
		}
		im.symbols = append(im.symbols, symbol{s.Name, uint32(s.Value), uint32(s.Size)})
	}
	im.index()
	return im, nil
}

// index sorts the symbols and finds the functions among them.
func (im *Image) index() {
	sort.Slice(im.symbols, func(i, j int) bool {
		a, b := im.symbols[i], im.symbols[j]
		return a.addr < b.addr || a.addr == b.addr && a.name < b.name
	})
	im.funcs = map[string]symbol{}
	for _, s := range im.symbols {
		if s.addr >= im.start && uint64(s.addr)+uint64(s.size) <= uint64(im.start)+uint64(len(im.text)) {
			im.funcs[s.name] = s
		}
	}
}

// Has reports whether the image holds a function of that name.
func (im *Image) Has(name string) bool { _, ok := im.funcs[name]; return ok }

// Functions returns the names of the functions for which want reports true, sorted.
func (im *Image) Functions(want func(name string) bool) []string {
	var names []string
	for name := range im.funcs {
		if want(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// Reachable returns the functions of the module that roots reach by branches and by addresses in literal pools, roots
// included, sorted. Other packages' functions, those of the Go runtime, are not entered.
func (im *Image) Reachable(roots []string, module string) ([]string, error) {
	seen := map[string]bool{}
	queue := append([]string(nil), roots...)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if seen[name] {
			continue
		}
		if !im.Has(name) {
			return nil, fmt.Errorf("%s: no function %s", im.Name, name)
		}
		seen[name] = true
		for _, w := range im.words(name) {
			if im.Has(w.target) && strings.HasPrefix(w.target, module+"/") {
				queue = append(queue, w.target)
			}
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

// Diff compares the named function of two images and returns the first difference, "" when there is none.
func Diff(a, b *Image, name string) string {
	for _, im := range []*Image{a, b} {
		if !im.Has(name) {
			return fmt.Sprintf("%s is not in %s", name, im.Name)
		}
	}
	wa, wb := a.words(name), b.words(name)
	if len(wa) != len(wb) {
		return fmt.Sprintf("%s has %d words in %s, %d in %s", name, len(wa), a.Name, len(wb), b.Name)
	}
	for i := range wa {
		if wa[i] != wb[i] {
			return fmt.Sprintf("%s+%#x is %v in %s, %v in %s", name, 4*i, wa[i], a.Name, wb[i], b.Name)
		}
	}
	return ""
}

// word is a word of machine code: its bits without an address, and what the address pointed at.
type word struct {
	bits   uint32
	target string // symbol, "" when the word refers to none
	offset uint32 // from target's start
}

func (w word) String() string {
	if w.target == "" {
		return fmt.Sprintf("%08x", w.bits)
	}
	return fmt.Sprintf("%08x → %s+%#x", w.bits, w.target, w.offset)
}

const (
	branchMask, branch           = 0x0e000000, 0x0a000000 // B, BL <label>: cond 101L imm24
	literalMask, literalLoad     = 0x0f7f0000, 0x051f0000 // LDR Rt, [PC, #±imm12]
	vliteralMask, vliteralSingle = 0x0f3f0f00, 0x0d1f0a00 // VLDR Sd, [PC, #±imm8*4]
	vliteralDouble               = 0x0d1f0b00             // VLDR Dd
	addBit                       = 1 << 23                // U: add the offset
	pcAhead                      = 8                      // PC reads two instructions ahead (A2.3)
)

// words returns the function's machine code with its references resolved.
func (im *Image) words(name string) []word {
	f := im.funcs[name]
	code := im.text[f.addr-im.start:][:f.size]
	literal := map[uint32]bool{} // offsets that a load before has shown to be data
	words := make([]word, 0, f.size/4)
	for off := uint32(0); off+4 <= f.size; off += 4 {
		bits := binary.LittleEndian.Uint32(code[off:])
		switch {
		case literal[off]:
			words = append(words, im.data(bits))
		case bits&branchMask == branch && bits>>28 != 0xf:
			to := f.addr + off + pcAhead + uint32(int32(bits<<8)>>6)
			target, offset := im.resolve(to)
			words = append(words, word{bits &^ 0x00ffffff, target, offset})
		default:
			for _, at := range literals(bits, off) {
				literal[at] = true
			}
			words = append(words, word{bits: bits})
		}
	}
	return words
}

// literals returns the offsets of the words that the instruction at offset off loads relative to PC.
func literals(bits, off uint32) []uint32 {
	pc := (off + pcAhead) &^ 3
	at := func(n uint32) uint32 {
		if bits&addBit == 0 {
			return pc - n
		}
		return pc + n
	}
	switch {
	case bits>>28 == 0xf:
		return nil
	case bits&literalMask == literalLoad:
		return []uint32{at(bits & 0xfff)}
	case bits&vliteralMask == vliteralSingle:
		return []uint32{at(bits & 0xff * 4)}
	case bits&vliteralMask == vliteralDouble:
		n := at(bits & 0xff * 4)
		return []uint32{n, n + 4}
	}
	return nil
}

// data resolves a word of a literal pool: an address when it points into a symbol, else a number.
func (im *Image) data(bits uint32) word {
	if target, offset := im.resolve(bits); target != "" {
		return word{0, target, offset}
	}
	return word{bits: bits}
}

// resolve returns the symbol that addr lies in and how far, or "" when it lies in none.
func (im *Image) resolve(addr uint32) (name string, offset uint32) {
	i := sort.Search(len(im.symbols), func(i int) bool { return im.symbols[i].addr > addr })
	if i == 0 {
		return "", addr
	}
	s := im.symbols[i-1]
	if addr-s.addr >= s.size {
		return "", addr
	}
	return s.name, addr - s.addr
}
