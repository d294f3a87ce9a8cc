package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseEdits(t *testing.T) {
	text := "# comment\nfile a.go\nedit one\n<<<\nold\n===\nnew\n>>>\nedit two\n<<<\nx\ny\n===\n>>>\n"

	got, err := parseEdits("t.edit", []byte(text))
	if err != nil {
		t.Fatal(err)
	}

	want := []edit{{"a.go", "one", 3, "old\n", "new\n"}, {"a.go", "two", 9, "x\ny\n", ""}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("parseEdits = %v, want %v", got, want)
	}

	for _, bad := range []string{
		"edit e\n<<<\nx\n===\n>>>\n",         // no file
		"file f\n<<<\nx\n===\n>>>\n",         // no name
		"file f\nedit e\n<<<\nx\n===\n",      // no end
		"file f\nedit e\n<<<\n===\nx\n>>>\n", // no old text
		"file f\nold\n",                      // neither
	} {
		if edits, err := parseEdits("t.edit", []byte(bad)); err == nil {
			t.Errorf("parseEdits(%q) = %v, want an error", bad, edits)
		}
	}
}

func TestEditMatchesOnce(t *testing.T) {
	e := edit{file: "src/f.go", name: "the edit", old: "b\n", new: "B\n"}

	for _, tt := range []struct{ text, want, err string }{
		{"a\nb\nc\n", "a\nB\nc\n", ""},
		{"a\nc\n", "", "not there"},
		{"b\nb\n", "", "2 times"},
	} {
		got, err := e.apply([]byte(tt.text))
		if string(got) != tt.want {
			t.Errorf("apply(%q) = %q, want %q", tt.text, got, tt.want)
		}
		if tt.err == "" {
			if err != nil {
				t.Errorf("apply(%q): %v", tt.text, err)
			}
			continue
		}
		for _, part := range []string{tt.err, e.file, e.name} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("apply(%q) gave error %v, want one with %q", tt.text, err, part)
			}
		}
	}
}

func TestWidenConstraint(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"//go:build js", "//go:build (js || tamago)"},
		{"//go:build js && wasm", "//go:build ((js && wasm) || tamago)"},
		{"//go:build unix || (js && wasm) || wasip1", "//go:build unix || ((js && wasm) || tamago) || wasip1"},
		{"//go:build !js && !plan9", "//go:build !(js || tamago) && !plan9"},
		{"//go:build linux", "//go:build linux"},
		{"//go:build jsx", "//go:build jsx"},
	} {
		if got := widenConstraint(tt.line); got != tt.want {
			t.Errorf("widenConstraint(%q) = %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestConstrain(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"// c\n\n//go:build js && wasm\n\npackage p\n", "// c\n\n//go:build tamago\n\npackage p\n"},
		{"// c\n\npackage p\n\n//go:build x\n", "// c\n\n//go:build tamago\n\npackage p\n\n//go:build x\n"},
	} {
		if got := string(constrain([]byte(tt.text))); got != tt.want {
			t.Errorf("constrain(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestPortFitsRelease makes all edits to the files of the installed release,
// in memory: the slow tests build it.
func TestPortFitsRelease(t *testing.T) {
	p, rel := loadTestPort(t), installedRelease(t)

	from := map[string]string{}
	for _, d := range p.derivations {
		from[d.to] = d.from
	}

	texts := map[string][]byte{}
	for _, e := range p.edits {
		text, ok := texts[e.file]
		if !ok {
			name, derived := from[e.file]
			if !derived {
				name = e.file
			}
			var err error
			if text, err = os.ReadFile(filepath.Join(rel.root, name)); err != nil {
				t.Fatal(err)
			}
			if derived {
				text = constrain(text)
			}
		}
		text, err := e.apply(text)
		if err != nil {
			t.Fatal(err)
		}
		texts[e.file] = text
	}

	for name := range p.files {
		if _, err := os.Stat(filepath.Join(rel.root, name)); err == nil {
			t.Errorf("%s is in the release already", name)
		}
	}
}

func TestGoVersion(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"module m\n\ngo 1.26.8\n", "1.26.8"},
		{"module m\r\ngo 1.27rc1 // why\r\n", "1.27rc1"},
		{"module m\n\ntoolchain go1.99.0\n", ""},
	} {
		mod := filepath.Join(t.TempDir(), "go.mod")
		writeFile(t, mod, tt.text)
		got, err := goVersion(mod)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("goVersion(%q) = %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestCacheKey(t *testing.T) {
	root := fakeRelease(t, "1.26.8")
	rel := release{version: "1.26.8", root: root}
	p := &port{id: "id", edits: []edit{{file: "src/runtime/proc.go"}}}

	key := func(p *port, r release) string {
		k, err := cacheKey(p, r)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}

	first := key(p, rel)
	if again := key(p, rel); again != first {
		t.Fatalf("the key of the same inputs is %s, then %s", first, again)
	}

	q := *p
	q.id = "other"
	if key(&q, rel) == first {
		t.Error("the key does not change with the port")
	}
	if key(p, release{version: "1.26.9", root: root}) == first {
		t.Error("the key does not change with the release")
	}

	for _, name := range []string{"bin/go" + exeSuffix, "VERSION", "src/runtime/proc.go", "src/new.go"} {
		path := filepath.Join(root, filepath.FromSlash(name))
		old, err := os.ReadFile(path)
		changed := strings.ToUpper(string(old))
		if err != nil {
			changed = "package new\n"
		}
		writeFile(t, path, changed)
		if key(p, rel) == first {
			t.Errorf("the key does not change with %s", name)
		}
		if err != nil {
			os.Remove(path)
		} else {
			writeFile(t, path, string(old))
		}
	}

	if again := key(p, rel); again != first {
		t.Errorf("the key of the restored inputs is %s, want %s", again, first)
	}
}

func TestHashFollowsPort(t *testing.T) {
	a, b := os.DirFS(tree(t, map[string]string{"x": "1", "y": "2"})), os.DirFS(tree(t, map[string]string{"x": "12", "y": ""}))
	ha, _ := hashFS(a)
	hb, _ := hashFS(b)
	if ha == hb {
		t.Error("different trees have the same hash")
	}
}

func TestStoreKeepsWhatIsWhole(t *testing.T) {
	s, ctx := &store{dir: t.TempDir()}, context.Background()
	builds := 0

	good := func(_ context.Context, dir string) error {
		builds++
		return os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644)
	}

	get := func() string {
		dir, err := s.get(ctx, "key", io.Discard, good)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}

	dir := get()
	if get(); builds != 1 {
		t.Errorf("%d builds for two runs, want 1", builds)
	}

	// A truncated file, as a crash leaves it.
	writeFile(t, filepath.Join(dir, "file"), "")
	if get(); builds != 2 {
		t.Errorf("a distribution with a truncated file was taken for whole")
	}

	os.Remove(filepath.Join(dir, marker))
	if get(); builds != 3 {
		t.Errorf("a distribution without marker was taken for whole")
	}
}

func TestStoreAfterInterruption(t *testing.T) {
	s := &store{dir: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())

	half := func(ctx context.Context, dir string) error {
		cancel()
		return os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)
	}
	if _, err := s.get(ctx, "key", io.Discard, half); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted build gave %v", err)
	}

	full := func(ctx context.Context, dir string) error {
		return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
	}
	_, err := s.get(context.Background(), "key", io.Discard, full)
	if err == nil {
		t.Fatal("a failed build gave no error")
	}
	if line := oneLine(context.Background(), err); !strings.HasPrefix(line, "disk full") || strings.Contains(line, "\n") {
		t.Errorf("a full disk is reported as %q", line)
	}

	entries, _ := os.ReadDir(s.dir)
	if len(entries) != 1 || entries[0].Name() != "lock" {
		t.Errorf("left behind: %v", entries)
	}

	// What a killed build leaves, nobody removes but the next one.
	left := s.path("other") + ".tmp-1"
	writeFile(t, filepath.Join(left, "file"), "text")
	_, err = s.get(context.Background(), "key", io.Discard, func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed build left is still there")
	}
}

func TestStoreBuildsOnceForTwo(t *testing.T) {
	s := &store{dir: t.TempDir()}
	builds := make(chan int, 2)
	errs := make(chan error)

	for range 2 {
		go func() {
			_, err := s.get(context.Background(), "key", io.Discard, func(_ context.Context, dir string) error {
				builds <- 1
				time.Sleep(50 * time.Millisecond)
				return os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644)
			})
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(builds) != 1 {
		t.Errorf("%d builds at the same time, want 1", len(builds))
	}
}

func TestUnusableGo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}

	wrong := fakeRelease(t, "1.20.0")
	partial := fakeRelease(t, "1.26.8")
	os.Remove(filepath.Join(partial, "src/cmd/compile/main.go"))

	for _, tt := range []struct{ name, script, want string }{
		{"none", "", "no go command in PATH"},
		{"broken", "#!/bin/sh\necho first >&2\necho reason >&2\nexit 1\n", "reason"},
		{"too old", "#!/bin/sh\necho " + wrong + "\n", "older than 1.21"},
		{"incomplete", "#!/bin/sh\necho " + partial + "\n", "not complete"},
		{"no goroot", "#!/bin/sh\n", "no GOROOT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			if tt.script != "" {
				writeFile(t, filepath.Join(bin, "go"), tt.script)
				os.Chmod(filepath.Join(bin, "go"), 0o755)
			}
			t.Setenv("PATH", bin)

			_, err := findRelease(context.Background(), "1.26.8", io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			if line := oneLine(context.Background(), err); !strings.Contains(line, tt.want) || strings.Contains(line, "\n") {
				t.Errorf("reported as %q, want one line with %q", line, tt.want)
			}
		})
	}
}

func TestTamagoVariable(t *testing.T) {
	rel := installedRelease(t)

	for _, tt := range []struct{ path, want string }{
		{"bin/go", "not an absolute path"},
		{filepath.Join(t.TempDir(), "go"), "no such file"},
		{rel.goCommand(), "not a go command that knows GOOS=tamago"},
	} {
		t.Setenv("TAMAGO", tt.path)
		var out bytes.Buffer
		err := run(context.Background(), options{quiet: true}, &out, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
			t.Errorf("TAMAGO=%s: error %v, output %q, want an error with %q", tt.path, err, &out, tt.want)
		}
	}
}

// TestCachedRunIsFast does what a cached run does: it finds the release,
// hashes the inputs and looks whether a distribution of realistic size is
// whole.
func TestCachedRunIsFast(t *testing.T) {
	p, rel := loadTestPort(t), installedRelease(t)

	s := &store{dir: t.TempDir()}
	build := func(_ context.Context, dir string) error {
		for i := range 9000 {
			sub := filepath.Join(dir, fmt.Sprint(i/100))
			if i%100 == 0 {
				os.Mkdir(sub, 0o755)
			}
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), []byte("text"), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := s.get(context.Background(), "key", io.Discard, build); err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	if _, err := findRelease(context.Background(), rel.version, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := cacheKey(p, rel); err != nil {
		t.Fatal(err)
	}
	if _, err := s.get(context.Background(), "key", io.Discard, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a cached run takes %v, want under 2 s", took)
	} else {
		t.Logf("a cached run takes %v", took)
	}
}

func loadTestPort(t *testing.T) *port {
	t.Helper()
	p, err := loadPort()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// installedRelease returns the release that go.mod names where it is the one
// that runs the test.
func installedRelease(t *testing.T) release {
	t.Helper()
	mod, err := findGoMod()
	if err != nil {
		t.Fatal(err)
	}
	version, err := goVersion(mod)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := findRelease(context.Background(), version, io.Discard)
	if err != nil {
		t.Skipf("the Go release of go.mod is not here: %v", err)
	}
	return rel
}

func fakeRelease(t *testing.T, version string) string {
	t.Helper()
	return tree(t, map[string]string{
		"VERSION":                 "go" + version + "\ntime 2026\n",
		"bin/go" + exeSuffix:      "binary",
		"go.env":                  "",
		"pkg/include/textflag.h":  "",
		"src/cmd/compile/main.go": "package main\n",
		"src/runtime/proc.go":     "package runtime\n",
	})
}

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
