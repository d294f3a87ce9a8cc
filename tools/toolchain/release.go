package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
)

var exeSuffix = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]

// A release is a stock Go distribution on disk.
type release struct {
	version string // "1.26.8"
	root    string // its GOROOT
}

func (r release) goCommand() string {
	return filepath.Join(r.root, "bin", "go"+exeSuffix)
}

// findGoMod returns the go.mod that governs the working directory.
func findGoMod() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}

	for {
		path := filepath.Join(dir, "go.mod")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}

		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above: run it inside the Mortise repository, or give -mod")
		}
		dir = up
	}
}

var goLine = regexp.MustCompile(`(?m)^go[ \t]+([0-9]+\.[0-9]+(?:\.[0-9]+)?(?:(?:rc|beta)[0-9]+)?)[ \t]*(?://.*)?$`)

// goVersion returns the Go release that a go.mod names.
func goVersion(mod string) (string, error) {
	text, err := os.ReadFile(mod)
	if err != nil {
		return "", err
	}

	m := goLine.FindSubmatch(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	if m == nil {
		return "", fmt.Errorf("%s has no go line", mod)
	}

	return string(m[1]), nil
}

// findRelease finds the release: the installed one where it matches, else the
// one that the go command downloads, or has downloaded, for GOTOOLCHAIN.
func findRelease(ctx context.Context, version string, stderr io.Writer) (release, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return release{}, fmt.Errorf("no go command in PATH: install Go 1.21 or newer (%w)", err)
	}

	// Outside of any module: the go line of one must not come into it.
	cmd := exec.CommandContext(ctx, path, "env", "GOROOT")
	cmd.Dir = os.TempDir()
	cmd.Env = cleanEnv("GOTOOLCHAIN=go"+version, "GOWORK=off", "GOFLAGS=")

	var out, errs bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = io.MultiWriter(&errs, stderr)

	if err := cmd.Run(); err != nil {
		return release{}, fmt.Errorf("%s cannot provide go%s: %s (%w); install Go %s, or let the go command download it once", path, version, lastLine(errs.String()), err, version)
	}

	rel := release{version: version, root: strings.TrimSpace(out.String())}

	return rel, rel.check()
}

// check tells whether the release is what it says, with sources.
func (r release) check() error {
	if r.root == "" {
		return errors.New("the go command has no GOROOT")
	}

	text, err := os.ReadFile(filepath.Join(r.root, "VERSION"))
	if err != nil {
		return fmt.Errorf("not a Go distribution: %w", err)
	}

	if got := firstLine(string(text)); got != "go"+r.version {
		return fmt.Errorf("%s is %s, want go%s: is the go command older than 1.21?", r.root, got, r.version)
	}

	for _, name := range []string{"src/runtime/proc.go", "src/cmd/compile/main.go", "pkg/include/textflag.h", "bin/go" + exeSuffix} {
		if _, err := os.Stat(filepath.Join(r.root, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("the Go distribution in %s is not complete: %w", r.root, err)
		}
	}

	return nil
}

// cacheKey hashes all that a build depends on: the port and this tool, the
// host, and the release. Of the release it takes the binaries, the files that
// the port touches, and of all sources the names and sizes: reading all of it
// would take longer than a cached run may.
func cacheKey(p *port, r release) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "mortise toolchain 1\n%s\n%s/%s\n%s\n", p.id, runtime.GOOS, runtime.GOARCH, r.version)

	files := []string{"VERSION", "bin/go" + exeSuffix, "go.env"}
	for _, e := range p.edits {
		files = append(files, e.file)
	}
	for _, d := range p.derivations {
		files = append(files, d.from)
	}

	sort.Strings(files)
	for i, name := range files {
		if i > 0 && name == files[i-1] {
			continue
		}

		// Edits may be to derived files, which the release does not have.
		text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(text))
	}

	src := filepath.Join(r.root, "src")
	if real, err := filepath.EvalSymlinks(src); err == nil {
		src = real
	}

	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n", strings.TrimPrefix(path, src), info.Size())
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("reading the Go sources: %w", err)
	}

	return hex.EncodeToString(h.Sum(nil))[:24], nil
}

// cleanEnv returns the environment without what steers the go command, with
// the given settings.
func cleanEnv(set ...string) []string {
	var env []string

	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "GOPROXY", name == "GOSUMDB", name == "GONOSUMDB", name == "GONOSUMCHECK", name == "GOPRIVATE",
			name == "GONOPROXY", name == "GOINSECURE", name == "GOAUTH", name == "GOPATH", name == "GOMODCACHE", name == "GOENV":
			env = append(env, kv)
		case strings.HasPrefix(name, "GO"), strings.HasPrefix(name, "CGO_"):
		default:
			env = append(env, kv)
		}
	}

	return append(env, set...)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
