package plugin

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/qemu"
)

func TestArguments(t *testing.T) {
	w := Watch{Out: "a,b", Stores: []uint32{0x2188014, 0x20b4014}, Code: []Range{{0x80100000, 0x80100010}}}
	want := []string{"-plugin", "file=/p.so,out=a,,b,store=0x2188014,store=0x20b4014,pc=0x80100000-0x80100010"}
	if diff := cmp.Diff(want, w.Arguments("/p.so")); diff != "" {
		t.Errorf("Arguments (-want +got):\n%s", diff)
	}
	w = Watch{Out: "o", Handler: Handler{Entry: 0x80010000, Exit: 0x80010040, Stamp: 0xa02010, Mark: 0x80010020, Shift: 3}}
	want = []string{"-plugin", "file=/p.so,out=o,entry=0x80010000,exit=0x80010040,stamp=0xa02010,mark=0x80010020,shift=3"}
	if diff := cmp.Diff(want, w.Arguments("/p.so")); diff != "" {
		t.Errorf("Arguments with a handler (-want +got):\n%s", diff)
	}
}

func TestRead(t *testing.T) {
	record := func(b []byte, ns int64, addr, count uint32) []byte {
		b = binary.NativeEndian.AppendUint64(b, uint64(ns))
		return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(b, addr), count)
	}
	b := record(nil, 8, 0x2188014, 0)
	b = record(b, 1<<40, 0x80010020, 125)
	b = record(b, 1<<40, 0x80010000, 364)
	b = record(b, 1<<40, 0x20b4014, 0)
	w := Watch{Out: filepath.Join(t.TempDir(), "stores"), Handler: Handler{Mark: 0x80010020}}
	if err := os.WriteFile(w.Out, append(b, 1, 2, 3), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := w.Read()
	want := Trace{
		Stores:      []Store{{8, 0x2188014}, {1 << 40, 0x20b4014}},
		Activations: []Activation{{1 << 40, 364}},
		Marks:       []Activation{{1 << 40, 125}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Read: %v (-want +got):\n%s", err, diff)
	}
}

// TestCode reads the test's own ELF file.
func TestCode(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ranges, err := Code(self, "runtime.")
	if err != nil {
		t.Skip(err) // linked without symbols
	}
	if len(ranges) == 0 || len(ranges) > maxRanges {
		t.Fatalf("%d ranges, want 1 to %d", len(ranges), maxRanges)
	}
	for i, r := range ranges {
		if r.First >= r.End || i > 0 && r.First < ranges[i-1].End {
			t.Errorf("range %d is %#x-%#x", i, r.First, r.End)
		}
	}
}

// TestStores boots a guest that stores to a register in every seventh instruction, for ever: the times must be 7 × 8 ns
// apart. ENET1 is off, so its TDAR takes the store and nothing happens. To the plugin the loop is a handler, too: each round
// is an activation of seven instructions, although QEMU begins the instruction with the store anew to have it end its block.
func TestStores(t *testing.T) {
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	dir := t.TempDir()
	so, err := Build(t.Context(), dir)
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const nop = 0xe320f000
	code := []uint32{
		0xe3080014, // movw r0, #0x8014
		0xe3400218, // movt r0, #0x0218; the loop begins
		nop, nop,
		0xe5800000, // str r0, [r0]
		nop, nop,
		0xeafffff8, // b to the movt
	}
	var raw []byte
	for _, w := range code {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	kernel := filepath.Join(dir, "kernel.bin")
	if err := os.WriteFile(kernel, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	const load = 0x10000 // where QEMU puts a raw kernel in this machine's memory, which begins at 0x80000000
	w := Watch{
		Out: filepath.Join(dir, "stores"), Stores: []uint32{0x02188014},
		Handler: Handler{Entry: 0x80000000 + load + 4, Exit: 0x80000000 + load + 28, Stamp: 0x02188014,
			Mark: 0x80000000 + load + 20, Shift: 3},
	}
	m := qemu.Machine{Emulator: emulator, Kernel: kernel, Icount: &qemu.Icount{Shift: 3}, Deadline: time.Minute,
		Args: w.Arguments(so)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := m.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var stores []Store
	var activations, marks []Activation
	for start := time.Now(); len(stores) < 1000; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%d stores in 30 s; %v", len(stores), p.Err())
		}
		trace, _ := w.Read()
		stores, activations, marks = trace.Stores, trace.Activations, trace.Marks
	}
	for i := 1; i < 1000; i++ {
		if got := stores[i].NS - stores[i-1].NS; got != 7*8 || stores[i].Addr != 0x02188014 {
			t.Fatalf("store %d to %#x, %d ns after the one before, want 0x2188014 and 56", i, stores[i].Addr, got)
		}
	}
	if len(activations) < 999 || len(marks) < 999 {
		t.Fatalf("%d activations, %d marks for %d stores", len(activations), len(marks), len(stores))
	}
	for i, a := range activations[:999] {
		if a.NS != stores[i].NS || a.Instructions != 7 {
			t.Fatalf("activation %d: %d instructions, at %d ns, want 7, at the store's %d", i, a.Instructions, a.NS, stores[i].NS)
		}
		if m := marks[i]; m.NS != stores[i].NS+8 || m.Instructions != 5 {
			t.Fatalf("mark %d: instruction %d, at %d ns, want 5, 8 behind the store's %d", i, m.Instructions, m.NS, stores[i].NS)
		}
	}
}
