package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// The port, as files: edits, derivations, the files whose constraints stay,
// and new files at their place in GOROOT. The folder's name begins with an
// underscore so that the go command does not take its files for packages of
// this module.
//
//go:embed all:_port
var portFS embed.FS

// The tool's own sources take part in the port's hash: the transformations
// are code.
//
//go:embed constraint.go edit.go port.go build.go tree.go
var toolFS embed.FS

// A port is what turns a Go release into one that knows GOOS=tamago.
type port struct {
	edits       []edit
	derivations []derivation
	keep        []string          // files and folders whose constraints are not widened
	widened     int               // how many files are, a check on the release
	files       map[string][]byte // new files by path in GOROOT
	id          string            // hash of all of it
}

// loadPort reads and checks the embedded port.
func loadPort() (*port, error) {
	dir, err := fs.Sub(portFS, "_port")
	if err != nil {
		return nil, err
	}

	p, err := readPort(dir)
	if err != nil {
		return nil, fmt.Errorf("the embedded port: %w", err)
	}

	p.id, err = hashFS(dir, toolFS)

	return p, err
}

func readPort(dir fs.FS) (*port, error) {
	p := &port{files: map[string][]byte{}}

	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}

		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}

		switch {
		case strings.HasPrefix(name, "src/"):
			if ext := path.Ext(name); ext == ".go" || ext == ".s" {
				if !bytes.Contains(header(text), []byte("//go:build ")) {
					// Without it the host's runtime would take the file
					// in when the tools are built.
					return fmt.Errorf("%s has no //go:build line", name)
				}
			}
			p.files[name] = text
		case strings.HasSuffix(name, ".edit"):
			edits, err := parseEdits(name, text)
			if err != nil {
				return err
			}
			p.edits = append(p.edits, edits...)
		case name == "derive.txt":
			p.derivations, err = parseDerivations(name, text)
			return err
		case name == "keep.txt":
			return p.parseKeep(name, text)
		default:
			return fmt.Errorf("%s: unknown kind of file", name)
		}

		return nil
	})

	return p, err
}

// parseKeep reads keep.txt: a path a line, and the line "widened N".
func (p *port) parseKeep(source string, text []byte) error {
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)

		switch n, ok := strings.CutPrefix(line, "widened "); {
		case line == "" || strings.HasPrefix(line, "#"):
		case ok:
			var err error
			if p.widened, err = strconv.Atoi(n); err != nil {
				return fmt.Errorf("%s:%d: %w", source, i+1, err)
			}
		default:
			p.keep = append(p.keep, line)
		}
	}

	return nil
}

// hashFS hashes names and contents of all files of the given trees.
func hashFS(trees ...fs.FS) (string, error) {
	h := sha256.New()

	for _, tree := range trees {
		var names []string

		err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			return "", err
		}

		sort.Strings(names)

		for _, name := range names {
			text, err := fs.ReadFile(tree, name)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n", name, len(text))
			h.Write(text)
		}
	}

	return hex.EncodeToString(h.Sum(nil)), nil
}

// install makes the tree at root, a copy of a Go release, one with the port.
func (p *port) install(root string) error {
	n, err := widenTree(root, p.keep)
	if err != nil {
		return fmt.Errorf("widening build constraints: %w", err)
	}

	if n != p.widened {
		return fmt.Errorf("widening build constraints: %d files changed, the port was written for %d", n, p.widened)
	}

	if err := deriveFiles(root, p.derivations); err != nil {
		return err
	}

	for name, text := range p.files {
		if err := writeNew(root, name, text); err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
	}

	return applyEdits(root, p.edits)
}
