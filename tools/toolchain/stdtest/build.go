package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A pkg is what go list tells.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	TestGoFiles  []string
	XTestGoFiles []string
}

// A builder makes and runs test programs.
type builder struct {
	goCommand string
	dir       string // for what it makes
}

func (b *builder) env() []string {
	var env []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "GO") || name == "GOCACHE" || name == "GOPATH" || name == "GOMODCACHE" {
			env = append(env, v)
		}
	}
	return append(env, "GOOS=tamago", "GOARCH=amd64", "GOENV=off", "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
}

func (b *builder) list(ctx context.Context, names []string) ([]*pkg, error) {
	cmd := exec.CommandContext(ctx, b.goCommand, append([]string{"list", "-json=ImportPath,Name,Dir,TestGoFiles,XTestGoFiles"}, names...)...)
	cmd.Env = b.env()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s list: %w", b.goCommand, err)
	}

	var packages []*pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		p := new(pkg)
		if err := d.Decode(p); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(p.ImportPath, "vendor/") {
			packages = append(packages, p)
		}
	}

	return packages, nil
}

// filesTest is added to the external tests of a package that has testdata.
const filesTest = `package %s_test

import (
	mortiseEmbed "embed"
	mortiseFS "io/fs"
	mortiseOS "os"
	mortisePath "path"
)

//go:embed all:testdata
var mortiseFiles mortiseEmbed.FS

func init() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	check(mortiseOS.MkdirAll(%q, 0o755))
	check(mortiseOS.Chdir(%[2]q))
	check(mortiseFS.WalkDir(mortiseFiles, ".", func(name string, d mortiseFS.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := mortiseFiles.ReadFile(name)
		if err != nil {
			return err
		}
		if err := mortiseOS.MkdirAll(mortisePath.Dir(name), 0o755); err != nil {
			return err
		}
		return mortiseOS.WriteFile(name, text, 0o644)
	}))
}
`

// overlay writes the file that lays those additions over the packages.
func (b *builder) overlay(packages []*pkg) error {
	replace := map[string]string{}
	for _, p := range packages {
		if !p.hasTests() {
			continue
		}
		if info, err := os.Stat(filepath.Join(p.Dir, "testdata")); err != nil || !info.IsDir() {
			continue
		}
		file := filepath.Join(b.dir, p.slug()+"_files.go")
		if err := os.WriteFile(file, fmt.Appendf(nil, filesTest, p.Name, "/src/"+p.ImportPath), 0o644); err != nil {
			return err
		}
		// The name sorts first: its init comes before the tests' own.
		replace[filepath.Join(p.Dir, "aaa_mortise_test.go")] = file
	}

	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(b.dir, "overlay.json"), text, 0o644)
}

func (p *pkg) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

func (p *pkg) slug() string { return strings.ReplaceAll(p.ImportPath, "/", "_") }

// build makes the test program. Where the testdata cannot be embedded it is
// left out.
func (b *builder) build(ctx context.Context, p *pkg) (program string, err error) {
	program = filepath.Join(b.dir, p.slug()+".test")
	args := []string{b.goCommand, "test", "-c", "-vet=off", "-ldflags=-s -w", "-o", program}

	if p.ImportPath == "time" {
		args = append(args, "-tags=timetzdata") // the machine has no zone files
	}

	out, _, err := output(ctx, 10*time.Minute, b.env(), "", append(args, "-overlay", filepath.Join(b.dir, "overlay.json"), p.ImportPath)...)
	if err != nil && ctx.Err() == nil {
		if _, _, again := output(ctx, 10*time.Minute, b.env(), "", append(args, p.ImportPath)...); again == nil {
			return program, nil
		}
		return "", fmt.Errorf("does not build: %s", firstError(out))
	}

	return program, err
}

// firstError returns the first line of the go command's that is no heading.
func firstError(out string) string {
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return "no message"
}
