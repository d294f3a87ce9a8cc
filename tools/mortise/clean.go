package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func cleanCommand(*flag.FlagSet) func(context.Context, string) error {
	return func(_ context.Context, root string) error {
		build := filepath.Join(root, "build")
		if err := os.RemoveAll(build); err != nil {
			return err
		}
		fmt.Printf("removed %s\n", relative(build))
		cache, err := cacheDir()
		if err != nil {
			return err
		}
		return describeCache(cache)
	}
}

// cacheDir is where tools/toolchain and tools/qemu keep what they make and fetch.
func cacheDir() (string, error) {
	if dir := os.Getenv("MORTISE_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	return filepath.Join(dir, "mortise"), nil
}

// describeCache says what the folder holds: the toolchain and, without root, the emulator.
func describeCache(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		fmt.Println("nothing is left in the cache")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println("left in the cache, so that the next build does not begin at nothing:")
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		size, err := diskUse(path)
		if err != nil {
			return err
		}
		fmt.Printf("  %6d MB  %s\n", size/1e6, path)
	}
	fmt.Printf("remove it with: chmod -R u+w %s && rm -r %s\n", dir, dir)
	return nil
}

// diskUse returns the sizes of the files below path, in bytes.
func diskUse(path string) (total int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
