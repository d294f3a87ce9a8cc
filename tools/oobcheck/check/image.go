package check

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// symbol is a function or variable of the image.
type symbol struct {
	name      string
	addr, end uint64
}

// image is a linked ELF file: its text, symbols and line tables.
type image struct {
	file    *elf.File
	arch    string // GOARCH
	bits    int    // of a register
	decode  func(pc uint64, w uint32) insn
	text    []byte
	base    uint64
	symbols []symbol // functions, by address
	byName  map[string]symbol
	data    *dwarf.Data
	units   []unit
}

// unit is a compilation unit of the DWARF data; lines are read when first asked for.
type unit struct {
	entry  *dwarf.Entry
	ranges [][2]uint64
	lines  []line
	read   bool
}

type line struct {
	pc   uint64
	file string
	line int
}

// Position is a place in the source.
type Position struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (p Position) String() string {
	if p.File == "" {
		return "?"
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// openImage reads the ELF file at path.
func openImage(path string) (*image, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	im := &image{file: f, byName: map[string]symbol{}}
	switch {
	case f.ByteOrder != binary.LittleEndian:
		return nil, fmt.Errorf("%s is big-endian: it cannot be checked", path)
	case f.Machine == elf.EM_ARM:
		im.arch, im.bits, im.decode = "arm", 32, decode
	case f.Machine == elf.EM_AARCH64:
		im.arch, im.bits, im.decode = "arm64", 64, decode64
	default:
		return nil, fmt.Errorf("%s is for %v: only images for arm and arm64 can be checked", path, f.Machine)
	}
	text := f.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("%s has no .text section", path)
	}
	if im.text, err = text.Data(); err != nil {
		return nil, err
	}
	im.base = text.Addr
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: link it without -s", path, err)
	}
	for _, s := range symbols {
		sym := symbol{s.Name, s.Value, s.Value + s.Size}
		im.byName[s.Name] = sym
		if s.Info&0xf == uint8(elf.STT_FUNC) && s.Size > 0 {
			im.symbols = append(im.symbols, sym)
		}
	}
	slices.SortFunc(im.symbols, func(a, b symbol) int { return cmp.Compare(a.addr, b.addr) })
	if im.data, err = f.DWARF(); err != nil {
		return nil, fmt.Errorf("%s: %w: link it without -w", path, err)
	}
	for r := im.data.Reader(); ; r.SkipChildren() {
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			return im, nil
		}
		if e.Tag != dwarf.TagCompileUnit {
			continue
		}
		ranges, err := im.data.Ranges(e)
		if err != nil {
			return nil, err
		}
		im.units = append(im.units, unit{entry: e, ranges: ranges})
	}
}

// word returns the word of the text at addr.
func (im *image) word(addr uint64) (uint32, bool) {
	off := addr - im.base
	if addr < im.base || off+4 > uint64(len(im.text)) || addr%4 != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(im.text[off:]), true
}

// named returns the function of that name. An assembly function is called NAME.abi0 where Go functions pass arguments in
// registers.
func (im *image) named(name string) (symbol, bool) {
	if s, ok := im.byName[name]; ok {
		return s, true
	}
	s, ok := im.byName[name+".abi0"]
	return s, ok
}

// load returns the number of size bytes at addr, if what is there cannot change.
func (im *image) load(addr uint64, size uint8) (uint64, bool) {
	for _, s := range im.file.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_WRITE != 0 || s.Type == elf.SHT_NOBITS ||
			addr < s.Addr || addr+uint64(size) > s.Addr+s.Size {
			continue
		}
		var b [8]byte
		if _, err := s.ReadAt(b[:size&15], int64(addr-s.Addr)); err != nil {
			return 0, false
		}
		return binary.LittleEndian.Uint64(b[:]), true
	}
	return 0, false
}

// signed returns n as the signed number that it is in a register.
func (im *image) signed(n uint64) int64 {
	if im.bits == 32 {
		return int64(int32(n))
	}
	return int64(n)
}

// wrapped returns n as a register holds it.
func (im *image) wrapped(n uint64) uint64 {
	if im.bits == 32 {
		return n & (1<<32 - 1)
	}
	return n
}

// function returns the function that addr belongs to.
func (im *image) function(addr uint64) (symbol, bool) {
	i, found := slices.BinarySearchFunc(im.symbols, addr, func(s symbol, a uint64) int { return cmp.Compare(s.addr, a) })
	if !found {
		i--
	}
	if i < 0 || addr >= im.symbols[i].end {
		return symbol{}, false
	}
	return im.symbols[i], true
}

// position returns the source position of the instruction at pc: in inlined code, where that code was written.
func (im *image) position(pc uint64) Position {
	for i := range im.units {
		u := &im.units[i]
		if !slices.ContainsFunc(u.ranges, func(r [2]uint64) bool { return pc >= r[0] && pc < r[1] }) {
			continue
		}
		if !u.read {
			u.read, u.lines = true, im.lines(u.entry)
		}
		n, found := slices.BinarySearchFunc(u.lines, pc, func(l line, pc uint64) int { return cmp.Compare(l.pc, pc) })
		if !found {
			n--
		}
		if n >= 0 && u.lines[n].file != "" {
			return Position{u.lines[n].file, u.lines[n].line}
		}
	}
	return Position{}
}

// lines reads the line table of a compilation unit, sorted by address. Where a table cannot be read, positions are unknown.
func (im *image) lines(e *dwarf.Entry) []line {
	r, err := im.data.LineReader(e)
	if err != nil || r == nil {
		return nil
	}
	var lines []line
	var le dwarf.LineEntry
	for r.Next(&le) != io.EOF {
		l := line{pc: le.Address}
		if !le.EndSequence && le.File != nil {
			l.file, l.line = le.File.Name, le.Line
		}
		lines = append(lines, l)
	}
	// Of two rows with one address the later counts; a sequence's end yields to the next one's begin.
	slices.SortStableFunc(lines, func(a, b line) int {
		if a.pc != b.pc {
			return cmp.Compare(a.pc, b.pc)
		}
		return cmp.Compare(min(len(a.file), 1), min(len(b.file), 1))
	})
	kept := lines[:0]
	for _, l := range lines {
		if n := len(kept); n > 0 && kept[n-1].pc == l.pc {
			kept[n-1] = l
			continue
		}
		kept = append(kept, l)
	}
	return kept
}
