// Package armcount counts the instructions that functions take on GOARCH=arm, for tests: a program of the test's is built for linux/arm
// and run under qemu-arm, which logs each translation block, one instruction with -singlestep.
//
// What is counted is the compiler's work for the processor that the firmware runs on, without its memory: the same number for the same
// frame, on any machine. A signal in the midst of a function would be counted with it, and what it makes begin anew; so there
// are none, and the program gives way to the scheduler (runtime.Gosched) ahead of each call.
//
// Stage: none (host, tests). Follows: qemu-user(1). Does not support: functions that call themselves.
package armcount

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Program is a main package, and what is counted of it.
type Program struct {
	Package string
	// Start are the functions that a count begins with: their names in the symbol table.
	Start []string
	// With are the functions that it calls and that count with it. A * at the end stands for all names that begin so, and
	// for none when the compiler has put them into others.
	With []string
}

// grown is fewer instructions than any function's that is counted: it has found the host's stack too small, and begins again.
const grown = 10

// Run builds the program, runs it, and returns the instructions of each call, in their order, and what it printed. The first
// call may have grown the host's stack. The test is skipped where there is no qemu-arm, or no time.
func (p *Program) Run(t testing.TB, args ...string) (counts []int, output string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds for GOARCH=arm")
	}
	qemu, err := exec.LookPath("qemu-arm")
	if err != nil {
		t.Skip("qemu-arm (package qemu-user) is not installed")
	}
	dir := t.TempDir()
	bin, trace := filepath.Join(dir, "count"), filepath.Join(dir, "trace")
	Build(t, "-o", bin, p.Package)
	starts, text := p.ranges(t, bin)
	cmd := exec.Command(qemu, append([]string{"-singlestep", "-d", "nochain,exec", "-dfilter", text, "-D", trace, bin}, args...)...)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(calls(string(b), starts), func(n int) bool { return n < grown }), string(out)
}

// calls counts the trace's lines of each call.
func calls(trace string, starts []string) (counts []int) {
	last := ""
	for line := range strings.Lines(trace) {
		// Trace 0: 0x7f1c884f4340 [00000480/000c6988/00000000/00080201] mortise/stack/core.Deliver
		if !strings.HasPrefix(line, "Trace ") {
			continue
		}
		pc := strings.Split(line, "/")[1]
		if pc == last {
			continue // QEMU left the block before its instruction ran, for a signal, and came back
		}
		last = pc
		if slices.Contains(starts, pc) {
			counts = append(counts, 0)
		}
		if len(counts) > 0 {
			counts[len(counts)-1]++
		}
	}
	return counts
}

// ranges returns where those of Start are, as the trace has it, and the address ranges of all functions, as -dfilter has them.
func (p *Program) ranges(t testing.TB, bin string) (starts []string, text string) {
	t.Helper()
	out, err := exec.Command("go", "tool", "nm", "-size", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 4 || f[2] != "T" {
			continue
		}
		if slices.Contains(p.Start, f[3]) {
			starts = append(starts, fmt.Sprintf("%08s", f[0]))
		}
		for _, name := range slices.Concat(p.Start, p.With) {
			prefix, any := strings.CutSuffix(name, "*")
			if f[3] == name || any && strings.HasPrefix(f[3], prefix) {
				list, found[name] = append(list, "0x"+f[0]+"+"+f[1]), true
				break
			}
		}
	}
	for _, name := range slices.Concat(p.Start, p.With) {
		if !found[name] && !strings.HasSuffix(name, "*") {
			t.Fatalf("%s is not in the program %s: inlined, or called something else", name, p.Package)
		}
	}
	return starts, strings.Join(list, ",")
}

// Build runs go build for linux/arm and returns what it printed.
func Build(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// NoBoundsChecks fails the test when a bounds check is left in the packages, but in the files named: those of in-band.
func NoBoundsChecks(t testing.TB, inband []string, packages ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds for GOARCH=arm")
	}
	out := Build(t, append([]string{"-gcflags=-d=ssa/check_bce"}, packages...)...)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "Found Is") && !slices.ContainsFunc(inband, func(file string) bool { return strings.Contains(line, file) }) {
			t.Errorf("%s", line)
		}
	}
}
