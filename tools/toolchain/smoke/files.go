//go:build tamago

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func init() { register(check{"files", files}) }

func files() error {
	dir, err := os.MkdirTemp("", "smoke")
	if err != nil {
		return err
	}

	name := filepath.Join(dir, "a", "b", "file")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
		return err
	}

	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	fmt.Fprint(f, ", world")
	if err := f.Close(); err != nil {
		return err
	}

	if err := os.Symlink("b/file", filepath.Join(dir, "a", "link")); err != nil {
		return err
	}
	if text, err := os.ReadFile(filepath.Join(dir, "a", "link")); err != nil || !bytes.Equal(text, []byte("hello, world")) {
		return fmt.Errorf("through the link: %q, %v", text, err)
	}

	if err := os.Rename(name, filepath.Join(dir, "moved")); err != nil {
		return err
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("after the rename: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "moved")); err != nil || info.Size() != 12 || info.Mode() != 0o600 {
		return fmt.Errorf("renamed file: %v, %v", info, err)
	}

	if err := os.Chdir(dir); err != nil {
		return err
	}
	defer os.Chdir("/")

	var seen []string
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		seen = append(seen, path)
		return err
	})
	if err != nil || fmt.Sprint(seen) != "[. a a/b a/link moved]" {
		return fmt.Errorf("walk: %v, %v", seen, err)
	}

	if err := os.Remove("a"); err == nil {
		return errors.New("removed a folder that is not empty")
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("after RemoveAll: %v", err)
	}

	return nil
}
