package qemu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start runs a machine whose emulator is a shell script.
func start(t *testing.T, ctx context.Context, body string, deadline time.Duration) (*Process, error) {
	t.Helper()
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel.elf")
	if err := os.WriteFile(kernel, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := Open(fake(t, dir, "7.2.0", "log="+filepath.Join(dir, "serial.log")+"\n"+body))
	if err != nil {
		t.Fatal(err)
	}
	m := Machine{Emulator: e, Kernel: kernel, Serial: filepath.Join(dir, "serial.log"), Deadline: deadline}
	p, err := m.Start(ctx)
	if err == nil {
		t.Cleanup(func() { _ = p.Stop() })
	}
	return p, err
}

func mustStart(t *testing.T, ctx context.Context, body string, deadline time.Duration) *Process {
	t.Helper()
	p, err := start(t, ctx, body, deadline)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const patience = 20 * time.Second // no test waits so long unless it fails

func wait(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatal("the process does not end")
	}
}

func TestProcessStop(t *testing.T) {
	// A child in the background must go with its group.
	p := mustStart(t, t.Context(), `sleep 1000 & echo "child $!" >>$log; wait`, 0)
	if err := p.WaitSerial("child", patience); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop again: %v", err)
	}
}

func TestProcessEndsByItself(t *testing.T) {
	p := mustStart(t, t.Context(), "echo one >&2; echo 'qemu: machine is broken' >&2; exit 3", 0)
	wait(t, p)
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "machine is broken") {
		t.Errorf("Err = %v, want one that says the machine is broken", err)
	}
	if err := p.WaitSerial("x", patience); err == nil || !strings.Contains(err.Error(), "machine is broken") {
		t.Errorf("WaitSerial after the end: %v, want why it ended", err)
	}
}

func TestProcessDeadline(t *testing.T) {
	p := mustStart(t, t.Context(), "sleep 1000", 50*time.Millisecond)
	wait(t, p)
	if err := p.Err(); !errors.Is(err, ErrDeadline) {
		t.Errorf("Err = %v, want ErrDeadline", err)
	}
}

func TestProcessContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := mustStart(t, ctx, "sleep 1000", 0)
	cancel()
	wait(t, p)
	if err := p.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("Err = %v, want %v", err, context.Canceled)
	}
}

func TestWaitSerialTimeout(t *testing.T) {
	p := mustStart(t, t.Context(), "sleep 1000", 0)
	if err := p.WaitSerial("never", 30*time.Millisecond); err == nil || !strings.Contains(err.Error(), `"never"`) {
		t.Errorf("WaitSerial: %v, want one that names the text", err)
	}
}

func TestStartErrors(t *testing.T) {
	e := &Emulator{Path: "/nonexistent/" + program}
	if _, err := (&Machine{Emulator: e, Kernel: "/nonexistent/k.elf"}).Start(t.Context()); err == nil {
		t.Error("Start without the firmware: no error")
	}
	if _, err := (&Machine{Kernel: "k.elf"}).Start(t.Context()); err == nil {
		t.Error("Start without an emulator: no error")
	}
}
