package control

import (
	"os"
	"strings"
	"testing"
)

func TestControl(t *testing.T) {
	for _, c := range []struct {
		name            string
		setpoint, value int32
		sum             int32
		silent          uint32
		want, wantSum   int32
	}{
		{"on the setpoint", 500, 500, 0, 0, 0, 0},
		{"below it", 1000, 744, 0, 0, 128 + 8, 256},
		{"above it", 744, 1000, 0, 0, -128 - 8, -256},
		{"the sum alone", 100, 100, 3200, 0, 100, 3200},
		{"bounded", 2_000_000_000, 0, maxSum, 0, maxOutput, maxSum},
		{"bounded below", -2_000_000, 0, -maxSum, 0, -maxOutput, -maxSum},
		{"the last cycle that still knows", 1000, 744, 0, staleAfter - 2, 128 + 8, 256},
		{"old", 1000, 744, 77, staleAfter - 1, 0, 0},
		{"older", 1000, 744, 77, staleAfter, 0, 0},
		{"the lowest value", 1000, -1 << 31, 0, 0, 5000 + 10_000>>5, 10_000},
		{"the highest value", -1000, 1<<31 - 1, 0, 0, -5000 + -10_000>>5, -10_000},
	} {
		loop.setpoint, loop.value, loop.sum, loop.silent = c.setpoint, c.value, c.sum, c.silent
		if got := control(); got != c.want || loop.sum != c.wantSum {
			t.Errorf("%s: output %d, sum %d, want %d, %d", c.name, got, loop.sum, c.want, c.wantSum)
		}
	}
}

// However long the plant is silent, the output is 0 until it speaks.
func TestSilence(t *testing.T) {
	loop.setpoint, loop.value, loop.sum, loop.silent = 1000, 744, 0, 0
	for range staleAfter {
		control()
	}
	if loop.silent != staleAfter {
		t.Fatalf("%d cycles of silence, want %d", loop.silent, staleAfter)
	}
	if got := control(); got != 0 || loop.silent != staleAfter {
		t.Errorf("output %d, %d cycles of silence, want 0, and %d, which cannot wrap", got, loop.silent, staleAfter)
	}
}

// docs/tutorial.md shows this code, and no other.
func TestTutorialShowsThisCode(t *testing.T) {
	var code string
	for _, name := range []string{"oob.go", "control.go", "../../image/gateway/tasks_control.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code += string(b)
	}
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```")
	if len(parts) < 11 {
		t.Fatalf("%d pieces of code", len(parts)/2)
	}
	for i := 1; i < len(parts); i += 2 {
		if piece := strings.TrimPrefix(parts[i], "go\n"); !strings.Contains(code, piece) {
			t.Errorf("this is not the code:\n%s", piece)
		}
	}
}
