package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const heading = `# Go's own tests on GOOS=tamago

Made by ` + "`go run ./tools/toolchain/stdtest`" + `: the tests of every package of the standard library, built for GOOS=tamago
GOARCH=amd64 and run as a process of Linux, with -test.short. A test is a top-level one; examples count.

With %s.

%s.

A test finds what a Unix system would give it: its package's folder and, where it reads more of Go's source tree, that too, in
the memory file system; /etc/hosts, /etc/passwd and the like; and a loopback network, which is one function behind
net.SocketFunc. Go's internal/testenv takes the machine for js, which too starts no processes and has one thread: what it knows
to need these is skipped.

"Cannot pass" has the tests that a rule of tools/toolchain/stdtest/rules.go excuses, each with what the machine does not have.
A rule names its tests, but for those whose own words are the reason (fork/exec). "Not passed" has the first thing the test
says; nothing is left out.
"Takes too long" is more than the minute of processor time that -limit gives a run. To go on where packages have not been run
yet: the same command with -results and the same folder, which keeps the results of an earlier Go too.

| package | result | pass | skip | cannot pass | not passed |
|---|---|---|---|---|---|
`

// table returns docs/stdtests.md.
func table(results []*result) string {
	var t strings.Builder
	fmt.Fprintf(&t, heading, versions(results), summary(results))
	for _, r := range results {
		fmt.Fprintf(&t, "| %s | %s |", r.pkg.ImportPath, escape(r.verdict()))
		if r.broken == noTests || r.broken == notRun {
			t.WriteString(" | | | |\n")
			continue
		}
		fmt.Fprintf(&t, " %d | %d | %s | %s |\n", r.passed, r.skipped, escape(r.byRule()), escape(r.recorded()))
	}

	return t.String()
}

// versions returns what was tested, the most used version first.
func versions(results []*result) string {
	count := map[string]int{}
	for _, r := range results {
		if r.version != "" {
			count[r.version]++
		}
	}
	list := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) })
	if len(list) > 1 {
		for i, v := range list {
			list[i] = fmt.Sprintf("%s (%d packages)", v, count[v])
		}
	}
	return strings.Join(list, ", ")
}

func (r *result) verdict() string {
	switch {
	case r.broken != "" && r.excused() != "":
		return "does not run: " + r.excused()
	case r.broken != "":
		return r.broken
	case r.passed+r.skipped+len(r.failed) == 0:
		return "no test for this machine"
	case len(r.failed) == 0:
		return "pass"
	default:
		return "in part"
	}
}

// byRule returns the reasons, each with its tests.
func (r *result) byRule() string {
	tests := map[string][]string{}
	for _, f := range r.failed {
		if why := r.rule(f); why != "" {
			tests[why] = append(tests[why], f.Test)
		}
	}
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(tests)) {
		slices.Sort(tests[why])
		parts = append(parts, strings.Join(tests[why], ", ")+": "+why)
	}
	return strings.Join(parts, "; ")
}

// recorded returns the tests without a rule and what they say.
func (r *result) recorded() string {
	var parts []string
	for _, f := range r.failed {
		if r.rule(f) == "" {
			parts = append(parts, f.Test+" ("+short(firstSaid(f.Said))+")")
		}
	}
	return strings.Join(parts, "; ")
}

func short(line string) string {
	if runes := []rune(line); len(runes) > 120 {
		return string(runes[:120]) + "…"
	}
	return line
}

func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
