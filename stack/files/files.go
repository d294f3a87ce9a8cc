// Package files keeps files for who looks after a gateway: what its console printed, what its tasks said, why it was reset,
// what it is configured with. They are in the file system of Go's os package, which is a tree in memory on GOOS=tamago, so
// that commands made for any system find them: those of the serial console (command.go) and of HTTP (http.go).
//
// A file is written anew, whole, when somebody looks at the tree: until then it takes neither memory nor time. What an
// open file shows stays as it was.
//
// Stage: in-band. Does not support: a file that outlasts a reset; files that a person writes.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Limits in bytes. They are choices: a gateway's heap in use is a few MiB.
const (
	// MaxFile is what is kept of a file that tells how things are: its first MaxFile bytes.
	MaxFile = 64 << 10
	// MaxStored is what Put stores in all.
	MaxStored = 1 << 20
)

// Source is a file that is written when somebody looks.
type Source struct {
	Path string // from the tree's root, "/log/boot"
	Text func() []byte
}

// Tree is the files below a folder.
type Tree struct {
	root string   // in os's file system
	tops []string // what of the root is the tree's: os has folders of its own there

	mu      sync.Mutex // held while files are written or taken away
	sources []Source
	stored  map[string]int // size of what Put stored
}

// New makes a tree in the folder root of the os package's file system, with empty folders and sources.
func New(root string, folders []string, sources ...Source) (*Tree, error) {
	t := &Tree{root: root, sources: sources, stored: map[string]int{}}
	for _, f := range folders {
		if err := t.own(f, f); err != nil {
			return nil, err
		}
	}
	for _, s := range sources {
		if err := t.own(s.Path, path.Dir(s.Path)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// own notes what of the root is the tree's, and makes a folder.
func (t *Tree) own(p, folder string) error {
	t.tops = append(t.tops, top(p))
	return os.MkdirAll(t.name(folder), 0o755)
}

// top is the first element of a path.
func top(p string) string {
	first, _, _ := strings.Cut(path.Clean("/" + p)[1:], "/")
	return first
}

// name is where a path of the tree is in os's file system.
func (t *Tree) name(p string) string {
	return filepath.Join(t.root, filepath.FromSlash(path.Clean("/"+p)))
}

// Put stores a file until Remove. A file that there is gets replaced: who reads it meets the old text or the new one.
//
//oob:stage inband
func (t *Tree) Put(p string, text []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.holds(p) {
		return fmt.Errorf("%s: no folder of the tree's", p)
	}
	p = path.Clean("/" + p)
	sum := len(text)
	for other, n := range t.stored {
		if other != p {
			sum += n
		}
	}
	if sum > MaxStored {
		return fmt.Errorf("%s: %d bytes, with what is stored more than %d", p, len(text), MaxStored)
	}
	if err := os.MkdirAll(t.name(path.Dir(p)), 0o755); err != nil {
		return err
	}
	if err := t.write(p, text); err != nil {
		return err
	}
	t.stored[p] = len(text)
	return nil
}

// Remove takes a file away that Put has stored.
//
//oob:stage inband
func (t *Tree) Remove(p string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p = path.Clean("/" + p)
	if _, ok := t.stored[p]; !ok {
		return fmt.Errorf("%s: %w", p, fs.ErrNotExist)
	}
	delete(t.stored, p)
	return os.Remove(t.name(p))
}

// Refresh writes the sources.
//
//oob:stage inband
func (t *Tree) Refresh() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sources {
		text := s.Text()
		if err := t.write(s.Path, text[:min(len(text), MaxFile)]); err != nil {
			return err
		}
	}
	return nil
}

// write puts a text in the place of a file in one step.
func (t *Tree) write(p string, text []byte) error {
	name := t.name(p)
	fresh := filepath.Join(filepath.Dir(name), ".new")
	return errors.Join(os.WriteFile(fresh, text, 0o644), os.Rename(fresh, name))
}

// holds tells whether a path leads to the root or to what is the tree's there.
func (t *Tree) holds(p string) bool {
	first := top(p)
	return first == "" || slices.Contains(t.tops, first)
}

// errNotOurs is why a path of os's file system cannot be read here: behind /dev/zero is no end.
var errNotOurs = errors.New("no file or folder that is kept here")

// find returns the name that a path of the tree has in os's file system, and what is there.
func (t *Tree) find(p string) (string, fs.FileInfo, error) {
	if !t.holds(p) {
		return "", nil, fmt.Errorf("%s: %w", p, errNotOurs)
	}
	info, err := os.Stat(t.name(p))
	if err != nil { // there is nothing, or a file where a folder should be, or no name
		return "", nil, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
	}
	return t.name(p), info, nil
}

// list returns what is in a folder, the root's own folders for it.
func (t *Tree) list(p string) ([]fs.DirEntry, error) {
	all, err := os.ReadDir(t.name(p))
	var list []fs.DirEntry
	for _, e := range all {
		if t.holds(path.Join("/", p, e.Name())) && !strings.HasPrefix(e.Name(), ".") {
			list = append(list, e)
		}
	}
	return list, err
}
