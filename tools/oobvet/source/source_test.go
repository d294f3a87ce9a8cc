package source

import (
	"go/build/constraint"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"
)

func TestAnalyzer(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), Analyzer,
		"m/leaf", "m/calls", "m/values", "m/loops", "m/directives", "m/double")
}

func TestSatisfiable(t *testing.T) {
	for _, tt := range []struct {
		line string
		want bool
	}{
		{"//go:build tamago", true},
		{"//go:build tamago && arm", true},
		{"//go:build !tamago", false},
		{"//go:build !tamago && arm", false},
		{"//go:build !arm", true},
		{"//go:build !tamago || inject", true},
		{"//go:build linux && !linux", false},
		{"//go:build race && (arm || !tamago)", true},
	} {
		expr, err := constraint.Parse(tt.line)
		if err != nil {
			t.Fatal(err)
		}
		if got := satisfiable(expr); got != tt.want {
			t.Errorf("satisfiable(%s) = %v, want %v", tt.line, got, tt.want)
		}
	}
}

// Each rule has its row in docs/oobrules.md, and at least one finding that the tests want.
func TestEachRuleIsToldAndTested(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/oobrules.md")
	if err != nil {
		t.Fatal(err)
	}
	var wants strings.Builder
	for _, name := range []string{"calls", "values", "loops", "directives"} {
		b, err := os.ReadFile("testdata/src/m/" + name + "/" + name + ".go")
		if err != nil {
			t.Fatal(err)
		}
		wants.Write(b)
	}
	rows := strings.Split(string(doc), "\n")
	for _, rule := range Names {
		found := false
		for _, row := range rows {
			found = found || strings.HasPrefix(row, "| `"+string(rule)+"` |")
		}
		if !found {
			t.Errorf("docs/oobrules.md has no row for the rule %s", rule)
		}
		if !strings.Contains(wants.String(), `\[`+string(rule)+`\]`) {
			t.Errorf("no test wants a finding of the rule %s", rule)
		}
	}
}
