package main

import (
	"cmp"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

const heading = `# Go's own tests on GOOS=tamago

Made by ` + "`go run ./tools/toolchain/stdtest`" + ` with %s: the tests of every package of the standard library, built for
GOOS=tamago GOARCH=amd64 and run as a process of Linux, with -test.short. A test is a top-level one; examples count.

%s.

"Cannot pass" is a rule of tools/toolchain/stdtest/rules.go: the machine does not have what the test is about. "Not passed"
has the first thing the test says; nothing is left out.
"Takes too long" is more than the minute of processor time that -limit gives a run. To go on where packages have not been run
yet: the same command with -results and the same folder.

| package | result | pass | skip | cannot pass | not passed |
|---|---|---|---|---|---|
`

// table returns docs/stdtests.md.
func table(b *builder, results []*result) string {
	version, _ := exec.Command(b.goCommand, "env", "GOVERSION").Output()

	var t strings.Builder
	fmt.Fprintf(&t, heading, strings.TrimSpace(string(version)), summary(results))
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

func (r *result) verdict() string {
	switch {
	case r.broken != "":
		return r.broken
	case len(r.failed) == 0:
		return "pass"
	default:
		return "in part"
	}
}

// byRule returns the reasons with their numbers of tests.
func (r *result) byRule() string {
	count := map[string]int{}
	for _, f := range r.failed {
		if why := r.rule(f); why != "" {
			count[why]++
		}
	}
	var parts []string
	for _, why := range slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a, b))
	}) {
		parts = append(parts, fmt.Sprintf("%d: %s", count[why], why))
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
