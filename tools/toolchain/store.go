package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// marker is the file that makes a folder of the store a whole distribution: a
// list of its files with their sizes, written last.
const marker = "mortise-toolchain.files"

// cacheDir returns the folder of all distributions.
func cacheDir() (string, error) {
	if dir := os.Getenv("MORTISE_CACHE"); dir != "" {
		if !filepath.IsAbs(dir) {
			return "", fmt.Errorf("MORTISE_CACHE=%s is not an absolute path", dir)
		}
		return filepath.Join(dir, "toolchain"), nil
	}

	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder, set MORTISE_CACHE: %w", err)
	}

	return filepath.Join(dir, "mortise", "toolchain"), nil
}

// A store keeps distributions by key.
type store struct{ dir string }

func (s *store) path(key string) string { return filepath.Join(s.dir, key) }

// get returns the folder of the distribution with the given key. Where there
// is none it is made in a folder beside, which takes its name when it is
// whole: a build that ends in between leaves nothing that looks like one.
func (s *store) get(ctx context.Context, key string, stderr io.Writer, build func(context.Context, string) error) (string, error) {
	dir := s.path(key)
	if whole(dir) {
		return dir, nil
	}

	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return "", err
	}

	unlock, err := lock(ctx, filepath.Join(s.dir, "lock"), func() {
		fmt.Fprintln(stderr, "toolchain: waiting for another build")
	})
	if err != nil {
		return "", err
	}
	defer unlock()

	// The other build may have been for this key.
	if whole(dir) {
		return dir, nil
	}

	// With the lock held, anything half-made is left over.
	s.sweep()

	start := time.Now()

	tmp, err := os.MkdirTemp(s.dir, key+".tmp-")
	if err != nil {
		return "", err
	}

	if err := s.make(ctx, tmp, dir, build); err != nil {
		os.RemoveAll(tmp)
		return "", err
	}

	fmt.Fprintf(stderr, "toolchain: ready in %.0f s: %s\n", time.Since(start).Seconds(), dir)

	return dir, nil
}

func (s *store) make(ctx context.Context, tmp, dir string, build func(context.Context, string) error) error {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}

	if err := build(ctx, tmp); err != nil {
		return err
	}

	if err := ctx.Err(); err != nil {
		return err
	}

	if err := writeMarker(tmp); err != nil {
		return err
	}

	// What was there under the name is not whole.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}

	if err := os.Rename(tmp, dir); err != nil {
		return err
	}

	return syncDir(s.dir)
}

// sweep removes what interrupted builds left, as far as it can: the compilers
// of a killed build may still be writing, and the next run sweeps again.
func (s *store) sweep() {
	left, _ := filepath.Glob(filepath.Join(s.dir, "*.tmp-*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
}

// clean empties the store.
func (s *store) clean() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("cleaning: %w", err)
	}

	return nil
}

// writeMarker lists the files of a distribution. They reach the disk before
// the marker does.
func writeMarker(dir string) error {
	var lines []string

	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%d %s\n", info.Size(), filepath.ToSlash(rel)))
		return nil
	})
	if err != nil {
		return err
	}

	sort.Strings(lines)
	syncAll()

	f, err := os.OpenFile(filepath.Join(dir, marker), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}

	_, err = f.WriteString(strings.Join(lines, ""))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}

	return err
}

// whole tells whether all files that the marker lists are there, with their
// sizes.
func whole(dir string) bool {
	f, err := os.Open(filepath.Join(dir, marker))
	if err != nil {
		return false
	}
	defer f.Close()

	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		size, name, _ := strings.Cut(s.Text(), " ")
		want, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return false
		}
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || info.Size() != want {
			return false
		}
	}

	return n > 0
}
