package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
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
	Imports      []string
	TestGoFiles  []string
	TestImports  []string
	XTestGoFiles []string
	XTestImports []string
}

// A builder makes and runs test programs.
type builder struct {
	goCommand string
	version   string // of Go
	goroot    string
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
	cmd := exec.CommandContext(ctx, b.goCommand, append([]string{"list", "-json=ImportPath,Name,Dir,Imports,TestGoFiles,TestImports,XTestGoFiles,XTestImports"}, names...)...)
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

// fixtures are packages that the overlay adds to std.
//
//go:embed fixture
var fixtures embed.FS

const (
	fixtureFiles = "internal/mortise/files"
	fixtureWire  = "internal/mortise/wire"
)

// overlay writes the file that lays additions and changes over std: the
// fixtures' packages, in each package's external tests an import of those it
// needs, and what in internal/testenv names js.
func (b *builder) overlay(packages []*pkg) error {
	replace := map[string]string{}
	write := func(over, name string, text []byte) error {
		file := filepath.Join(b.dir, name)
		replace[over] = file
		return os.WriteFile(file, text, 0o644)
	}

	src := filepath.Join(b.goroot, "src")
	err := fs.WalkDir(fixtures, "fixture", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fixtures.ReadFile(name)
		if err != nil {
			return err
		}
		in := strings.TrimPrefix(name, "fixture/")
		return write(filepath.Join(src, "internal", "mortise", filepath.FromSlash(in)), strings.ReplaceAll(in, "/", "_"), text)
	})
	if err != nil {
		return err
	}

	for _, p := range packages {
		if !p.hasTests() {
			continue
		}
		text := fmt.Appendf(nil, "package %s_test\n\nimport _ %q\n", p.Name, fixtureFiles)
		if !p.mayImport() {
			files, err := fixtures.ReadFile("fixture/files/files.go")
			if err != nil {
				return err
			}
			text = []byte(strings.Replace(string(files), "\npackage files\n", "\npackage "+p.Name+"_test\n", 1))
		}
		if p.usesNet() {
			text = fmt.Appendf(text, "import _ %q\n", fixtureWire)
		}
		if err := write(filepath.Join(p.Dir, "aaa_mortise_test.go"), p.slug()+"_fixtures.go", text); err != nil {
			return err
		}
	}

	for name, change := range changes {
		over := filepath.Join(src, filepath.FromSlash(name))
		text, err := os.ReadFile(over)
		if err != nil {
			return err
		}
		changed := change.Replace(string(text))
		if changed == string(text) {
			return fmt.Errorf("%s: nothing in it is to be changed", over)
		}
		if err := write(over, strings.ReplaceAll(name, "/", "_"), []byte(changed)); err != nil {
			return err
		}
	}

	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(b.dir, "overlay.json"), text, 0o644)
}

// changes are what Go's tests must be told of the machine.
var changes = map[string]*strings.Replacer{
	"internal/testenv/exec.go":    likeJS,
	"internal/testenv/testenv.go": likeJS,
	// Unix and TCP, without descriptors, raw IP and unixpacket.
	"net/platform_test.go": strings.NewReplacer(
		`case "windows", "js", "wasip1":`, `case "windows", "js", "tamago", "wasip1":`,
		`case "plan9":
			return false`, `case "plan9", "tamago":
			return false`,
		`"aix", "android", "darwin", "ios", "plan9", "windows":`, `"aix", "android", "darwin", "ios", "plan9", "tamago", "windows":`,
	),
	"os/exec/internal/fdtest/exists_unix.go": strings.NewReplacer(`unix || wasm`, `unix || wasm || tamago`),
}

// likeJS has Go's package for test environments take tamago for js, which too
// starts no processes and has one thread: tests that need these are skipped,
// as they are there.
var likeJS = strings.NewReplacer(
	`"js", "wasip1"`, `"js", "tamago", "wasip1"`,
	`"wasip1", "js", "ios"`, `"wasip1", "js", "tamago", "ios"`,
	`runtime.GOOS == "js"`, `(runtime.GOOS == "js" || runtime.GOOS == "tamago")`,
	`runtime.GOOS != "js"`, `runtime.GOOS != "js" && runtime.GOOS != "tamago"`,
)

// mayImport reports whether the package's tests may import a fixture: Go checks
// what those of its FIPS 140 module import. They get the text of it.
func (p *pkg) mayImport() bool { return !strings.HasPrefix(p.ImportPath, "crypto/internal/fips140/") }

// usesNet reports whether the package or its tests open sockets.
func (p *pkg) usesNet() bool {
	for _, list := range [][]string{{p.ImportPath}, p.Imports, p.TestImports, p.XTestImports} {
		for _, path := range list {
			switch path {
			case "net", "net/http", "net/http/httptest", "net/http/httputil", "net/rpc", "net/smtp", "crypto/tls", "log/syslog", "expvar", "net/http/pprof":
				return true
			}
		}
	}
	return false
}

func (p *pkg) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// build makes the test program, with the files it finds.
func (b *builder) build(ctx context.Context, p *pkg) (program string, err error) {
	program = filepath.Join(b.dir, p.slug()+".test")
	args := []string{b.goCommand, "test", "-c", "-vet=off", "-o", program, "-overlay", filepath.Join(b.dir, "overlay.json")}

	if p.ImportPath == "time" {
		args = append(args, "-tags=timetzdata") // the machine has no zone files
	}

	out, _, err := output(ctx, 10*time.Minute, b.env(), "", append(args, p.ImportPath)...)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("does not build: %s", strings.ReplaceAll(firstError(out), b.goroot+string(filepath.Separator), ""))
	}
	archive, err := b.archive(p)
	if err != nil {
		return "", err
	}

	return program, load(program, archive)
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
