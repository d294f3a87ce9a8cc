package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// machineRoot is GOROOT in the machine's file system.
const machineRoot = "/go"

// archiveAddress is where a test program finds its files. It must match
// fixture/files.
const archiveAddress = 0x5000000000

// commonFiles are those that tests expect of any machine.
var commonFiles = map[string]string{
	"/etc/group":  "root:x:0:\n",
	"/etc/hosts":  "127.0.0.1 localhost\n::1 localhost\n",
	"/etc/passwd": "root:x:0:0:root:/:/bin/sh\n",

	"/usr/bin/cat": "", "/usr/bin/false": "", "/usr/bin/ls": "", "/usr/bin/true": "",
}

// archive returns the files of a package's tests, as fixture/files reads them:
// its own folder with testdata, and what trees adds.
func (b *builder) archive(p *pkg) ([]byte, error) {
	var text []byte
	add := func(name string, data []byte) {
		text = binary.LittleEndian.AppendUint32(text, uint32(len(name)))
		text = binary.LittleEndian.AppendUint32(text, uint32(len(data)))
		text = append(append(text, name...), data...)
	}
	for name, data := range commonFiles {
		add(name, []byte(data))
	}

	taken := map[string]bool{}
	take := func(file string) error {
		if taken[file] {
			return nil
		}
		taken[file] = true
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.goroot, file)
		if err == nil {
			add(path.Join(machineRoot, filepath.ToSlash(rel)), data)
		}
		return err
	}

	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			if err := take(filepath.Join(p.Dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	roots := []string{filepath.Join(p.Dir, "testdata")}
	for _, tree := range trees[p.ImportPath] {
		roots = append(roots, filepath.Join(b.goroot, filepath.FromSlash(tree)))
	}
	for i, root := range roots {
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && i == 0 && errors.Is(err, fs.ErrNotExist):
				return nil // not every package has testdata
			case err != nil || !d.Type().IsRegular():
				return err
			}
			return take(file)
		})
		if err != nil {
			return nil, err
		}
	}

	add("", []byte(machineRoot+"/src/"+p.ImportPath))
	return text, nil
}

// load has Linux map the archive, with the program, at archiveAddress: in the
// program headers the note's place goes to a segment at the end of the file.
func load(program string, archive []byte) error {
	const page, header = 4096, 56 // bytes; of elf.Prog64

	file, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	note := -1
	for i, p := range f.Progs {
		if p.Type == elf.PT_NOTE {
			note = i
		}
		if p.Type == elf.PT_LOAD && p.Vaddr+p.Memsz > archiveAddress {
			return fmt.Errorf("%s is loaded to %#x, where its files should be", program, p.Vaddr)
		}
	}
	if note < 0 || f.Class != elf.ELFCLASS64 {
		return fmt.Errorf("%s is not what Go's linker makes for amd64", program)
	}

	file = append(file, make([]byte, -len(file)&(page-1))...)
	var segment bytes.Buffer
	err = binary.Write(&segment, binary.LittleEndian, elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R), Off: uint64(len(file)), Vaddr: archiveAddress, Paddr: archiveAddress,
		Filesz: uint64(len(archive)), Memsz: uint64(len(archive)), Align: page,
	})
	if err != nil {
		return err
	}
	// Segments come in the order of their addresses.
	headers := file[binary.LittleEndian.Uint64(file[32:]):][:len(f.Progs)*header]
	copy(headers[note*header:], headers[(note+1)*header:])
	copy(headers[len(headers)-header:], segment.Bytes())

	return os.WriteFile(program, append(file, archive...), 0o755)
}

func (p *pkg) slug() string { return strings.ReplaceAll(p.ImportPath, "/", "_") }
