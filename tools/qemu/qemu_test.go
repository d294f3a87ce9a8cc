package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		name, output string
		want         Version
	}{
		{"Debian 12", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022\n", Version{7, 2, 22}},
		{"Debian 13", "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\n", Version{10, 0, 2}},
		{"Ubuntu 24.04", "QEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1.10)\n", Version{8, 2, 2}},
		{"no micro version", "QEMU emulator version 9.1\n", Version{9, 1, 0}},
		{"behind a warning", "qemu: a warning\nQEMU emulator version 7.2.0\n", Version{7, 2, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := ParseVersion(test.output); err != nil || got != test.want {
				t.Errorf("ParseVersion(%q) = %v, %v, want %v", test.output, got, err, test.want)
			}
		})
	}
	for _, output := range []string{"", "GNU bash, version 5.2\n", "QEMU emulator version seven"} {
		if got, err := ParseVersion(output); err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", output, got)
		}
	}
}

func TestVersionBefore(t *testing.T) {
	ascending := []Version{{6, 9, 9}, {7, 1, 9}, {7, 2, 0}, {7, 2, 22}, {8, 0, 0}, {10, 0, 2}}
	for i, v := range ascending {
		for j, w := range ascending {
			if got, want := v.Before(w), i < j; got != want {
				t.Errorf("%v.Before(%v) = %v, want %v", v, w, got, want)
			}
		}
	}
}

// fake writes an emulator that prints a version and otherwise runs body.
func fake(t *testing.T, dir, version, body string) string {
	t.Helper()
	path := filepath.Join(dir, program)
	script := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'QEMU emulator version " + version + "'; exit; fi\n" + body + "\n"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// isolate hides the installed emulators and returns a directory for PATH and the cache's place.
func isolate(t *testing.T) (bin, cache string) {
	t.Helper()
	bin, home := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv(EnvPath, "")
	return bin, filepath.Join(home, "mortise/qemu/root/usr/bin")
}

func TestFind(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		isolate(t)
		if e, err := Find(""); !errors.Is(err, ErrNotFound) {
			t.Errorf("Find = %v, %v, want ErrNotFound", e, err)
		}
	})
	t.Run("PATH before cache", func(t *testing.T) {
		bin, cache := isolate(t)
		want := fake(t, bin, "7.2.0", "")
		fake(t, cache, "8.2.2", "")
		if e, err := Find(""); err != nil || e.Path != want {
			t.Errorf("Find = %+v, %v, want %s", e, err, want)
		}
	})
	t.Run("cache when PATH's is too old", func(t *testing.T) {
		bin, cache := isolate(t)
		fake(t, bin, "5.2.0", "")
		want := fake(t, cache, "8.2.2", "")
		if e, err := Find(""); err != nil || e.Path != want || e.Version != (Version{8, 2, 2}) {
			t.Errorf("Find = %+v, %v, want %s", e, err, want)
		}
	})
	t.Run("too old", func(t *testing.T) {
		bin, _ := isolate(t)
		fake(t, bin, "5.2.0", "")
		if _, err := Find(""); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "5.2.0") {
			t.Errorf("Find: %v, want ErrNotFound that names 5.2.0", err)
		}
	})
	t.Run("environment", func(t *testing.T) {
		bin, _ := isolate(t)
		fake(t, bin, "7.2.0", "")
		want := fake(t, t.TempDir(), "9.0.0", "")
		t.Setenv(EnvPath, want)
		if e, err := Find(""); err != nil || e.Path != want {
			t.Errorf("Find = %+v, %v, want %s", e, err, want)
		}
	})
	t.Run("no falling back from a named one", func(t *testing.T) {
		bin, _ := isolate(t)
		fake(t, bin, "7.2.0", "")
		if e, err := Find(filepath.Join(bin, "missing")); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("Find = %+v, %v, want an error that installing does not help", e, err)
		}
	})
}

func TestAArch64(t *testing.T) {
	bin, _ := isolate(t)
	t.Setenv(EnvPath64, "")
	e := &Emulator{Path: fake(t, bin, "7.2.0", "")}
	if e64, err := e.AArch64(); !errors.Is(err, errNo64) {
		t.Errorf("AArch64 = %v, %v, want %v", e64, err, errNo64)
	}
	beside := filepath.Join(bin, program64)
	if err := os.Rename(fake(t, t.TempDir(), "8.2.2", ""), beside); err != nil {
		t.Fatal(err)
	}
	if e64, err := e.AArch64(); err != nil || e64.Path != beside || e64.Version != (Version{8, 2, 2}) {
		t.Errorf("AArch64 = %v, %v, want the one beside", e64, err)
	}
	named := fake(t, t.TempDir(), "10.0.2", "")
	t.Setenv(EnvPath64, named)
	if e64, err := e.AArch64(); err != nil || e64.Path != named {
		t.Errorf("AArch64 = %v, %v, want the one that %s names", e64, err, EnvPath64)
	}
}

func TestOpenUnpacked(t *testing.T) {
	root := t.TempDir()
	path := fake(t, filepath.Join(root, "usr/bin"), "10.0.2", "")
	data, library := filepath.Join(root, "usr/share/qemu"), filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	for _, dir := range []string{data, library} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if e.Data != data || e.Library != library {
		t.Errorf("Open: data %q, library %q, want %q, %q", e.Data, e.Library, data, library)
	}
}

func TestComplaint(t *testing.T) {
	tests := []struct{ name, output, want string }{
		{"error", "Reading...\nW: old\nE: Unable to locate package x\n", "Unable to locate package x"},
		{"offline", "Ign:1 http\nW: Failed to fetch http://a/b  Could not connect\nW: Some index files\n",
			"Failed to fetch http://a/b Could not connect"},
		{"apt 3", "Error: No space left on device\n", "No space left on device"},
		{"nothing", "Reading package lists...\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := complaint([]byte(test.output)); got != test.want {
				t.Errorf("complaint(%q) = %q, want %q", test.output, got, test.want)
			}
		})
	}
}

func TestInstallWithoutApt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Install(t.Context(), t.Output())
	if err == nil || !strings.Contains(err.Error(), "no apt-get") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Install: %v, want one line that says there is no apt-get", err)
	}
}
