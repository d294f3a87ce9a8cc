package load

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mortise/stack/wire"
)

// budget is how many instructions of GOARCH=arm a program's run may take. It is what it takes now: whoever needs more
// raises it in the same change, and says why. The goal is 700 for 20 instructions of eBPF, 35 each.
var budget = []struct {
	object       string
	vid          uint16
	steps        int // instructions of eBPF, as clang built it, that are executed
	instructions int
}{
	{"udp_port.o", 0, 17, 490},
	{"gateway.o", 42, 23, 661},
	{"evl_vlan.o", 42, 36, 1215},
	{"whole.o", 42, 70, 2205},
	{"checksum.o", 0, 44, 1227},
	{"hash.o", 0, 26, 945},
	{"arithmetic64.o", 0, 38, 1465},
}

// TestInstructions counts the instructions of Run under qemu-arm, which logs each translation block: one instruction with
// -singlestep. The count must be the same for each frame.
func TestInstructions(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for GOARCH=arm")
	}
	qemu, err := exec.LookPath("qemu-arm")
	if err != nil {
		t.Skip("qemu-arm (package qemu-user) is not installed")
	}
	dir := t.TempDir()
	bin, trace := filepath.Join(dir, "count"), filepath.Join(dir, "trace")
	buildARM(t, "-o", bin, "./testdata/count")
	const times = 6
	cmd := exec.Command(qemu, "-singlestep", "-d", "nochain,exec", "-dfilter", textRanges(t, bin), "-D", trace, bin, strconv.Itoa(times))
	// A signal in the middle of a frame would be counted with it, and what it makes begin anew.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	var frames [][]byte
	for _, tc := range budget {
		h := &wire.Header{SrcIP: [4]byte{10, 0, 0, 2}, DstIP: [4]byte{10, 0, 0, 1}}
		if tc.vid != 0 {
			h.Tags = []wire.VLAN{{VID: tc.vid}}
		}
		frame := wire.AppendUDP(nil, h, 4000, 7, make([]byte, 64))
		frames = append(frames, frame)
		cmd.Args = append(cmd.Args, filepath.Join("testdata", tc.object), hex.EncodeToString(frame))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	counts := runCounts(t, trace)
	counts = slices.DeleteFunc(counts, func(n int) bool { return n < 10 }) // it grew the host's stack, and began again
	if len(counts) != times*len(budget) {
		t.Fatalf("%d runs, want %d", len(counts), times*len(budget))
	}
	objects := corpus(t)
	for i, tc := range budget {
		each := counts[times*i+1 : times*(i+1)]
		_, steps := refer(t, objects[tc.object], frames[i])
		most := slices.Max(each)
		t.Logf("%s: %d instructions for %d of eBPF, %.1f each", tc.object, most, steps, float64(most)/float64(tc.steps))
		if slices.Min(each) != most {
			t.Errorf("%s: %d instructions, want the same number each time", tc.object, each)
		}
		if most > tc.instructions || steps != tc.steps {
			t.Errorf("%s: %d instructions for %d of eBPF, want at most %d for %d", tc.object, most, steps, tc.instructions, tc.steps)
		}
	}
}

// runCounts returns how many instructions of the trace each run took. Explain's steps are before the first.
func runCounts(t *testing.T, trace string) (counts []int) {
	t.Helper()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var last string
	for line := range strings.Lines(string(b)) {
		// Trace 0: 0x7f1c884f4340 [00000480/000c6988/00000000/00080201] mortise/stack/filter/bpf.(*Program).Run
		if !strings.HasPrefix(line, "Trace ") {
			continue
		}
		pc := strings.Split(line, "/")[1]
		if pc == last {
			continue // QEMU left the block before its instruction ran, for a signal, and came back
		}
		last = pc
		if pc == runStart {
			counts = append(counts, 0)
		}
		if len(counts) > 0 {
			counts[len(counts)-1]++
		}
	}
	return counts
}

// runStart is the address of Run, as the trace has it.
var runStart string

// buildARM runs go build for linux/arm and returns what it printed.
func buildARM(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// TestBoundsChecks: no bounds check is left in what runs oob.
func TestBoundsChecks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for GOARCH=arm")
	}
	for line := range strings.Lines(buildARM(t, "-gcflags=-d=ssa/check_bce", "..")) {
		if strings.Contains(line, "Found Is") && !strings.Contains(line, "build.go") {
			t.Errorf("%s", line)
		}
	}
}

// textRanges returns the address ranges of Run and what it calls, as -dfilter has them.
func textRanges(t *testing.T, bin string) string {
	t.Helper()
	out, err := exec.Command("go", "tool", "nm", "-size", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 4 || f[2] != "T" {
			continue
		}
		switch f[3] {
		case "mortise/stack/filter/bpf.(*Program).Run":
			runStart = fmt.Sprintf("%08s", f[0])
			fallthrough
		case "mortise/stack/filter/bpf.(*Program).exec", "mortise/stack/filter/bpf.(*Program).verdict":
			list = append(list, "0x"+f[0]+"+"+f[1])
		}
	}
	if len(list) < 2 {
		t.Fatalf("Run or exec is not in %s", bin)
	}
	return strings.Join(list, ",")
}
