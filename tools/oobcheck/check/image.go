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
	addr, end uint32
}

// image is a linked ELF file: its text, symbols and line tables.
type image struct {
	file    *elf.File
	text    []byte
	base    uint32
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
	if f.Machine != elf.EM_ARM || f.ByteOrder != binary.LittleEndian {
		return nil, fmt.Errorf("%s is for %v: only little-endian 32-bit ARM can be checked", path, f.Machine)
	}
	im := &image{file: f, byName: map[string]symbol{}}
	text := f.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("%s has no .text section", path)
	}
	if im.text, err = text.Data(); err != nil {
		return nil, err
	}
	im.base = uint32(text.Addr)
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: link it without -s", path, err)
	}
	for _, s := range symbols {
		sym := symbol{s.Name, uint32(s.Value), uint32(s.Value + s.Size)}
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
func (im *image) word(addr uint32) (uint32, bool) {
	off := addr - im.base
	if addr < im.base || uint64(off)+4 > uint64(len(im.text)) || addr%4 != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(im.text[off:]), true
}

// function returns the function that addr belongs to.
func (im *image) function(addr uint32) (symbol, bool) {
	i, found := slices.BinarySearchFunc(im.symbols, addr, func(s symbol, a uint32) int { return cmp.Compare(s.addr, a) })
	if !found {
		i--
	}
	if i < 0 || addr >= im.symbols[i].end {
		return symbol{}, false
	}
	return im.symbols[i], true
}

// position returns the source position of the instruction at pc: in inlined code, where that code was written.
func (im *image) position(pc uint32) Position {
	for i := range im.units {
		u := &im.units[i]
		if !slices.ContainsFunc(u.ranges, func(r [2]uint64) bool { return uint64(pc) >= r[0] && uint64(pc) < r[1] }) {
			continue
		}
		if !u.read {
			u.read, u.lines = true, im.lines(u.entry)
		}
		n, found := slices.BinarySearchFunc(u.lines, uint64(pc), func(l line, pc uint64) int { return cmp.Compare(l.pc, pc) })
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
