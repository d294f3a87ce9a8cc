package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mortise/stack/filter/bpf"
)

// Limits of an object.
const (
	MaxObject   = 1 << 20          // bytes
	maxSource   = 2 * bpf.MaxInsns // instructions of eight bytes
	maxSections = 1 << 10
)

// Options say how an object is to be taken.
type Options struct {
	// Name is the function, or the section that holds it. None: the only one there is, but for the functions in .text, which
	// others call.
	Name string
	// Ifindex is what the program reads as the index of the frame's device.
	Ifindex uint32
}

// Object makes a filter of an object that clang built for the target bpf. The error is a *Refusal where an instruction is
// the reason.
func Object(object []byte, opt Options) (*Filter, error) {
	if len(object) > MaxObject {
		return nil, fmt.Errorf("the object has %d bytes, at most %d are read", len(object), MaxObject)
	}
	e, err := parseELF(object)
	if err != nil {
		return nil, fmt.Errorf("no eBPF object: %w", err)
	}
	fn, err := e.function(opt.Name)
	if err != nil {
		return nil, err
	}
	insns, refusal := decode(fn.code)
	lines := e.lines(fn)
	if refusal == nil {
		refusal = e.relocations(fn)
	}
	f := &Filter{lines: lines, source: make([]string, len(insns))}
	for i := range insns {
		f.source[i] = insns[i].String()
	}
	if refusal == nil {
		v := &verifier{insns: insns}
		if f.Steps, refusal = v.verify(); refusal == nil {
			t := &translator{insns: insns, facts: v.facts, joins: v.joins, ifidx: opt.Ifindex}
			t.translate()
			err := t.build(f)
			if err == nil {
				return f, nil
			}
			return nil, err
		}
	}
	if i := refusal.Insn; i >= 0 && i < len(f.source) {
		refusal.Source = f.source[i]
	}
	refusal.Line = lineOf(lines, refusal.Insn)
	return nil, refusal
}

// lineOf returns the line that the instruction comes from: each line's first instruction has it.
func lineOf(lines []Line, insn int) Line {
	for i := min(insn, len(lines)-1); i >= 0; i-- {
		if lines[i].Line != 0 {
			return lines[i]
		}
	}
	return Line{}
}

// elf is what is needed of an ELF file of 64 bits.
type elf struct {
	sections []section
	symbols  []symbol
}

type section struct {
	name       string
	kind       uint32
	flags      uint64
	link, info uint32
	data       []byte
	nameOff    uint32
}

type symbol struct {
	name        string
	kind        uint8
	section     int
	value, size uint64
}

// Parts of ELF: Figures 3 to 17 of the format.
const (
	machineBPF = 247

	sectionSymbols = 2
	sectionNoBits  = 8
	sectionRel     = 9
	flagExec       = 4
	flagCompressed = 1 << 11

	symbolFunc    = 2
	symbolSection = 3

	relocateCall = 10 // R_BPF_64_32
)

var errShort = errors.New("the file is cut off")

// part returns n bytes of b at off.
func part(b []byte, off, n uint64) ([]byte, error) {
	if off > uint64(len(b)) || n > uint64(len(b))-off {
		return nil, errShort
	}
	return b[off : off+n : off+n], nil
}

// name returns the string at off of a string table.
func name(b []byte, off uint32) string {
	if uint64(off) >= uint64(len(b)) {
		return ""
	}
	s, _, _ := strings.Cut(string(b[off:min(len(b), int(off)+256)]), "\x00")
	return s
}

func parseELF(b []byte) (*elf, error) {
	h, err := part(b, 0, 64)
	if err != nil {
		return nil, err
	}
	switch {
	case string(h[:4]) != "\x7fELF":
		return nil, errors.New("it is no ELF file")
	case h[4] != 2 || h[5] != 1:
		return nil, errors.New("it is not of 64 bits, little-endian: build with -target bpf or bpfel")
	case le16(h[16:]) != 1:
		return nil, errors.New("it is not a relocatable object: build with -c")
	case le16(h[18:]) != machineBPF:
		return nil, fmt.Errorf("it is for machine %d: build with -target bpf", le16(h[18:]))
	case le16(h[58:]) != 64:
		return nil, errors.New("its section headers are not of 64 bytes")
	}
	count := uint64(le16(h[60:]))
	if count == 0 || count > maxSections {
		return nil, fmt.Errorf("it has %d sections", count)
	}
	table, err := part(b, le64(h[40:]), count*64)
	if err != nil {
		return nil, err
	}
	e := &elf{sections: make([]section, count)}
	for i := range e.sections {
		t := table[i*64:]
		s := &e.sections[i]
		s.nameOff, s.kind, s.flags, s.link, s.info = le32(t), le32(t[4:]), le64(t[8:]), le32(t[40:]), le32(t[44:])
		if s.kind == sectionNoBits || s.flags&flagCompressed != 0 {
			continue
		}
		if s.data, err = part(b, le64(t[24:]), le64(t[32:])); err != nil {
			return nil, err
		}
	}
	names := uint64(le16(h[62:]))
	if names >= count {
		return nil, errors.New("it has no section names")
	}
	for i := range e.sections {
		e.sections[i].name = name(e.sections[names].data, e.sections[i].nameOff)
	}
	for i := range e.sections {
		if s := &e.sections[i]; s.kind == sectionSymbols {
			if uint64(s.link) >= count {
				return nil, errors.New("its symbols have no names")
			}
			e.readSymbols(s.data, e.sections[s.link].data)
			break
		}
	}
	return e, nil
}

func (e *elf) readSymbols(table, names []byte) {
	for ; len(table) >= 24; table = table[24:] {
		e.symbols = append(e.symbols, symbol{name(names, le32(table)), table[4] & 15, int(le16(table[6:])), le64(table[8:]), le64(table[16:])})
	}
}

// function is a program in an object.
type function struct {
	name    string
	section int
	offset  uint64 // in the section
	code    []byte
}

// function finds the program called want, or in the section called so.
func (e *elf) function(want string) (*function, error) {
	var found []*function
	var names []string
	called := func(s *symbol) bool { return e.sections[s.section].name == ".text" }
	if want == "" && !slices.ContainsFunc(e.symbols, func(s symbol) bool { return e.isProgram(&s) && !called(&s) }) {
		called = func(*symbol) bool { return false }
	}
	for i := range e.symbols {
		s := &e.symbols[i]
		if !e.isProgram(s) || want == "" && called(s) {
			continue
		}
		in := &e.sections[s.section]
		if s.name != want && in.name != want && want != "" {
			names = append(names, s.name)
			continue
		}
		code, err := part(in.data, s.value, s.size)
		if err != nil || len(code) == 0 || len(code)%8 != 0 || s.value%8 != 0 {
			return nil, fmt.Errorf("no eBPF object: the function %q is not where its symbol says", s.name)
		}
		if len(code) > 8*maxSource {
			return nil, fmt.Errorf("the program %q has %d instructions, at most %d are taken", s.name, len(code)/8, maxSource)
		}
		found = append(found, &function{s.name, s.section, s.value, code})
		names = append(names, s.name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(names) == 0:
		return nil, errors.New("the object has no program: no function in a section of code")
	case len(found) == 0:
		return nil, fmt.Errorf("the object has no program %q: it has %s", want, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("the object has more than one program, name one: %s", strings.Join(names, ", "))
}

// isProgram reports whether s is a function in a section of code.
func (e *elf) isProgram(s *symbol) bool {
	return s.kind == symbolFunc && s.section < len(e.sections) && e.sections[s.section].flags&flagExec != 0
}

// relocations refuses a program that refers to anything outside of it: there is nothing that could be put in.
func (e *elf) relocations(fn *function) *Refusal {
	for i := range e.sections {
		s := &e.sections[i]
		if s.kind != sectionRel || int(s.info) != fn.section {
			continue
		}
		for d := s.data; len(d) >= 16; d = d[16:] {
			at, info := le64(d), le64(d[8:])
			if at < fn.offset || at-fn.offset >= uint64(len(fn.code)) {
				continue
			}
			what := "something"
			if n := info >> 32; n < uint64(len(e.symbols)) {
				sym := e.symbols[n]
				what = sym.name
				if sym.kind == symbolSection && sym.section < len(e.sections) {
					what = "the section " + e.sections[sym.section].name
				}
			}
			insn := int(at-fn.offset) / 8
			if uint32(info) == relocateCall {
				return refuse(insn, "it calls %s: calls of functions are not supported, declare them static and always_inline", what)
			}
			return refuse(insn, "it refers to %s: maps and global data are not supported, keep tables in registers or on the stack", what)
		}
	}
	return nil
}

// section returns the bytes of the section called so.
func (e *elf) section(name string) []byte {
	for i := range e.sections {
		if e.sections[i].name == name {
			return e.sections[i].data
		}
	}
	return nil
}

// lines returns the source line that begins at each instruction, from the BTF that clang writes with -g; nil when there is
// none, or none that can be read: the lines are for people only.
func (e *elf) lines(fn *function) []Line {
	b := e.section(".BTF")
	if len(b) < 24 || le16(b) != btfMagic {
		return nil
	}
	strings, err := part(b, uint64(le32(b[4:]))+uint64(le32(b[16:])), uint64(le32(b[20:])))
	if err != nil {
		return nil
	}
	x := e.section(".BTF.ext")
	if len(x) < 24 || le16(x) != btfMagic {
		return nil
	}
	info, err := part(x, uint64(le32(x[4:]))+uint64(le32(x[16:])), uint64(le32(x[20:])))
	if err != nil || len(info) < 4 {
		return nil
	}
	size := uint64(le32(info))
	if size < 16 || size > 256 {
		return nil
	}
	lines := make([]Line, len(fn.code)/8)
	for info = info[4:]; len(info) >= 8; {
		in, count := name(strings, le32(info)), uint64(le32(info[4:]))
		records, err := part(info, 8, count*size)
		if err != nil {
			return nil
		}
		for r := records; in == e.sections[fn.section].name && uint64(len(r)) >= size; r = r[size:] {
			at := uint64(le32(r))
			if at < fn.offset || (at-fn.offset)/8 >= uint64(len(lines)) {
				continue
			}
			lines[(at-fn.offset)/8] = Line{base(name(strings, le32(r[4:]))), int(le32(r[12:]) >> 10), name(strings, le32(r[8:]))}
		}
		info = info[8+len(records):]
	}
	return lines
}

const btfMagic = 0xeb9f

// base returns the last element of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
