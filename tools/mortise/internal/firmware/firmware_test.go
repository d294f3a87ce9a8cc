package firmware

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLoads(t *testing.T) {
	tests := []struct {
		list string
		want []string
		err  string
	}{
		{"", nil, ""},
		{"gc", []string{"gc"}, ""},
		{"spin,gc", []string{"gc", "spin"}, ""}, // one order, one image
		{"gc, gc", []string{"gc"}, ""},
		{"gc,disk", nil, `load "disk": want one or more of gc, spin`},
		{",", nil, `load ""`},
	}
	for _, tt := range tests {
		got, err := ParseLoads(tt.list)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseLoads(%q) = %v, want an error with %q", tt.list, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseLoads(%q): %v", tt.list, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseLoads(%q) (-want +got):\n%s", tt.list, diff)
		}
	}
}

func TestFile(t *testing.T) {
	tests := []struct {
		o    Options
		want string
	}{
		{Options{Root: "/r"}, "/r/build/mx6ullevk/gateway.elf"},
		{Options{Root: "/r", Load: []string{"gc"}}, "/r/build/mx6ullevk/gateway-load.elf"},
		{Options{Root: "/r", Inject: true}, "/r/build/mx6ullevk/gateway-inject.elf"},
		{Options{Root: "/r", Out: "/elsewhere/x.elf"}, "/elsewhere/x.elf"},
		{Options{Root: "/r", Load: []string{"gc"}, Inject: true}, "/r/build/mx6ullevk/gateway-load-inject.elf"},
	}
	for _, tt := range tests {
		if got := tt.o.File(); got != tt.want {
			t.Errorf("%+v.File() = %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestArgs(t *testing.T) {
	o := Options{Root: "/r", Load: []string{"gc", "spin"}, Inject: true, Version: "v1"}
	want := []string{
		"build", "-trimpath", "-buildvcs=false", "-o", "/out", "-tags", "load_gc,load_spin,inject", "-overlay", "/o.json",
		"-ldflags", "-T 0x80010000 -R 0x1000 -X main.version=v1 -X main.macSeed=0123456789abcdef", "mortise/image/gateway",
	}
	if diff := cmp.Diff(want, o.args("/out", "/o.json", "0123456789abcdef")); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
	production := Options{Version: "v1"}
	for _, arg := range production.args("/out", "", "00") {
		if arg == "-tags" || arg == "-overlay" {
			t.Errorf("production image: the go command gets %s, want neither tags nor an overlay", arg)
		}
	}
}

func TestEnvironHidesWhatChangesTheBits(t *testing.T) {
	got := Environ([]string{"HOME=/h", "GOFLAGS=-race", "GOARCH=amd64", "GOEXPERIMENT=x", "GOROOT=/go", "GOPROXY=p"})
	want := []string{
		"HOME=/h", "GOPROXY=p",
		"GOOS=tamago", "GOARCH=arm", "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago",
		"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Environ (-want +got):\n%s", diff)
	}
}

func TestMACSeedIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "build", "mac-seed")
	var seeds [4]string
	var wg sync.WaitGroup
	for i := range seeds {
		wg.Go(func() {
			seed, err := MACSeed(path)
			if err != nil {
				t.Error(err)
			}
			seeds[i] = seed
		})
	}
	wg.Wait()
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(seeds[0]) {
		t.Errorf("MACSeed = %q, want 16 hexadecimal digits", seeds[0])
	}
	for _, seed := range seeds {
		if seed != seeds[0] {
			t.Errorf("builds at the same time have the seeds %q and %q, want one", seeds[0], seed)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left beside the seed: %v, %v", left, err)
	}
}

func TestMACSeedRefusesAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mac-seed")
	for _, content := range []string{"", "00:11:22", "0123456789abcdef01"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if seed, err := MACSeed(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("MACSeed of a file with %q = %q, %v, want an error that names the file", content, seed, err)
		}
	}
}

func TestFindGoUsesTAMAGO(t *testing.T) {
	const root = "../../../.."
	t.Setenv("TAMAGO", filepath.Join(t.TempDir(), "none"))
	if got, err := FindGo(t.Context(), root); err == nil {
		t.Errorf("FindGo with TAMAGO naming nothing = %q, want an error", got)
	}
}

func TestBuildPutsACompleteImageInPlaceOnly(t *testing.T) {
	root := t.TempDir()
	config := filepath.Join(root, "other.toml")
	o := Options{Root: root, Config: config, Version: "v1", Go: fakeGo(t, `
while [ "$1" != -o ]; do shift; done; out=$2
while [ "$1" != -overlay ]; do shift; done; cp "$2" "$out"`)}
	r, err := Build(t.Context(), o, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(o.File())
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &overlay); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{filepath.Join(root, "gateway.toml"): config}
	if diff := cmp.Diff(want, overlay.Replace); diff != "" {
		t.Errorf("overlay (-want +got):\n%s", diff)
	}
	if r.File != o.File() || r.Size != int64(len(b)) || len(r.SHA256) != 64 {
		t.Errorf("Build = %+v, want the file %s of %d bytes and its sha256", r, o.File(), len(b))
	}

	o.Check = func(string) error { return errors.New("no good") }
	if _, err := Build(t.Context(), o, os.Stderr); err == nil || err.Error() != "no good" {
		t.Errorf("Build of an image that its check refuses: %v, want the check's error", err)
	}

	o.Go = fakeGo(t, "exit 1")
	if _, err := Build(t.Context(), o, os.Stderr); err == nil {
		t.Error("Build with a go command that fails: no error")
	}
	after, err := os.ReadFile(o.File())
	if err != nil || string(after) != string(b) {
		t.Errorf("a failed build changed the image: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(o.File()), ".build-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left beside the image: %v, %v", left, err)
	}
}

// fakeGo writes a shell script that stands for the go command.
func fakeGo(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
