// Package fuzz runs the module's fuzz targets for a CPU time each and keeps of what they found the few inputs that reach
// code of their own.
//
// Stage: host. Does not support: targets side by side; a target in a package that only GOOS=tamago builds.
package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"
)

// Target is a fuzz target.
type Target struct {
	Dir  string // of its package, from the module's root
	Name string
}

func (t Target) String() string { return t.Dir + "." + t.Name }

var declaration = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// Targets finds the fuzz targets below root, by folder and name.
func Targets(root string) ([]Target, error) {
	var list []Target
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name := d.Name(); path == filepath.Join(root, "build") || path != root && (name == "testdata" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, m := range declaration.FindAllSubmatch(text, -1) {
			list = append(list, Target{filepath.ToSlash(dir), string(m[1])})
		}
		return nil
	})
	sort.Slice(list, func(i, k int) bool { return list[i].String() < list[k].String() })
	return list, err
}

// Runner fuzzes targets of the module at Root. What it builds and finds is under Dir.
type Runner struct {
	Root, Dir string
}

// Result is what became of fuzzing a target.
type Result struct {
	CPU   time.Duration // user and system, of the test binary and its worker
	Wall  time.Duration
	Execs string // as the testing package counts them
	Found int    // inputs in the cache
}

// ErrCrash is wrapped when an input made a target fail.
var ErrCrash = errors.New("an input makes it fail")

func (r *Runner) binary(t Target, kind string) string {
	return filepath.Join(r.Dir, strings.ReplaceAll(t.Dir, "/", "-")+"."+kind)
}

// Cache is the folder of the inputs that were found for t.
func (r *Runner) Cache(t Target) string {
	return filepath.Join(r.Dir, "corpus", filepath.FromSlash(t.Dir), t.Name)
}

// kept is the folder of the inputs that the module keeps.
func (r *Runner) kept(t Target) string {
	return filepath.Join(r.Root, filepath.FromSlash(t.Dir), "testdata", "fuzz", t.Name)
}

func (r *Runner) build(ctx context.Context, t Target, kind string, flags ...string) (string, error) {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return "", err
	}
	out := r.binary(t, kind)
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-c", "-o", out}, flags...), "./"+t.Dir)...)
	cmd.Dir, cmd.Stderr = r.Root, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building %s: %w", t, err)
	}
	return out, nil
}

// piece is how long the fuzzer runs before its CPU time is looked at. It reads its cache anew each time.
const piece = 4 * time.Minute

// minimize keeps the fuzzer from making each new input small: by default that takes up to a minute for each, of a target's
// first minute all but some ten executions.
const minimize = "-test.fuzzminimizetime=10x"

var (
	executions  = regexp.MustCompile(`execs: (\d+)`)
	crasherFile = regexp.MustCompile(`Failing input written to (\S+)`)
	badSeed     = regexp.MustCompile(`failure while testing seed corpus entry: `)
)

// Fuzz fuzzes t until the fuzzer has used cpu. progress is told after each piece. An input that makes t fail is in the
// package's testdata then, and the error says so.
func (r *Runner) Fuzz(ctx context.Context, t Target, cpu time.Duration, progress func(Result)) (Result, error) {
	var done Result
	binary, err := r.build(ctx, t, "fuzz", "-fuzz=^"+t.Name+"$")
	if err != nil {
		return done, err
	}
	execs, wall := 0, min(piece, max(cpu, time.Second))
	for done.CPU < cpu {
		cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.fuzz=^"+t.Name+"$", "-test.parallel=1",
			"-test.fuzzcachedir="+filepath.Dir(r.Cache(t)), "-test.fuzztime="+wall.String(), minimize)
		cmd.Dir = filepath.Join(r.Root, filepath.FromSlash(t.Dir))
		// The fuzzer's coordinator is asked to end, or its worker would be left behind.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 10 * time.Second
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		start := time.Now()
		failure := cmd.Run()
		done.Wall += time.Since(start)
		if cmd.ProcessState == nil {
			return done, failure
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		done.CPU += used
		if m := executions.FindAllStringSubmatch(out.String(), -1); m != nil {
			n := 0
			fmt.Sscan(m[len(m)-1][1], &n)
			execs += n
		}
		done.Execs = fmt.Sprint(execs)
		if list, err := os.ReadDir(r.Cache(t)); err == nil {
			done.Found = len(list)
		}
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		// Go 1.26's fuzzer may report its own deadline as a failure, without an input (go.dev/issue/75804).
		atEnd := strings.Contains(out.String(), "context deadline exceeded")
		if failure != nil {
			if m := crasherFile.FindStringSubmatch(out.String()); m != nil {
				return done, fmt.Errorf("%s: %w, kept as %s/%s\n%s", t, ErrCrash, t.Dir, m[1], out.String())
			}
			if badSeed.MatchString(out.String()) {
				return done, fmt.Errorf("%s: %w\n%s", t, ErrCrash, out.String())
			}
			if !atEnd {
				return done, fmt.Errorf("%s: the fuzzer ended by itself: %w\n%s", t, failure, out.String()) // killed, for example
			}
		}
		progress(done)
		// The last piece is no longer than what is left takes at the rate of this one.
		if left := cpu - done.CPU; used > 0 && left > 0 && left < used {
			wall = max(time.Duration(float64(wall)*float64(left)/float64(used)), time.Second).Round(time.Millisecond)
		}
	}
	return done, nil
}
