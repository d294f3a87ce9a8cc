package load

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"mortise/stack/internal/armcount"
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
	{"udp_port.o", 0, 17, 471},
	{"gateway.o", 42, 23, 643},
	{"evl_vlan.o", 42, 36, 1456},
	{"whole.o", 42, 70, 1801},
	{"checksum.o", 0, 44, 1208},
	{"hash.o", 0, 26, 926},
	{"arithmetic64.o", 0, 38, 1447},
	{documented, 0, 22, 553},
}

// documented is the example of docs/filters.md.
const documented = "../../../../../image/gateway/testdata/filter.o"

// TestInstructions counts the instructions of Run. The count must be the same for each frame.
func TestInstructions(t *testing.T) {
	const times = 6
	args := []string{strconv.Itoa(times)}
	var frames [][]byte
	for _, tc := range budget {
		h := &wire.Header{SrcIP: [4]byte{10, 0, 0, 2}, DstIP: [4]byte{10, 0, 0, 1}}
		if tc.vid != 0 {
			h.Tags = []wire.VLAN{{VID: tc.vid}}
		}
		frame := wire.AppendUDP(nil, h, 4000, 7, make([]byte, 64))
		frames = append(frames, frame)
		args = append(args, filepath.Join("testdata", tc.object), hex.EncodeToString(frame))
	}
	p := &armcount.Program{Package: "./testdata/count", Start: []string{"mortise/stack/filter/bpf.(*Program).Run"}, With: []string{"mortise/stack/filter/bpf.*"}}
	counts, _ := p.Run(t, args...)
	if len(counts) < times*len(budget) {
		t.Fatalf("%d runs, want %d", len(counts), times*len(budget))
	}
	counts = counts[len(counts)-times*len(budget):] // Explain's steps are ahead of them
	objects := corpus(t)
	example, err := os.ReadFile(filepath.Join("testdata", documented))
	if err != nil {
		t.Fatal(err)
	}
	objects[documented] = example
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

// TestBoundsChecks: no bounds check is left in what runs oob.
func TestBoundsChecks(t *testing.T) {
	armcount.NoBoundsChecks(t, []string{"build.go"}, "..")
}
