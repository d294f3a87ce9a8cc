package fuzz

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// module is a module with four fuzz targets: one that nothing breaks; one that any input of three bytes does; one that a seed does; and
// one that is killed.
func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module mortise\n\ngo 1.24\n",
		"a/a.go": "package a\n\nfunc Kind(b []byte) int {\n\tif len(b) > 0 && b[0] == 'x' {\n\t\tif len(b) > 1 && b[1] == 'y' {\n\t\t\treturn 2\n\t\t}\n\t\treturn 1\n\t}\n\treturn 0\n}\n",
		"a/a_test.go": "package a\n\nimport (\n\t\"os\"\n\t\"syscall\"\n\t\"testing\"\n)\n\n" +
			"func FuzzKind(f *testing.F) {\n\tf.Add([]byte(\"a\"))\n\tf.Fuzz(func(t *testing.T, b []byte) { Kind(b) })\n}\n\n" +
			"func FuzzBad(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, b []byte) {\n\t\tif len(b) > 2 {\n\t\t\tt.Fatal(\"three bytes\")\n\t\t}\n\t})\n}\n\n" +
			"func FuzzSeed(f *testing.F) {\n\tf.Add([]byte(\"a\"))\n\tf.Fuzz(func(t *testing.T, b []byte) { t.Error(b) })\n}\n\n" +
			"func FuzzKilled(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, b []byte) { syscall.Kill(os.Getpid(), syscall.SIGKILL) })\n}\n\n" +
			"// func FuzzNot(f *testing.F) is a comment.\n",
		"a/testdata/b_test.go": "package b\n\nfunc FuzzData(f *testing.F) {}\n",
		"build/c_test.go":      "package c\n\nfunc FuzzBuilt(f *testing.F) {}\n",
	} {
		if err := write(filepath.Join(root, filepath.FromSlash(name)), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestTargets(t *testing.T) {
	list, err := Targets(module(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Target{{"a", "FuzzBad"}, {"a", "FuzzKilled"}, {"a", "FuzzKind"}, {"a", "FuzzSeed"}}, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFuzz(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a fuzzer")
	}
	root := module(t)
	r := Runner{Root: root, Dir: filepath.Join(root, "build", "fuzz")}
	const cpu = 500 * time.Millisecond
	told := 0
	good := Target{"a", "FuzzKind"}
	done, err := r.Fuzz(t.Context(), good, cpu, func(Result) { told++ })
	if err != nil || done.CPU < cpu || done.Execs == "0" || told == 0 {
		t.Fatalf("%+v, told %d times, %v, want %v of CPU time", done, told, err, cpu)
	}

	// Inputs as the fuzzer leaves them: two that reach something new, one that reaches less than another.
	for name, input := range map[string]string{"1": "b", "2": "xyz", "3": "xy", "4": "x"} {
		text := "go test fuzz v1\n[]byte(\"" + input + "\")\n"
		if err := write(filepath.Join(r.Cache(good), name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []int{0, 1} { // the smallest that reaches all; then "x", which reaches what that does not
		kept, err := r.Keep(t.Context(), good, n)
		if err != nil || kept != want {
			t.Fatalf("keep %d: %d kept, %v, want %d", n, kept, err, want)
		}
	}
	if kept, err := r.Keep(t.Context(), good, 9); err != nil || kept != 1 {
		t.Errorf("keep 9: %d more kept, %v, want 1", kept, err)
	}
	if kept, err := r.Keep(t.Context(), good, 9); err != nil || kept != 0 {
		t.Errorf("keep 9 again: %d more kept, %v, want none", kept, err)
	}
	list, err := os.ReadDir(filepath.Join(root, "a", "testdata", "fuzz", "FuzzKind"))
	if err != nil || len(list) != 2 {
		t.Errorf("testdata has %v, %v, want 2 inputs", list, err)
	}

	_, err = r.Fuzz(t.Context(), Target{"a", "FuzzBad"}, time.Minute, func(Result) {})
	if !errors.Is(err, ErrCrash) || !strings.Contains(err.Error(), "kept as a/testdata/fuzz/FuzzBad/") {
		t.Errorf("a target that fails: %v, want %v and where the input is kept", err, ErrCrash)
	}
	if _, err = r.Fuzz(t.Context(), Target{"a", "FuzzSeed"}, time.Minute, func(Result) {}); !errors.Is(err, ErrCrash) {
		t.Errorf("a target whose seed fails: %v, want %v", err, ErrCrash)
	}
	if _, err = r.Fuzz(t.Context(), Target{"a", "FuzzKilled"}, time.Minute, func(Result) {}); err == nil || errors.Is(err, ErrCrash) {
		t.Errorf("a target that is killed: %v, want an error that blames no input", err)
	}
}
