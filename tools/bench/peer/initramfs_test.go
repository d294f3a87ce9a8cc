package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInitramfs reads the archive back with a reader of the test's own, by the kernel's description of the format, and
// with cpio where it is installed. (The kernel is the third: `make bench PEERS=1`.)
func TestInitramfs(t *testing.T) {
	dir := t.TempDir()
	k := &Kernel{Dir: dir, Modules: []string{"00-libphy.ko", "01-fec.ko"}}
	for i, name := range k.Modules {
		if err := os.WriteFile(k.file(name), bytes.Repeat([]byte{byte(i)}, 5+i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "initramfs")
	if err := writeInitramfs(path, []byte("#!init"), k); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"100755 init 6 0:0", "40755 dev 0 0:0", "40755 modules 0 0:0", "40755 proc 0 0:0", "40755 sys 0 0:0", "40755 tmp 0 0:0",
		"20600 dev/console 0 5:1", "100644 modules/00-libphy.ko 5 0:0", "100644 modules/01-fec.ko 6 0:0",
	}
	if diff := cmp.Diff(want, list(t, b)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	if err := writeInitramfs(path, []byte("#!init"), k); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(b, again) {
		t.Errorf("the same input gave another archive (%v)", err)
	}
	if _, err := exec.LookPath("cpio"); err != nil {
		return
	}
	cmd := exec.Command("cpio", "-t", "--quiet")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if got, want := strings.Fields(string(out)), 9; err != nil || len(got) != want || got[0] != "init" || got[8] != "modules/01-fec.ko" {
		t.Errorf("cpio -t: %v, %v, want %d names", got, err, want)
	}
}

// list reads an archive in the format newc: for each file a magic number, 13 numbers of 8 hexadecimal digits, the name
// with a zero behind it, and the content, the last two each padded to a multiple of 4 bytes.
func list(t *testing.T, b []byte) (files []string) {
	const header = 6 + 13*8
	pad := func(n int) int { return (n + 3) &^ 3 }
	for len(b) >= header {
		if magic := string(b[:6]); magic != "070701" {
			t.Fatalf("magic number %q behind %d files", magic, len(files))
		}
		field := func(i int) int {
			n, err := strconv.ParseInt(string(b[6+8*i:14+8*i]), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		mode, size, major, minor, nameSize := field(1), field(6), field(9), field(10), field(11)
		name := string(b[header : header+nameSize-1])
		if name == "TRAILER!!!" {
			return files
		}
		files = append(files, fmt.Sprintf("%o %s %d %d:%d", mode, name, size, major, minor))
		b = b[pad(header+nameSize)+pad(size):]
	}
	t.Fatal("no trailer")
	return nil
}

// TestCommandLine holds the kernel's command line to its limit (COMMAND_LINE_SIZE of arm, 1024) and to the kernel's
// number of variables for init (MAX_INIT_ENVS, CONFIG_INIT_ENV_ARG_LIMIT: 32).
func TestCommandLine(t *testing.T) {
	got := commandLine("PEER_LOAD=1")
	for _, want := range []string{
		"PEER_DEVICE=20b4000.ethernet", "PEER_ADDRESS=10.0.2.15/24", "PEER_MAC=02:00:00:00:0e:02", "PEER_NEIGHBOUR=10.0.2.2",
		"PEER_NEIGHBOUR_MAC=02:00:00:00:b0:02", "PEER_LOAD=1", "cryptomgr.notests", "cpuidle.off=1",
	} {
		if !strings.Contains(" "+got+" ", " "+want+" ") {
			t.Errorf("%q has no %s", got, want)
		}
	}
	if len(got) >= 1024 || strings.Count(got, "PEER_") > 30 {
		t.Errorf("%d characters, too long: %q", len(got), got)
	}
}
