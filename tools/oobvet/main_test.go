package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The go command with this tool finds nothing in real oob code, and a goroutine in the same code when there is one.
func TestVettool(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "oobvet")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if out, err := vet(tool); err != nil {
		t.Errorf("go vet of stack/frame: %v\n%s", err, out)
	}
	source, err := filepath.Abs("../../stack/frame/frame.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "frame.go")
	const before, after = "	tail := r.tail\n", "	go r.Len()\n	tail := r.tail\n"
	if !strings.Contains(string(text), before) {
		t.Fatalf("%s has no line %q to change", source, before)
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), before, after, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(path, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := vet(tool, "-overlay", path)
	if err == nil || !strings.Contains(out, "oob code starts a goroutine [go]") {
		t.Errorf("go vet of stack/frame with a goroutine in Push: %v, want the finding\n%s", err, out)
	}
}

func vet(tool string, flags ...string) (string, error) {
	args := append([]string{"vet", "-vettool=" + tool}, flags...)
	out, err := exec.Command("go", append(args, "mortise/stack/frame")...).CombinedOutput()
	return string(out), err
}
