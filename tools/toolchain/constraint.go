package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The port gives GOOS=tamago the files that Go's own port to an environment
// without system calls (GOOS=js) uses, wherever those do not talk to
// JavaScript. This file has the two mechanical transformations for it.

var (
	buildLine = regexp.MustCompile(`(?m)^//go:build .*$`)
	jsAndWasm = regexp.MustCompile(`\(js && wasm\)|\bjs && wasm\b`)
	jsAlone   = regexp.MustCompile(`\bjs\b`)
	jsName    = regexp.MustCompile(`_(js|wasm|js_wasm)(_test)?\.(go|s)$`)
)

// widenConstraint makes a build constraint that holds for js hold for tamago
// too, and one that excludes js exclude tamago.
func widenConstraint(line string) string {
	const mark = "\x00"

	line = jsAndWasm.ReplaceAllString(line, mark)
	line = jsAlone.ReplaceAllString(line, "(js || tamago)")

	return strings.ReplaceAll(line, mark, "((js && wasm) || tamago)")
}

// widenTree widens the constraints of the standard library below root/src and
// returns the number of files changed. keep names the files and folders, by
// their path in GOROOT, that stay as they are.
func widenTree(root string, keep []string) (changed int, err error) {
	kept := make(map[string]bool, len(keep))
	for _, k := range keep {
		kept[k] = true
	}

	err = filepath.WalkDir(filepath.Join(root, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}

		rel = filepath.ToSlash(rel)

		if d.IsDir() {
			if kept[rel] || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}

		ext := filepath.Ext(path)
		if kept[rel] || (ext != ".go" && ext != ".s") || jsName.MatchString(rel) {
			return nil
		}

		done, err := widenFile(path)
		if done {
			changed++
		}

		return err
	})

	return
}

func widenFile(path string) (changed bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}

	loc := buildLine.FindIndex(header(text))
	if loc == nil {
		return false, nil
	}

	line := string(text[loc[0]:loc[1]])
	wide := widenConstraint(line)
	if wide == line {
		return false, nil
	}

	text = append([]byte(string(text[:loc[0]])+wide), text[loc[1]:]...)

	return true, os.WriteFile(path, text, 0o644)
}

// header returns the part of a Go or assembly file in which build constraints
// count.
func header(text []byte) []byte {
	for _, end := range []string{"\npackage ", "\n#include ", "\nTEXT "} {
		if i := bytes.Index(text, []byte(end)); i >= 0 {
			text = text[:i+1]
		}
	}

	return text
}

// A derivation makes a file of the port out of one of the release's js or wasm
// files.
type derivation struct{ from, to string }

// parseDerivations reads lines of "from -> to", paths in GOROOT.
func parseDerivations(source string, text []byte) (list []derivation, err error) {
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}

		from, to, ok := strings.Cut(line, " -> ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: want \"from -> to\", got %q", source, i+1, line)
		}

		list = append(list, derivation{strings.TrimSpace(from), strings.TrimSpace(to)})
	}

	return list, nil
}

// deriveFiles carries out the derivations in the tree at root.
func deriveFiles(root string, list []derivation) error {
	for _, d := range list {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(d.from)))
		if err != nil {
			return fmt.Errorf("derive %s: %w", d.to, err)
		}

		if err := writeNew(root, d.to, constrain(text)); err != nil {
			return fmt.Errorf("derive %s: %w", d.to, err)
		}
	}

	return nil
}

// constrain gives a Go file the build constraint "tamago" in place of its own,
// or in addition to the one its name implies.
func constrain(text []byte) []byte {
	const line = "//go:build tamago"

	if loc := buildLine.FindIndex(header(text)); loc != nil {
		return append([]byte(string(text[:loc[0]])+line), text[loc[1]:]...)
	}

	if i := bytes.Index(text, []byte("\npackage ")); i >= 0 {
		return append([]byte(string(text[:i+1])+line+"\n\n"), text[i+1:]...)
	}

	return append([]byte(line+"\n\n"), text...)
}

// writeNew writes a file that the release does not have.
func writeNew(root, name string, text []byte) error {
	path := filepath.Join(root, filepath.FromSlash(name))

	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}

	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}

	return err
}
