package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// skipped tells which parts of a Go distribution the port's tree does without:
// what only serves to test or document the distribution itself.
func skipped(rel string, isDir bool) bool {
	switch rel {
	case "api", "doc", "misc", "test", "bin", "pkg/obj", "pkg/bootstrap", "src/cmd/vendor/golang.org/x/telemetry/internal/regtest":
		return true
	}

	if !strings.HasPrefix(rel, "src/cmd/") {
		return false
	}

	if isDir {
		return strings.HasSuffix(rel, "/testdata")
	}

	return strings.HasSuffix(rel, "_test.go")
}

// A treeCopy copies a Go distribution.
type treeCopy struct {
	from, to string
	files    int
	bytes    int64
}

// run copies the tree. Symbolic links are followed: distributions install
// GOROOT as a farm of them.
func (c *treeCopy) run(ctx context.Context) error {
	return c.dir(ctx, "")
}

func (c *treeCopy) dir(ctx context.Context, rel string) error {
	if err := ctx.Err(); err != nil {
		return err
	}

	entries, err := os.ReadDir(filepath.Join(c.from, rel))
	if err != nil {
		return err
	}

	if err := os.MkdirAll(filepath.Join(c.to, rel), 0o755); err != nil {
		return err
	}

	for _, e := range entries {
		name := filepath.Join(rel, e.Name())

		info, err := os.Stat(filepath.Join(c.from, name))
		if err != nil {
			return err
		}

		switch slash := filepath.ToSlash(name); {
		case skipped(slash, info.IsDir()):
		case info.IsDir():
			err = c.dir(ctx, name)
		case info.Mode().IsRegular():
			err = c.file(name, info)
		}

		if err != nil {
			return err
		}
	}

	return nil
}

// file copies one file. Go's module zips cannot hold a go.mod below their
// root, the go command's toolchain downloads name them _go.mod.
func (c *treeCopy) file(rel string, info os.FileInfo) error {
	to := rel
	if filepath.Base(rel) == "_go.mod" {
		to = filepath.Join(filepath.Dir(rel), "go.mod")
	}

	mode := os.FileMode(0o644)
	if strings.HasPrefix(filepath.ToSlash(rel), "pkg/tool/") {
		mode = 0o755
	}

	n, err := copyFile(filepath.Join(c.from, rel), filepath.Join(c.to, to), mode)
	c.files++
	c.bytes += n

	return err
}

func copyFile(from, to string, mode os.FileMode) (n int64, err error) {
	r, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer r.Close()

	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return 0, err
	}

	n, err = io.Copy(w, r)
	if cerr := w.Close(); err == nil {
		err = cerr
	}

	if err != nil {
		err = fmt.Errorf("copying to %s: %w", to, err)
	}

	return
}
