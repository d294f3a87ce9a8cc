// Package plugin builds nictime, the QEMU TCG plugin that tells when the guest starts a transmission to the nanosecond of
// virtual time, and how many instructions each activation of an interrupt handler takes; and reads what it wrote. A capture
// tells whole microseconds only, and nothing of activations.
//
// Stage: none (host). Follows: QEMU's TCG plugin interface, versions 1 to 4 (docs/devel/tcg-plugins.rst). Does not
// support: a QEMU that has no plugins or does not export qemu_clock_get_ns; guests with more than one processor.
package plugin

import (
	"context"
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed c/nictime.c
var source []byte

// ErrNoCompiler says that there is no C compiler to build the plugin with.
var ErrNoCompiler = errors.New("no C compiler (gcc and libc6-dev) to build the QEMU plugin with")

// Build builds the plugin into dir and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		return "", ErrNoCompiler
	}
	if dir, err = filepath.Abs(dir); err != nil { // QEMU's loader takes a bare name for a library of the system's
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	c, so := filepath.Join(dir, "nictime.c"), filepath.Join(dir, "nictime.so")
	if err := os.WriteFile(c, source, 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
		"-o", so, c, "-ldl")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the QEMU plugin: %w: %s", err, out)
	}
	return so, nil
}

// Range is a piece of code, from First up to but not including End.
type Range struct{ First, End uint64 }

// Watch says what the plugin writes down.
type Watch struct {
	Out    string   // the file that gets the stores
	Stores []uint32 // physical addresses of registers
	Code   []Range  // where the stores are; none: anywhere, which slows the whole guest
	// Handler, if not zero, is an interrupt handler whose activations are written down. Their instructions count where they
	// are in Code.
	Handler Handler
}

// Handler is an interrupt handler: its first and its last instruction, and a device's register that it stores to early on,
// which tells when.
type Handler struct {
	Entry, Exit uint64
	Stamp       uint32
	Mark        uint64 // an instruction that is noted when it comes in an activation; 0: none
	Shift       int    // an instruction takes 2^Shift ns, for Mark's time
}

// Arguments returns the emulator's arguments for the plugin at path.
func (w *Watch) Arguments(path string) []string {
	a := "file=" + escape(path) + ",out=" + escape(w.Out)
	for _, s := range w.Stores {
		a += fmt.Sprintf(",store=%#x", s)
	}
	for _, r := range w.Code {
		a += fmt.Sprintf(",pc=%#x-%#x", r.First, r.End)
	}
	if h := w.Handler; h != (Handler{}) {
		a += fmt.Sprintf(",entry=%#x,exit=%#x,stamp=%#x", h.Entry, h.Exit, h.Stamp)
		if h.Mark != 0 {
			a += fmt.Sprintf(",mark=%#x,shift=%d", h.Mark, h.Shift)
		}
	}
	return []string{"-plugin", a}
}

// escape writes a value of a comma-separated option list.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// maxRanges is how many the plugin has room for.
const maxRanges = 64

// Code returns where the functions lie, in the ELF file, whose names begin with one of prefixes. If they are in too many
// places for the plugin, neighbouring ranges are one.
func Code(path string, prefixes ...string) ([]Range, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := functions(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var ranges []Range
	adjacent := false
	for _, s := range symbols {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.Name, p) }) {
			adjacent = false
			continue
		}
		if !adjacent {
			ranges = append(ranges, Range{First: s.Value})
		}
		ranges[len(ranges)-1].End, adjacent = s.Value+s.Size, true
	}
	for len(ranges) > maxRanges {
		ranges[len(ranges)-2].End = ranges[len(ranges)-1].End
		ranges = ranges[:len(ranges)-1]
	}
	return ranges, nil
}

// functions returns the symbols of f's functions, in the order of their addresses.
func functions(f *elf.File) ([]elf.Symbol, error) {
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	symbols = slices.DeleteFunc(symbols, func(s elf.Symbol) bool {
		return elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0
	})
	slices.SortFunc(symbols, func(a, b elf.Symbol) int { return int(int64(a.Value) - int64(b.Value)) })
	return symbols, nil
}

// Find returns the address of the function of the given name in the ELF file and, unless word is 0, that of the last time the
// instruction word occurs in it.
func Find(path, name string, word uint32) (first, last uint64, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	symbols, err := functions(f)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
	if i < 0 {
		return 0, 0, fmt.Errorf("%s: no function %s", path, name)
	}
	s := symbols[i]
	if word == 0 {
		return s.Value, 0, nil
	}
	for _, section := range f.Sections {
		if s.Value < section.Addr || s.Value+s.Size > section.Addr+section.Size || section.Type != elf.SHT_PROGBITS {
			continue
		}
		code := make([]byte, s.Size)
		if _, err := section.ReadAt(code, int64(s.Value-section.Addr)); err != nil {
			return 0, 0, fmt.Errorf("%s: %s: %w", path, name, err)
		}
		for at := len(code)&^3 - 4; at >= 0; at -= 4 {
			if f.ByteOrder.Uint32(code[at:]) == word {
				return s.Value, s.Value + uint64(at), nil
			}
		}
	}
	return 0, 0, fmt.Errorf("%s: no instruction %#08x in %s", path, word, name)
}

// Store is a store to one of the registers.
type Store struct {
	NS   int64 // virtual time since reset
	Addr uint32
}

// Activation is one run of the handler.
type Activation struct {
	NS           int64 // virtual time since reset of its first store to Handler.Stamp; 0: there was none
	Instructions int64
}

// Trace is what the plugin wrote down, in the order in which it happened.
type Trace struct {
	Stores      []Store
	Activations []Activation
	Marks       []Activation // when Handler.Mark came, and how many instructions after the activation's begin, its own included
}

const recordSize = 16

// Read reads what the plugin wrote. A last record that was cut off is left out: the emulator was killed.
func (w *Watch) Read() (t Trace, err error) {
	b, err := os.ReadFile(w.Out)
	if err != nil {
		return t, fmt.Errorf("stores: %w", err)
	}
	for ; len(b) >= recordSize; b = b[recordSize:] {
		ns, addr := int64(binary.NativeEndian.Uint64(b)), binary.NativeEndian.Uint32(b[8:])
		switch n := binary.NativeEndian.Uint32(b[12:]); {
		case n == 0:
			t.Stores = append(t.Stores, Store{ns, addr})
		case uint64(addr) == w.Handler.Mark:
			t.Marks = append(t.Marks, Activation{ns, int64(n)})
		default:
			t.Activations = append(t.Activations, Activation{ns, int64(n)})
		}
	}
	return t, nil
}
