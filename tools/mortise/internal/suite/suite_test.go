package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	var ran []string
	step := func(name string, needed bool, err error) Step {
		return Step{Name: name, Needed: needed, Run: func(context.Context) (string, error) {
			ran = append(ran, name)
			return "", err
		}}
	}
	broken := errors.New("broken")
	tests := []struct {
		name  string
		steps []Step
		ran   []string
		err   string
	}{
		{"all well", []Step{step("a", true, nil), step("b", false, nil)}, []string{"a", "b"}, ""},
		{"a test fails, the others still run", []Step{step("a", false, broken), step("b", false, nil)}, []string{"a", "b"}, "failed: a"},
		{"what is needed fails", []Step{step("a", true, broken), step("b", false, nil)}, []string{"a"}, "failed: a"},
		{"skipped is no failure", []Step{step("a", true, fmt.Errorf("no gcc: %w", ErrSkipped)), step("b", false, nil)}, []string{"a", "b"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ran = nil
			var out strings.Builder
			err := Run(t.Context(), &out, tt.steps)
			if got := fmt.Sprint(err); tt.err == "" && err != nil || tt.err != "" && got != tt.err {
				t.Errorf("Run = %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.ran, ran); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunStopsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	steps := []Step{
		{Name: "a", Run: func(context.Context) (string, error) { cancel(); return "", context.Canceled }},
		{Name: "b", Run: func(context.Context) (string, error) { t.Error("b ran after the interrupt"); return "", nil }},
	}
	var out strings.Builder
	if err := Run(ctx, &out, steps); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}

func TestSummary(t *testing.T) {
	got := summary([]outcome{
		{&Step{Name: "toolchain"}, 111500 * time.Millisecond, "/cache/bin/go", nil},
		{&Step{Name: "unit tests"}, 61 * time.Second, "without -race: no gcc", nil},
		{&Step{Name: "gcc"}, 0, "", fmt.Errorf("not root: %w", ErrSkipped)},
		{&Step{Name: "QEMU tests"}, 300 * time.Second, "", errors.New("exit status 1")},
	}, 5)
	want := "" +
		"ok        111.5 s  toolchain        /cache/bin/go\n" +
		"ok         61.0 s  unit tests       without -race: no gcc\n" +
		"skipped     0.0 s  gcc\n" +
		"FAILED    300.0 s  QEMU tests\n" +
		"total     472.5 s  4 of 5 steps run\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}
