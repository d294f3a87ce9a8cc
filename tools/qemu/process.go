package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopGrace    = 2 * time.Second       // from SIGTERM to SIGKILL
	serialPeriod = 20 * time.Millisecond // how often WaitSerial looks
	stderrLimit  = 16 << 10              // bytes of the emulator's own messages that are kept
)

// ErrDeadline is why a Process ended that ran longer than its Machine's Deadline.
var ErrDeadline = errors.New("deadline passed")

// Process is a running Machine.
type Process struct {
	machine Machine
	cmd     *exec.Cmd
	stderr  head
	done    chan struct{}
	steady  error

	mu      sync.Mutex
	stopped bool // by Stop: whatever its exit status, that is no error
	err     error
}

// Start runs the machine until it ends by itself, Stop is called, ctx is done or the deadline has passed. A ^C at the
// terminal reaches the caller only, who ends the machine when it sees fit; it does not outlive the caller in any case.
func (m *Machine) Start(ctx context.Context) (*Process, error) {
	if m.Emulator == nil {
		return nil, errors.New("machine: no emulator")
	}
	if m.Kernel != "" && !isFile(m.Kernel) {
		return nil, fmt.Errorf("machine: no firmware at %s", m.Kernel)
	}
	var l launch
	args := m.arguments(&l)
	if l.err != nil {
		return nil, l.err
	}
	if m.Serial != "" {
		if err := os.WriteFile(m.Serial, nil, 0o644); err != nil { // WaitSerial must not find a former run's
			return nil, fmt.Errorf("serial log: %w", err)
		}
	}
	p := &Process{machine: *m, done: make(chan struct{})}
	p.cmd = exec.Command(m.Emulator.Path, args...)
	p.cmd.Env = m.Emulator.environ()
	p.cmd.ExtraFiles = l.files
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", m.Emulator.Path, err)
	}
	for i, f := range l.files {
		f.Close()
		*l.owner[i] = nil
	}
	go p.wait()
	go p.watch(ctx)
	return p, nil
}

func (p *Process) start() error {
	if !p.machine.Steady {
		p.steady = errors.New("not asked for")
		return p.cmd.Start()
	}
	var err error
	p.steady = steadily(func() (pid int) {
		if err = p.cmd.Start(); err != nil {
			return 0
		}
		return p.cmd.Process.Pid
	})
	return err
}

func (p *Process) wait() {
	err := p.cmd.Wait()
	p.mu.Lock()
	if !p.stopped && p.err == nil {
		p.err = p.explain(err)
	}
	p.mu.Unlock()
	for _, port := range p.machine.Ports {
		if port.Barrier != nil {
			port.Barrier.abandon()
		}
	}
	close(p.done)
}

// explain says why the emulator ended, as far as it tells.
func (p *Process) explain(err error) error {
	message := lastLine(p.stderr.bytes())
	switch {
	case err == nil:
		return errors.New("qemu ended by itself: the guest has reset or powered off")
	case message == "":
		return fmt.Errorf("qemu: %w", err)
	default:
		return fmt.Errorf("qemu: %w: %s", err, message)
	}
}

func (p *Process) watch(ctx context.Context) {
	var deadline <-chan time.Time
	if d := p.machine.Deadline; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		deadline = timer.C
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill(fmt.Errorf("qemu: %w", context.Cause(ctx)))
	case <-deadline:
		p.kill(fmt.Errorf("qemu: %w (%v)", ErrDeadline, p.machine.Deadline))
	}
}

func (p *Process) kill(why error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = why
	}
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
}

func (p *Process) signal(sig syscall.Signal) {
	select {
	case <-p.done: // the number may be somebody else's by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

// Stop ends the machine and returns why it had ended, if it had before. It may be called more than once.
func (p *Process) Stop() error {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	return p.Err()
}

// Done is closed when the machine has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err tells why the machine ended; nil while it runs and after Stop.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// PID is the emulator's process number, which is also its process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Steady tells why the run will not repeat exactly on a loaded host; nil: it will.
func (p *Process) Steady() error { return p.steady }

// Serial returns what the guest has printed so far.
func (p *Process) Serial() (string, error) {
	if p.machine.Serial == "" {
		return "", errors.New("machine: no serial log")
	}
	text, err := os.ReadFile(p.machine.Serial)
	if err != nil {
		return "", fmt.Errorf("serial log: %w", err)
	}
	return string(text), nil
}

// WaitSerial waits until the guest has printed text.
func (p *Process) WaitSerial(text string, timeout time.Duration) error {
	expired := time.After(timeout)
	for {
		ended := p.hasEnded() // asked first: what it printed last still counts
		log, err := p.Serial()
		if err != nil || strings.Contains(log, text) {
			return err
		}
		if ended {
			return fmt.Errorf("waiting for %q on %s: %w", text, p.machine.Serial, p.endedErr())
		}
		select {
		case <-expired:
			return fmt.Errorf("no %q on %s in %v", text, p.machine.Serial, timeout)
		case <-p.done:
		case <-time.After(serialPeriod):
		}
	}
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Process) endedErr() error {
	if err := p.Err(); err != nil {
		return err
	}
	return errors.New("qemu was stopped")
}

// head keeps the first bytes written to it: an emulator that fails says why at once.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room := stderrLimit - h.buf.Len(); room > 0 {
		h.buf.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (h *head) bytes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.buf.Bytes())
}
