package main

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSubset runs the standard library's tests that make test has time for.
// What does not pass must be what a rule expects.
func TestSubset(t *testing.T) {
	path := os.Getenv("MORTISE_TAMAGO_GO")
	if path == "" {
		t.Skip("MORTISE_TAMAGO_GO is not set")
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("not Linux on amd64")
	}

	o := options{goCommand: path, subset: true, parallel: runtime.NumCPU(), limit: 20 * time.Second}
	if err := run(t.Context(), o, nil); err != nil {
		t.Error(err)
	}
}

// TestRead takes outputs apart.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, out       string
		timeout         bool
		err             error
		culprit, line   string
		passed, skipped int
		failed          string
	}{
		{name: "pass", out: "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n    b.go:1: not here\n--- SKIP: TestB (0.00s)\nPASS\n", passed: 1, skipped: 1},
		{
			name: "fail", err: errors.New("exit status 1"),
			out:    "=== RUN   TestA\n=== RUN   TestA/x\n    a.go:2: wrong\n=== NAME  TestA\n--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/x (0.00s)\n=== RUN   TestB\n--- PASS: TestB (0.00s)\nFAIL\n",
			passed: 1, failed: "TestA: a.go:2: wrong",
		},
		{
			name: "panic", out: "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\npanic: oh\n\ngoroutine 1\n", err: errors.New("exit status 2"),
			culprit: "TestB", line: ended + "panic: oh", passed: 1,
		},
		{name: "hang", out: "=== RUN   TestA\n", timeout: true, err: errors.New("signal: killed"), culprit: "TestA", line: ended + "takes too long"},
		{name: "no test", out: "fatal error: x\n", err: errors.New("exit status 2"), culprit: "-", line: ended + "fatal error: x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &result{pkg: &pkg{ImportPath: "p"}}
			culprit, line := r.read(c.out, c.timeout, c.err)
			if culprit != c.culprit || c.culprit != "" && line != c.line {
				t.Errorf("read = %q, %q, want %q, %q", culprit, line, c.culprit, c.line)
			}
			var failed []string
			for _, f := range r.failed {
				failed = append(failed, f.Test+": "+firstSaid(f.Said))
			}
			if got := strings.Join(failed, "; "); got != c.failed || r.passed != c.passed || r.skipped != c.skipped {
				t.Errorf("%d passed, %d skipped, failed %q, want %d, %d, %q", r.passed, r.skipped, got, c.passed, c.skipped, c.failed)
			}
		})
	}
}

// TestRules holds the rules to what they promise: tests by name, and one rule
// by what the test says alone.
func TestRules(t *testing.T) {
	general := 0
	for _, r := range rules {
		switch {
		case r.pkg == "" && r.tests == "" && r.said != "":
			general++
		case r.pkg == "" || r.tests == "" || r.why == "":
			t.Errorf("rule %+v names no tests or no reason", r)
		case r.said == "" && !r.unrun:
			t.Errorf("rule %+v excuses whatever its tests say", r)
		}
	}
	if general != 1 {
		t.Errorf("%d rules are for all tests, want 1", general)
	}

	for _, c := range []struct{ pkg, test, said, want string }{
		{"os", "TestPipeThreads", "os_test.go:2973: pipe: not implemented on tamago\n", noPipes},
		{"os", "TestPipeThreads", "os_test.go:2973: got 3, want 4\n", ""},
		{"os", "TestPipe", "pipe: not implemented on tamago\n", ""},
		{"any", "TestAny", "fork/exec /bin/sh: not implemented on tamago\n", "starts a process"},
		{"any", "TestAny", "exec: wrong\n", ""},
	} {
		if got := excuse(c.pkg, c.test, c.said); got != c.want {
			t.Errorf("excuse(%q, %q, %q) = %q, want %q", c.pkg, c.test, c.said, got, c.want)
		}
	}
}

// TestArchive reads an archive as fixture/files does.
func TestArchive(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"src/p/p.go": "package p", "src/p/testdata/a/b": "text", "src/p/q/q.go": "", "src/other": ""} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := &builder{goroot: root}
	archive, err := b.archive(&pkg{ImportPath: "p", Dir: filepath.Join(root, "src", "p")})
	if err != nil {
		t.Fatal(err)
	}

	got := map[string]string{}
	for len(archive) >= 8 {
		n, m := binary.LittleEndian.Uint32(archive), binary.LittleEndian.Uint32(archive[4:])
		got[string(archive[8:8+n])] = string(archive[8+n : 8+n+m])
		archive = archive[8+n+m:]
	}
	want := map[string]string{"/go/src/p/p.go": "package p", "/go/src/p/testdata/a/b": "text", "": "/go/src/p"}
	for name, text := range commonFiles {
		want[name] = text
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}
