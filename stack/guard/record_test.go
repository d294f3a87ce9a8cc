package guard

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/mmio"
	"mortise/stack/stage"
)

// memory is what survives a reset.
var memory [RecordSize/4 + 1]uint32

var firmware = Firmware{Version: "v1.2-3-g0123456", Image: 0x0badcafe}

func base() uintptr { return uintptr(unsafe.Pointer(&memory)) }

func TestRecord(t *testing.T) {
	for i := range memory {
		memory[i] = rand.Uint32() // DRAM after power-on
	}
	r, c := Open(base(), firmware)
	if c != nil {
		t.Fatalf("a crash after power-on: %+v", c)
	}
	r.Beat(Beat{Uptime: time.Second, Activations: 5, Serving: true})
	r.Beat(Beat{Uptime: 2 * time.Second, Activations: 9, Faults: 1, Restarts: 1, Serving: true})
	r.Fault("oob fault 1: …", 1500*time.Millisecond)
	mmio.StoreMem(r.Doing(), DoingKick)

	_, c = Open(base(), firmware)
	want := &Crash{
		Firmware: firmware, Same: true,
		Last:  Beat{Uptime: 2 * time.Second, Activations: 9, Faults: 1, Restarts: 1, Serving: true},
		Doing: "an activation for a kick of in-band", Report: "oob fault 1: …", ReportAt: 1500 * time.Millisecond,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("after the reset (-want +got):\n%s", diff)
	}

	r, c = Open(base(), firmware)
	if c == nil || c.Report != "" || c.Last != (Beat{}) {
		t.Errorf("a reset at once: %+v, want a crash at 0 s that knows nothing of the one before", c)
	}
	r.AskedFor()
	if _, c = Open(base(), firmware); c != nil {
		t.Errorf("a reset that was asked for is a crash: %+v", c)
	}
}

// The reset comes between any two stores of a beat: the beat before is still there.
func TestResetWithinABeat(t *testing.T) {
	r, _ := Open(base(), firmware)
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
	r, _ := Open(base(), firmware)
	r.Beat(Beat{Uptime: time.Second, Activations: 77})
	r.Fault(strings.Repeat("x", MaxText+5), time.Second)
	good, goodText := r.read(), strings.Repeat("x", MaxText)
	if good.Report != goodText {
		t.Fatalf("report of %d bytes, want the first %d", len(good.Report), MaxText)
	}
	for n := wordText; n < wordFirmware; n++ {
		memory[n] ^= 1 << (n % 32)
		if text, _ := r.text(); text == goodText || strings.Trim(text, "x") != "" {
			t.Errorf("word %d changed, the text is still valid", n)
		}
		memory[n] ^= 1 << (n % 32)
	}
	for n := wordFirmware; n < wordFirmware+firmwareWords-(maxVersion-len(firmware.Version))/4; n++ {
		memory[n] ^= 4
		if f := r.firmware(); f == firmware {
			t.Errorf("word %d changed, the firmware is still valid", n)
		}
		memory[n] ^= 4
	}
	for n := wordBeat; n < wordText; n++ {
		memory[n] ^= 4
		if b, ok := r.beat(); ok && b != (Beat{}) && b.Activations != 77 {
			t.Errorf("word %d changed: %+v", n, b)
		}
		memory[n] ^= 4
	}
}

// What the vectors left of a fault is there after a reset, until in-band has reported the fault, or another run begins.
func TestTrace(t *testing.T) {
	r, _ := Open(base(), firmware)
	trace := func() {
		const words = stage.TraceSize/4 - 1 - 128 // of a record, and of a stack of nothing
		sum := uint32(0x4d)                       // as stage writes it
		for i := range uintptr(words) {
			mmio.StoreMem(r.Trace()+4+4*i, 0)
			sum = sum<<1 | sum>>31
		}
		mmio.StoreMem(r.Trace(), sum)
	}
	trace()
	r, c := Open(base(), firmware)
	if c == nil || c.Trace == nil {
		t.Fatalf("no trace after the reset: %+v", c)
	}
	if _, c = Open(base(), firmware); c == nil || c.Trace != nil {
		t.Errorf("a trace of the run before the one before: %+v", c)
	}
	trace()
	r.Fault("reported", time.Second)
	if _, c = Open(base(), firmware); c == nil || c.Trace != nil {
		t.Errorf("a trace of a fault that was reported: %+v", c)
	}
}

// Each part of the identity counts, and a version that is too long is cut.
func TestFirmware(t *testing.T) {
	long := firmware
	long.Version = strings.Repeat("long", 30)
	for _, c := range []struct {
		name    string
		f, then Firmware
		same    bool
	}{
		{"the same", firmware, firmware, true},
		{"another version", firmware, Firmware{Version: "v2", Image: firmware.Image}, false},
		{"another image", firmware, Firmware{Version: firmware.Version, Image: 1}, false},
		{"no version", Firmware{Image: 1}, Firmware{Image: 1}, true},
		{"long", long, long, true},
	} {
		Open(base(), c.f)
		_, crash := Open(base(), c.then)
		if crash == nil || crash.Same != c.same || !strings.HasPrefix(c.f.Version, crash.Firmware.Version) || crash.Firmware.Image != c.f.Image {
			t.Errorf("%s: %+v, want same %v, %v", c.name, crash, c.same, c.f)
		}
	}
}

// A function that is a little longer moves what is behind it.
func TestSum(t *testing.T) {
	code := make([]uint32, 10_000)
	for i := range code {
		code[i] = rand.Uint32()
	}
	moved := append(append(append([]uint32{}, code[:5000]...), 0, 0, 0, 0), code[5000:len(code)-4]...)
	if Sum(code) == Sum(moved) {
		t.Error("code that has moved has the same sum")
	}
	if Sum(code) != Sum(append([]uint32{}, code...)) {
		t.Error("the same code has another sum")
	}
}

func TestText(t *testing.T) {
	c := Crash{Firmware: firmware, Last: Beat{Uptime: 12 * time.Second, Activations: 3}, Doing: "x", Alone: true, Report: "boom\n", ReportAt: time.Second}
	for _, want := range []string{"12s after its start", "oob stage: x; 3 activations", "in-band was silent", "after 1s: boom", "v1.2-3-g0123456 (image 0badcafe), another one"} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("%q is not in\n%s", want, &c)
		}
	}
}
