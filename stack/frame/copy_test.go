package frame

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"
)

// TestCopy: what is copied is what was there, also where the two overlap, and at most a round behind the end changes.
func TestCopy(t *testing.T) {
	m, release, err := NewMemory(1)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	slot := unsafe.Slice((*byte)(unsafe.Add(nil, m.Base)), SlotSize)
	for _, d := range []struct{ to, from int }{{60, 64}, {68, 64}, {64, 72}, {64, 1024}, {1024, 64}} {
		for n := 1; max(d.to, d.from)+n+copyRound <= SlotSize; n++ {
			for i := range slot {
				slot[i] = byte(i*7 + i>>8)
			}
			before := bytes.Clone(slot)
			Copy(m.Base+uintptr(d.to), m.Base+uintptr(d.from), uint32(n))
			if !bytes.Equal(slot[d.to:d.to+n], before[d.from:d.from+n]) {
				t.Fatalf("Copy of %d bytes from %d to %d: they differ", n, d.from, d.to)
			}
			end := d.to + (n+copyRound-1)/copyRound*copyRound
			if !bytes.Equal(slot[:d.to], before[:d.to]) || !bytes.Equal(slot[end:], before[end:]) {
				t.Fatalf("Copy of %d bytes from %d to %d: more has changed", n, d.from, d.to)
			}
		}
	}
}

// TestCopyAssembly runs the assembly, which the host does not have, against the plain version.
func TestCopyAssembly(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for GOARCH=arm")
	}
	qemu, err := exec.LookPath("qemu-arm")
	if err != nil {
		t.Skip("qemu-arm (package qemu-user) is not installed")
	}
	// The go command runs this test again only when a file changes that it has seen itself.
	if _, err := os.Stat("copy_arm.s"); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "copytest")
	build := exec.Command("go", "build", "-o", bin, "./testdata/copytest")
	build.Env = append(build.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	if out, err := exec.Command(qemu, bin).CombinedOutput(); err != nil {
		t.Errorf("copytest under qemu-arm: %v\n%s", err, out)
	}
}
