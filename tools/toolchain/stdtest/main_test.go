package main

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
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
