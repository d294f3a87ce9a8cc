//go:build !tamago

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mortise/tools/qemu"
)

// What make test sets.
const (
	envGo   = "MORTISE_TAMAGO_GO" // the go command that builds firmware
	envLogs = "MORTISE_TEST_LOGS" // folder for the serial logs of failed tests
)

// deaths are the firmware's, in its order.
var deaths = []string{"panic", "abort", "undefined", "exit", "throw", "deadlock", "spin", "overflow"}

// clocks are what the emulator's time can be. Real time delivers interrupts at other places than virtual time does, and
// checks alignment where that does not.
var clocks = []struct {
	name   string
	icount *qemu.Icount
}{
	{"virtual time", &qemu.Icount{Shift: 3}},
	{"real time", nil},
}

// A target is an architecture that the firmware is built for, with its board.
type target struct {
	arch    string
	board   qemu.Board
	args    []string // of the machine
	text    string   // where the image begins
	command uint32   // address of the word in which the firmware looks for its command
	spread  uint64   // ticks by which activations may differ in virtual time, as in the firmware
}

var targets = []*target{
	{"arm", qemu.MX6ULLEVK, nil, "0x80010000", 0x9ffffff0, 1},
	// With a second processor, which stays off, QEMU 9.0 and newer check the alignment of accesses to Device memory.
	{"arm64", qemu.Virt, []string{"-smp", "2"}, "0x40200000", 0x5ffffff0, 3},
}

// limit is what the slowest run takes, a second on an idle host, with much room for a loaded one.
const limit = 90 * time.Second

func TestStage(t *testing.T) {
	each(t, func(t *testing.T, e *qemu.Emulator, g *target, elf string) {
		for _, clock := range clocks {
			t.Run(clock.name, func(t *testing.T) {
				log := run(t, e, g, elf, clock.icount, 0, regexp.MustCompile(`STAGETEST (PASS|FAIL)`))
				if m := regexp.MustCompile(`(?m)^FAIL .*$`).FindAllString(log, -1); m != nil {
					t.Errorf("%d failures, the first: %s", len(m), m[0])
				}
				if g.arch == "arm64" && clock.icount == nil {
					alignment(t, e, log)
				}
			})
		}
	})
}

// alignment checks that an unaligned access to a device was a fault, where the emulator knows of it.
func alignment(t *testing.T, e *qemu.Emulator, log string) {
	const fault = "unaligned device access: data abort"
	switch {
	case strings.Contains(log, fault):
	case e.Version.Before(qemu.Version{Major: 9}):
		t.Logf("QEMU %s does not check the alignment of accesses to devices", e.Version)
	default:
		t.Errorf("no %q in the log", fault)
	}
}

func TestStageOutlivesInband(t *testing.T) {
	outlived := regexp.MustCompile(`STAGETEST OUTLIVED, ticks late: ([0-9a-f]{8}) ([0-9a-f]{8})\n`)
	each(t, func(t *testing.T, e *qemu.Emulator, g *target, elf string) {
		for _, clock := range clocks {
			for i, death := range deaths {
				t.Run(clock.name+"/"+death, func(t *testing.T) {
					log := run(t, e, g, elf, clock.icount, i+1, outlived)
					if want := "STAGETEST DIES " + death + "\n"; !regexp.MustCompile(want).MatchString(log) {
						t.Errorf("no %q in the log", want)
					}
					m := outlived.FindStringSubmatch(log)
					if m == nil || clock.icount == nil {
						return
					}
					least, most := hex(t, m[1]), hex(t, m[2])
					if most-least > g.spread {
						t.Errorf("activations came %d to %d ticks late, want %d of difference at most: in-band held the stage up",
							least, most, g.spread)
					}
				})
			}
		}
	})
}

// Containing a fault fails twice: the watchdog ends it, and the next run tells. The board for arm64 has no watchdog.
func TestTripleFault(t *testing.T) {
	e, elf := tools(t, targets[0])
	run(t, e, targets[0], elf, nil, len(deaths)+1, regexp.MustCompile(`STAGETEST CRASH TOLD`))
}

// each runs f for each target.
func each(t *testing.T, f func(t *testing.T, e *qemu.Emulator, g *target, elf string)) {
	for _, g := range targets {
		t.Run(g.arch, func(t *testing.T) {
			e, elf := tools(t, g)
			f(t, e, g, elf)
		})
	}
}

func hex(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// built are the firmware's ELFs, by architecture: all tests use them.
var built = map[string]string{}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, elf := range built {
		os.RemoveAll(filepath.Dir(elf))
	}
	os.Exit(code)
}

// tools returns the emulator and the firmware for a target, which it builds the first time.
func tools(t *testing.T, g *target) (*qemu.Emulator, string) {
	t.Helper()
	goCommand := os.Getenv(envGo)
	if goCommand == "" {
		t.Skipf("%s names no go command that knows GOOS=tamago: run make test", envGo)
	}
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	if g.board == qemu.Virt {
		if emulator, err = emulator.AArch64(); err != nil {
			t.Skipf("no emulator: %v", err)
		}
	}
	if elf := built[g.arch]; elf != "" {
		return emulator, elf
	}
	dir, err := os.MkdirTemp("", "stagetest")
	if err != nil {
		t.Fatal(err)
	}
	elf := filepath.Join(dir, "stagetest.elf")
	cmd := exec.Command(goCommand, "build", "-ldflags", "-T "+g.text+" -R 0x1000", "-o", elf, ".")
	cmd.Env = append(os.Environ(), "GOOS=tamago", "GOARCH="+g.arch, "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago")
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	built[g.arch] = elf
	return emulator, elf
}

// run boots the firmware with a command, and returns its console up to and with the line that end matches.
func run(t *testing.T, e *qemu.Emulator, g *target, elf string, icount *qemu.Icount, command int, end *regexp.Regexp) string {
	t.Helper()
	serial := filepath.Join(t.TempDir(), "serial.log")
	word := uint32(command)
	if icount != nil {
		word |= 1 << 31
	}
	m := qemu.Machine{
		Emulator: e, Board: g.board, Kernel: elf, Icount: icount, Steady: icount != nil, Serial: serial, Deadline: limit,
		Reboot: command > len(deaths),
		Args:   append([]string{"-device", fmt.Sprintf("loader,addr=%#x,data=%#x,data-len=4", g.command, word)}, g.args...),
	}
	p, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	t.Cleanup(func() { keep(t, serial) })
	for {
		ended := false
		select {
		case <-p.Done():
			ended = true
		case <-time.After(50 * time.Millisecond):
		}
		log, err := p.Serial()
		switch {
		case err != nil:
			t.Fatal(err)
		case end.MatchString(log):
			return log
		case ended:
			t.Fatalf("no %q within %v (%v); the console:\n%s", end, limit, p.Err(), tail(log))
		}
	}
}

// tail returns the end of a log.
func tail(log string) string {
	const keep = 4000
	if len(log) > keep {
		return "…" + log[len(log)-keep:]
	}
	return log
}

// keep saves the serial log of a test that failed.
func keep(t *testing.T, serial string) {
	to := os.Getenv(envLogs)
	if !t.Failed() || to == "" {
		return
	}
	to = filepath.Join(to, filepath.FromSlash(t.Name()))
	b, err := os.ReadFile(serial)
	if err == nil {
		err = os.MkdirAll(to, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "serial.log"), b, 0o644)
	}
	if err != nil {
		t.Log(err)
		return
	}
	t.Logf("serial log: %s", to)
}
