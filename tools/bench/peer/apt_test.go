package peer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseControl(t *testing.T) {
	const text = `Package: linux-image-armmp
Source: linux
Version: 6.1.176-1
Architecture: armhf
Depends: kmod, linux-image-6.1.0-50-armmp (= 6.1.176-1)
Description: Linux for ARMv7 multiplatform compatible SoCs
 Depends: a line of the description
Size: 1484

Package: linux-image-armmp
Version: 6.1.1-1
`
	got := parseControl(text)
	want := control{"linux-image-armmp", "6.1.176-1", "kmod, linux-image-6.1.0-50-armmp (= 6.1.176-1)"}
	if got != want {
		t.Errorf("parseControl = %+v, want %+v", got, want)
	}
	if empty := parseControl(""); empty != (control{}) {
		t.Errorf("parseControl of nothing = %+v", empty)
	}
}

func TestKernelOf(t *testing.T) {
	for _, test := range []struct{ depends, want string }{
		{"linux-image-6.1.0-50-armmp (= 6.1.176-1)", "linux-image-6.1.0-50-armmp"},
		{"kmod, linux-base (>= 4.3~), linux-image-6.12-rt:armhf (= 1) | other", "linux-image-6.12-rt"},
		{"kmod | linux-image-x", ""},
		{"", ""},
	} {
		got, ok := (&control{depends: test.depends}).kernelOf()
		if got != test.want || ok != (test.want != "") {
			t.Errorf("kernel of %q = %q, %v, want %q", test.depends, got, ok, test.want)
		}
	}
}

// programs puts shell scripts into PATH, and nothing else but the shell.
func programs(t *testing.T, scripts map[string]string) {
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// TestUnavailable checks what is said on a machine that cannot provide the kernels.
func TestUnavailable(t *testing.T) {
	tests := []struct {
		name    string
		scripts map[string]string
		want    string
	}{
		{"not Debian", nil, "apt-get, which is not installed"},
		{"no dpkg", map[string]string{"apt-get": "", "apt-cache": ""}, "dpkg-deb, which is not installed"},
		{"no such package", map[string]string{
			"apt-get": "", "dpkg-deb": "", "apt-cache": "echo E: No packages found >&2; exit 100",
		}, "no linux-image-armmp for armhf"},
		{"no network", map[string]string{
			"apt-get":   "echo E: Could not resolve the host >&2; exit 100",
			"apt-cache": "echo Package: linux-image-armmp; echo 'Depends: linux-image-1-armmp (= 1)'",
			"dpkg-deb":  "",
		}, "Could not resolve"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			programs(t, test.scripts)
			cache := t.TempDir()
			f := fetcher{cache: cache, log: t.Output()}
			_, err := f.fetch(t.Context(), Standard)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("fetch: %v, want %v with %q in it", err, ErrUnavailable, test.want)
			}
			if err := f.close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(cache); len(left) > 0 {
				t.Errorf("%d files are left in the cache", len(left))
			}
		})
	}
}

// TestFetch checks the way of a package into the cache, and that apt is not asked again.
func TestFetch(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "files.tar")
	if err := os.WriteFile(archive, testPackage(t), 0o644); err != nil {
		t.Fatal(err)
	}
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	asked := filepath.Join(dir, "asked")
	programs(t, map[string]string{
		"apt-get":   `for last; do :; done; echo "$last" >>` + asked + `; [ "$last" = update ] || : >"${last}_1.2-3_armhf.deb"`,
		"apt-cache": "echo Package: linux-image-armmp; echo Version: 1.2-3; echo 'Depends: linux-image-1.2-armmp (= 1.2-3)'",
		"dpkg-deb":  cat + " " + archive,
	})
	want := &Kernel{
		Package: "linux-image-1.2-armmp", Version: "1.2-3", Dir: filepath.Join(dir, "cache", Standard),
		Modules: []string{"00-libphy.ko", "01-micrel.ko", "02-of_mdio.ko", "03-fec.ko"},
	}
	for range 2 {
		f := fetcher{cache: filepath.Join(dir, "cache"), log: t.Output()}
		got, err := f.fetch(t.Context(), Standard)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fetch (-want +got):\n%s", diff)
		}
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}
	log, err := os.ReadFile(asked)
	if got, want := string(log), "update\nlinux-image-1.2-armmp\n"; err != nil || got != want {
		t.Errorf("apt-get was asked for %q, %v, want %q", got, err, want)
	}
	for name, content := range map[string]string{imageFile: "the kernel", treeFile: "the tree"} {
		if b, err := os.ReadFile(want.file(name)); err != nil || string(b) != content {
			t.Errorf("%s has %q, %v, want %q", name, b, err, content)
		}
	}
}

// testPackage is the files of a kernel's package.
func testPackage(t *testing.T) []byte {
	const modules = "./usr/lib/modules/1.2-armmp/"
	const drivers = modules + "kernel/drivers/"
	files := []struct {
		name    string
		content []byte
	}{
		{"./boot/vmlinuz-1.2-armmp", []byte("the kernel")},
		{"./boot/config-1.2-armmp", []byte("CONFIG_FEC=m\n")},
		{"./usr/lib/linux-image-1.2-armmp/nxp/" + deviceTree, []byte("the tree")},
		{modules + "modules.builtin", []byte("kernel/drivers/gpio/gpio-mxc.ko\nkernel/drivers/net/mdio/fwnode_mdio.ko\n")},
		{drivers + "net/ethernet/freescale/fec.ko", testModule(t, "libphy,of-mdio")},
		{drivers + "net/phy/micrel.ko", testModule(t, "libphy")},
		{drivers + "net/phy/libphy.ko", testModule(t, "")},
		{drivers + "net/mdio/of_mdio.ko", testModule(t, "libphy,fwnode_mdio")},
		{drivers + "media/broken.ko", []byte("not looked into")},
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
