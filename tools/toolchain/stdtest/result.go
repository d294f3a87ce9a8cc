package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Of packages without a result.
const (
	noTests = "no tests"
	notRun  = "not run yet" // with -table
)

// maxRuns is how often a package is run again without the tests that ended or
// hung its program.
const maxRuns = 25

// A result is what became of a package's tests.
type result struct {
	pkg             *pkg
	version         string // of Go
	broken          string // why there is no more to tell
	passed, skipped int
	failed          []failure
}

// A failure is a test that did not pass.
type failure struct {
	Test string
	Said string // what it printed
}

// ended reports whether the test ended its program.
func (f failure) ended() bool { return strings.HasPrefix(f.Said, ended) }

// why returns what no machine of this kind could pass, or what the test said.
func (r *result) why(f failure) string {
	if why := r.rule(f); why != "" {
		return why
	}
	return firstSaid(f.Said)
}

func (r *result) rule(f failure) string { return excuse(r.pkg.ImportPath, f.Test, f.Said) }

// excused returns why the whole package cannot run, or "".
func (r *result) excused() string { return excuse(r.pkg.ImportPath, whole, r.broken) }

func (r *result) words() string {
	switch {
	case r.broken != "":
		return r.broken
	case len(r.failed) == 0:
		return fmt.Sprintf("pass: %d, %d skipped", r.passed, r.skipped)
	default:
		return fmt.Sprintf("%d pass, %d skipped, %d not", r.passed, r.skipped, len(r.failed))
	}
}

// test builds and runs the tests of a package.
func (b *builder) test(ctx context.Context, p *pkg, limit time.Duration) *result {
	r := &result{pkg: p, version: b.version}
	if !p.hasTests() {
		r.broken = noTests
		return r
	}

	program, err := b.build(ctx, p)
	if err != nil {
		r.broken = err.Error()
		return r
	}
	defer os.Remove(program)

	culprits := unrun(p.ImportPath)
	for _, test := range culprits {
		r.failed = append(r.failed, failure{test, ended + "is not run"})
	}
	for range maxRuns {
		// The program's own timeout needs its scheduler.
		args := []string{"sh", "-c", fmt.Sprintf(`ulimit -t %.0f; exec "$0" "$@"`, limit.Seconds()),
			program, "-test.v", "-test.short", "-test.parallel=1", "-test.timeout=0"}
		if len(culprits) > 0 {
			args = append(args, "-test.skip=^("+strings.Join(culprits, "|")+")$")
		}
		out, timeout, err := output(ctx, 5*limit, []string{"HOME=/", "TMPDIR=/tmp", "GOROOT=" + machineRoot}, b.dir, args...)

		culprit, line := r.read(out, timeout, err)
		if culprit == "" {
			return r
		}
		if culprit == "-" || slices.Contains(culprits, culprit) {
			r.broken = line
			return r
		}
		culprits = append(culprits, culprit)
		// The next run replaces all but such failures.
		r.failed = append(slices.DeleteFunc(r.failed, func(f failure) bool { return !f.ended() }), failure{culprit, line})
	}
	r.broken = fmt.Sprintf("more than %d tests end the program", maxRuns)

	return r
}

// maxSaid is how much of a test's output is kept.
const maxSaid = 4096

const ended = "ends the program: "

var (
	markLine  = regexp.MustCompile(`^(?:=== (?:RUN|CONT|NAME|PAUSE) +|--- (PASS|FAIL|SKIP): )([^/\s]+)(\S*)`)
	fatalLine = regexp.MustCompile(`(?m)^(?:panic: |fatal error: |runtime: |unexpected fault|SIG).*$`)
)

// read takes a run's output apart. It returns the test that ended the program
// and the reason, where one did, "-" if that is none of the tests.
func (r *result) read(out string, timeout bool, err error) (culprit, line string) {
	r.failed = slices.DeleteFunc(r.failed, func(f failure) bool { return !f.ended() })
	r.passed, r.skipped = 0, 0

	said := map[string]*strings.Builder{} // by test: what was printed in it
	current := "-"
	whole := false
	var failed []string
	for line := range strings.Lines(out) {
		if m := markLine.FindStringSubmatch(line); m != nil {
			current = m[2]
			switch {
			case m[3] != "": // a subtest
			case m[1] == "PASS":
				r.passed++
			case m[1] == "SKIP":
				r.skipped++
			case m[1] == "FAIL":
				failed = append(failed, current)
			}
			continue
		}
		whole = whole || line == "FAIL\n" || line == "PASS\n"
		if said[current] == nil {
			said[current] = new(strings.Builder)
		}
		if said[current].Len() < maxSaid {
			said[current].WriteString(line)
		}
	}
	for _, test := range failed {
		text := ""
		if said[test] != nil {
			text = said[test].String()
		}
		r.failed = append(r.failed, failure{Test: test, Said: text})
	}

	if err == nil || whole && !timeout {
		return "", ""
	}

	line = ended + err.Error()
	switch m := fatalLine.FindString(out); {
	case timeout || strings.Contains(line, "signal: CPU time limit") || strings.Contains(line, "signal: killed"):
		line = ended + "takes too long"
	case m != "":
		line = ended + m
	}

	return current, line
}

// firstSaid returns the first line of a test's own.
func firstSaid(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && line != "got:" {
			return line
		}
	}
	return "says nothing"
}

func summary(results []*result) string {
	var packages, clean, without, broken, open, passed, skipped, ruled, unruled int
	for _, r := range results {
		packages++
		passed += r.passed
		skipped += r.skipped
		for _, f := range r.failed {
			if r.rule(f) != "" {
				ruled++
			} else {
				unruled++
			}
		}
		switch {
		case r.broken == noTests, r.broken == "" && r.passed+r.skipped+len(r.failed) == 0:
			without++
		case r.broken == notRun:
			open++
		case r.broken != "":
			broken++
		case len(r.failed) == 0:
			clean++
		}
	}
	text := fmt.Sprintf("%d packages: %d pass, %d pass in part, %d do not run, %d have no tests; %d tests pass, %d are skipped, %d cannot pass by rule, %d do not pass",
		packages, clean, packages-clean-without-broken-open, broken, without, passed, skipped, ruled, unruled)
	if open > 0 {
		text += fmt.Sprintf("; %d packages have not been run yet", open)
	}
	return text
}
