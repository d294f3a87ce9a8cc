package firmware

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// seedSizeBytes is the size of the MAC seed: eight random bytes make two checkouts' addresses differ.
const seedSizeBytes = 8

// MACSeed returns the seed kept in the file at path, as hexadecimal digits, and makes it the first time. The firmware
// derives from it the locally administered MAC addresses of devices for which neither the configuration nor the fuses
// name one, so that a gateway keeps its addresses from build to build.
func MACSeed(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = makeSeed(path); err != nil {
			return "", fmt.Errorf("MAC seed: %w", err)
		}
	}
	if err != nil {
		return "", fmt.Errorf("MAC seed: %w", err)
	}
	seed := strings.TrimSpace(string(b))
	if raw, err := hex.DecodeString(seed); err != nil || len(raw) != seedSizeBytes {
		return "", fmt.Errorf("MAC seed: %s holds %q, want %d hexadecimal digits; remove the file to have a new one made",
			path, seed, 2*seedSizeBytes)
	}
	return seed, nil
}

// makeSeed writes a new seed beside path and links it there: of two builds that start together, both get the first.
func makeSeed(path string) ([]byte, error) {
	raw := make([]byte, seedSizeBytes)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".mac-seed-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = fmt.Fprintf(tmp, "%x\n", raw)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

// Overlay has other files stand for some of the module's, by absolute path; "" takes the file away.
type Overlay map[string]string

// Write writes the overlay to path, in the go command's format (go help build, -overlay).
func (o Overlay) Write(path string) error {
	b, err := json.Marshal(map[string]Overlay{"Replace": o})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// FindGo returns the go command that builds the firmware, as tools/toolchain has it: the one that the environment names
// in TAMAGO, an official distribution as it is, else the one that it makes and keeps in the user's cache. Progress goes to
// stderr.
func FindGo(ctx context.Context, root string) (string, error) {
	path, err := callToolchain(ctx, root)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	return path, nil
}

// CachedGo is FindGo without making anything: it returns "" when there is no such go command yet.
func CachedGo(ctx context.Context, root string) (string, error) {
	if os.Getenv("TAMAGO") != "" {
		return FindGo(ctx, root)
	}
	dir, err := callToolchain(ctx, root, "-where")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bin", "go")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return path, nil
}

// callToolchain runs tools/toolchain and returns the path that it prints.
func callToolchain(ctx context.Context, root string, args ...string) (string, error) {
	// Built and called, not "go run": an interrupt must reach it.
	maker := filepath.Join(root, "build", "toolchain")
	build := Command(ctx, "go", "build", "-o", maker, "./tools/toolchain")
	build.Dir, build.Stderr = root, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build of tools/toolchain: %w", err)
	}
	var out bytes.Buffer
	cmd := Command(ctx, maker, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("toolchain: %w", err)
	}
	path := strings.TrimSpace(out.String())
	if path == "" || strings.Contains(path, "\n") {
		return "", fmt.Errorf("toolchain: it printed %q, want one path", path)
	}
	return path, nil
}

// interruptGrace is how long an interrupted command may take to clean up before it is killed.
const interruptGrace = 10 * time.Second

// Command is exec.CommandContext with an interrupt where that kills.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptGrace
	return cmd
}

// Version names the sources at root: the tag or commit as git describes it, "devel" outside a git checkout.
func Version(ctx context.Context, root string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = root
	out, err := cmd.Output()
	if v := strings.TrimSpace(string(out)); err == nil && v != "" {
		return v
	}
	return "devel"
}
