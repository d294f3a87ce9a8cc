package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every module that go.mod requires has its row in the third-party notices, at its version.
func TestNoticesNameEveryModule(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	notices, err := os.ReadFile(filepath.Join(root, "THIRD_PARTY.md"))
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/\S+|\S+\.\S+) (v\S+)`).FindAllStringSubmatch(string(mod), -1)
	if len(required) == 0 {
		t.Fatal("no module found in go.mod")
	}
	rows := strings.Split(string(notices), "\n")
	for _, m := range required {
		found := false
		for _, row := range rows {
			found = found || strings.HasPrefix(row, "| "+m[1]+" ") && strings.Contains(row, "| "+m[2]+" |")
		}
		if !found {
			t.Errorf("THIRD_PARTY.md has no row for %s %s", m[1], m[2])
		}
	}
}
