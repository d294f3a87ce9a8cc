// Package plugin builds nictime, the QEMU TCG plugin that tells when the guest starts a transmission to the nanosecond of
// virtual time, and reads what it wrote. A capture tells whole microseconds only.
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
	return []string{"-plugin", a}
}

// escape writes a value of a comma-separated option list.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// maxRanges is how many the plugin has room for.
const maxRanges = 64

// Code returns where the functions lie, in the ELF file, whose names begin with prefix. If they are in too many places
// for the plugin, neighbouring ranges are one.
func Code(path, prefix string) ([]Range, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	symbols = slices.DeleteFunc(symbols, func(s elf.Symbol) bool {
		return elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0
	})
	slices.SortFunc(symbols, func(a, b elf.Symbol) int { return int(int64(a.Value) - int64(b.Value)) })
	var ranges []Range
	adjacent := false
	for _, s := range symbols {
		if !strings.HasPrefix(s.Name, prefix) {
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

// Store is a store to one of the registers.
type Store struct {
	NS   int64 // virtual time since reset
	Addr uint32
}

const recordSize = 16

// Read reads the stores that the plugin wrote to the file at path. A last one that was cut off is left out: the emulator
// was killed.
func Read(path string) ([]Store, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("stores: %w", err)
	}
	var stores []Store
	for ; len(b) >= recordSize; b = b[recordSize:] {
		stores = append(stores, Store{int64(binary.NativeEndian.Uint64(b)), binary.NativeEndian.Uint32(b[8:])})
	}
	return stores, nil
}
