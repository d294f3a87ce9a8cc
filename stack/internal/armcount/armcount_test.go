package armcount

import (
	"slices"
	"strings"
	"testing"
)

// TestRun counts a function whose instructions can be counted by hand: testdata/known/known_arm.s.
func TestRun(t *testing.T) {
	p := &Program{Package: "./testdata/known", Start: []string{"main.twelve"}, With: []string{"main.thr*"}}
	counts, out := p.Run(t, "a", "b")
	if want := []int{15, 15, 15}; !slices.Equal(counts, want) || strings.TrimSpace(out) != "[a b]" {
		t.Errorf("counts %d, printed %q, want %d and its arguments", counts, out, want)
	}
}

func TestCalls(t *testing.T) {
	trace := "x\nTrace 0: 0x7f [0/00000010/0/0] a\nTrace 0: 0x7f [0/00000020/0/0] b\nTrace 0: 0x7f [0/00000020/0/0] b\n" +
		"Trace 0: 0x7f [0/00000024/0/0] b\nTrace 0: 0x7f [0/00000020/0/0] b\n"
	if got := calls(trace, []string{"00000020"}); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("calls = %d, want 2 and 1 instructions", got)
	}
}
