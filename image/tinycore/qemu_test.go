//go:build !tamago

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mortise/tools/oobcheck/check"
	"mortise/tools/qemu"
)

const (
	envGo = "MORTISE_TAMAGO_GO" // the go command that builds firmware; make test sets it
	root  = "../.."
	limit = 30 * time.Second // with much room for a loaded host
)

// build links the firmware.
func build(t *testing.T) string {
	t.Helper()
	goCommand := os.Getenv(envGo)
	if goCommand == "" {
		t.Skipf("%s names no go command that knows GOOS=tamago: run make test", envGo)
	}
	elf := filepath.Join(t.TempDir(), "tinycore.elf")
	cmd := exec.Command(goCommand, "build", "-ldflags", "-T 0x80010000 -R 0x1000", "-o", elf, ".")
	cmd.Env = append(os.Environ(), "GOOS=tamago", "GOARCH=arm", "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return elf
}

// ethernet returns a frame of an EtherType between two stations.
func ethernet(to, from byte, typ uint16) []byte {
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, byte(typ >> 8), byte(typ), 'm', 'o', 'r', 't'})
	return f
}

// Another companion core links by its import, passes the check of oob code, and decides on the frames of both devices.
func TestAnotherCore(t *testing.T) {
	elf := build(t)
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	report, err := check.Run(check.Gateway(elf, absolute, nil))
	if err != nil {
		t.Fatal(err)
	}
	if !report.Passed() || report.Activation() <= 0 {
		t.Errorf("oob check: %v", report)
	}
	t.Logf("an activation takes %d instructions at worst", report.Activation())

	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	var wires [2]*qemu.Wire
	m := qemu.Machine{Emulator: emulator, Kernel: elf, Serial: filepath.Join(t.TempDir(), "serial.log"), Deadline: 2 * limit}
	for i := range wires {
		if wires[i], err = qemu.NewWire(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { wires[i].Close() })
		m.Ports = append(m.Ports, qemu.Port{Net: wires[i]})
	}
	p, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if err := p.WaitSerial("serving", limit); err != nil {
		t.Fatal(err)
	}
	want := func(wire int, what string, f []byte) {
		t.Helper()
		got, err := wires[wire].Receive(limit)
		if err != nil || !bytes.Equal(got, f) {
			t.Errorf("%s: %x, %v, want %x", what, got, err, f)
		}
	}
	send := func(wire int, f []byte) {
		t.Helper()
		if err := wires[wire].Send(f); err != nil {
			t.Fatal(err)
		}
	}
	send(0, ethernet(1, 9, 0x88b5))
	want(0, "an echo of the first device", ethernet(9, 1, 0x88b5))
	send(1, ethernet(1, 9, 0x88b6))
	want(0, "forwarded by the second device", ethernet(1, 9, 0x88b6))
	send(1, ethernet(1, 9, 0x0800))
	if err := p.WaitSerial("ENET2: 1 frames for in-band", limit); err != nil {
		t.Error(err)
	}
}
