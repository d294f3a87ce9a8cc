package qemu

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// guest writes an ELF of a few instructions that prints "up" and then computes for ever.
func guest(t *testing.T, dir string) string {
	t.Helper()
	const base, header = 0x80010000, 52 + 32
	code := []uint32{
		0xe3a00402, // mov r0, #0x02000000
		0xe3800802, // orr r0, r0, #0x20000      UART1, the console
		0xe3a01001, // mov r1, #1
		0xe5801080, // str r1, [r0, #0x80]       UCR1.UARTEN
		0xe3a01004, // mov r1, #4
		0xe5801084, // str r1, [r0, #0x84]       UCR2.TXEN
		0xe3a01075, // mov r1, #'u'
		0xe5801040, // str r1, [r0, #0x40]       UTXD
		0xe3a01070, // mov r1, #'p'
		0xe5801040, // str r1, [r0, #0x40]
		0xeafffffe, // b .
	}
	size := uint32(4 * len(code))
	var b bytes.Buffer
	b.WriteString("\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, field := range []any{
		uint16(2), uint16(40), uint32(1), uint32(base), uint32(52), uint32(0), uint32(0x05000000), // ET_EXEC, EM_ARM
		uint16(52), uint16(32), uint16(1), uint16(40), uint16(0), uint16(0),
		uint32(1), uint32(header), uint32(base), uint32(base), size, size, uint32(5), uint32(4), // PT_LOAD
		code,
	} {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "guest.elf")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGuest runs a guest in the emulator that is installed: console, releases, barrier and capture.
func TestGuest(t *testing.T) {
	e, err := Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	dir := t.TempDir()
	wire, err := NewWire()
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	barrier, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	defer barrier.Close()
	const release = time.Millisecond
	capture := filepath.Join(dir, "net0.pcap")
	m := Machine{
		Emulator: e, Kernel: guest(t, dir), Serial: filepath.Join(dir, "serial.log"), Deadline: time.Minute,
		Icount: &Icount{Shift: 3}, Steady: true,
		Ports: []Port{{Net: wire, PCAP: capture, Release: release, Barrier: barrier}, {Net: Unconnected{}}},
	}
	const frames = 50
	frame := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 60) }
	if err := wire.Send(frame(0)); err != nil {
		t.Fatal(err)
	}
	p, err := m.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	for i := range frames {
		got, err := barrier.Wait(patience)
		if err != nil {
			t.Fatalf("frame %d: %v (%v)", i, err, p.Err())
		}
		if !bytes.Equal(got, frame(i)) {
			t.Fatalf("frame %d: the barrier shows % x", i, got)
		}
		if err := wire.Send(frame(i + 1)); err != nil {
			t.Fatal(err)
		}
		if err := barrier.Pass(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.WaitSerial("up", patience); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	checkReleases(t, b, frames, release, p.Steady())
}

// checkReleases checks that a capture of 60-byte frames has them a release apart.
func checkReleases(t *testing.T, pcap []byte, frames int, release time.Duration, unsteady error) {
	t.Helper()
	const header, record = 24, 16 + 60
	if len(pcap) < header+frames*record {
		t.Fatalf("capture of %d bytes, want %d frames", len(pcap), frames)
	}
	var before uint64
	for i := range frames {
		b := pcap[header+i*record:]
		at := uint64(binary.LittleEndian.Uint32(b))*1e6 + uint64(binary.LittleEndian.Uint32(b[4:]))
		if i > 0 && unsteady == nil && at-before != uint64(release.Microseconds()) {
			t.Errorf("frame %d entered %d µs after the one before, want %v", i, at-before, release)
		}
		if i > 0 && (at-before)%uint64(release.Microseconds()) != 0 {
			t.Errorf("frame %d entered %d µs after the one before, want a multiple of %v", i, at-before, release)
		}
		before = at
	}
}
