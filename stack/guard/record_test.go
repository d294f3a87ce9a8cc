package guard

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/mmio"
)

// memory is what survives a reset.
var memory [RecordSize/4 + 1]uint32

func base() uintptr { return uintptr(unsafe.Pointer(&memory)) }

func TestRecord(t *testing.T) {
	for i := range memory {
		memory[i] = rand.Uint32() // DRAM after power-on
	}
	r, c := Open(base())
	if c != nil {
		t.Fatalf("a crash after power-on: %+v", c)
	}
	r.Beat(Beat{Uptime: time.Second, Activations: 5, Serving: true})
	r.Beat(Beat{Uptime: 2 * time.Second, Activations: 9, Faults: 1, Restarts: 1, Serving: true})
	r.Fault("oob fault 1: …", 1500*time.Millisecond)
	mmio.StoreMem(r.Doing(), DoingKick)

	_, c = Open(base())
	want := &Crash{
		Last:  Beat{Uptime: 2 * time.Second, Activations: 9, Faults: 1, Restarts: 1, Serving: true},
		Doing: "an activation for a kick of in-band", Report: "oob fault 1: …", ReportAt: 1500 * time.Millisecond,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("after the reset (-want +got):\n%s", diff)
	}

	r, c = Open(base())
	if c == nil || c.Report != "" || c.Last != (Beat{}) {
		t.Errorf("a reset at once: %+v, want a crash at 0 s that knows nothing of the one before", c)
	}
	r.AskedFor()
	if _, c = Open(base()); c != nil {
		t.Errorf("a reset that was asked for is a crash: %+v", c)
	}
}

// The reset comes between any two stores of a beat: the beat before is still there.
func TestResetWithinABeat(t *testing.T) {
	r, _ := Open(base())
	r.Beat(Beat{Uptime: time.Second})
	whole := memory
	r.Beat(Beat{Uptime: 2 * time.Second})
	after := memory
	for n := range memory {
		memory = after
		copy(memory[n:], whole[n:]) // n words of the second beat were stored
		b, ok := r.beat()
		if !ok || b.Uptime != time.Second && b.Uptime != 2*time.Second {
			t.Errorf("%d words of the second beat: %+v, %v", n, b, ok)
		}
	}
}

// A bit that has changed is noticed, wherever it is.
func TestChecksum(t *testing.T) {
	r, _ := Open(base())
	r.Beat(Beat{Uptime: time.Second, Activations: 77})
	r.Fault(strings.Repeat("x", MaxText+5), time.Second)
	good, goodText := r.read(), strings.Repeat("x", MaxText)
	if good.Report != goodText {
		t.Fatalf("report of %d bytes, want the first %d", len(good.Report), MaxText)
	}
	for n := wordText; n < RecordSize/4; n++ {
		memory[n] ^= 1 << (n % 32)
		if text, _ := r.text(); text == goodText || strings.Trim(text, "x") != "" {
			t.Errorf("word %d changed, the text is still valid", n)
		}
		memory[n] ^= 1 << (n % 32)
	}
	for n := wordBeat; n < wordText; n++ {
		memory[n] ^= 4
		if b, ok := r.beat(); ok && b != (Beat{}) && b.Activations != 77 {
			t.Errorf("word %d changed: %+v", n, b)
		}
		memory[n] ^= 4
	}
}

func TestText(t *testing.T) {
	c := Crash{Last: Beat{Uptime: 12 * time.Second, Activations: 3}, Doing: "x", Alone: true, Report: "boom\n", ReportAt: time.Second}
	for _, want := range []string{"12s after its start", "oob stage: x; 3 activations", "in-band was silent", "after 1s: boom"} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("%q is not in\n%s", want, &c)
		}
	}
}
