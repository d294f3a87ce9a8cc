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

// limit is what the slowest run takes, a second on an idle host, with much room for a loaded one.
const limit = 90 * time.Second

func TestStage(t *testing.T) {
	emulator, elf := tools(t)
	for _, clock := range clocks {
		t.Run(clock.name, func(t *testing.T) {
			log := run(t, emulator, elf, clock.icount, 0, regexp.MustCompile(`STAGETEST (PASS|FAIL)`))
			if m := regexp.MustCompile(`(?m)^FAIL .*$`).FindAllString(log, -1); m != nil {
				t.Errorf("%d failures, the first: %s", len(m), m[0])
			}
		})
	}
}

func TestStageOutlivesInband(t *testing.T) {
	emulator, elf := tools(t)
	outlived := regexp.MustCompile(`STAGETEST OUTLIVED, ticks late: ([0-9a-f]{8}) ([0-9a-f]{8})\n`)
	for _, clock := range clocks {
		for i, death := range deaths {
			t.Run(clock.name+"/"+death, func(t *testing.T) {
				log := run(t, emulator, elf, clock.icount, i+1, outlived)
				if want := "STAGETEST DIES " + death + "\n"; !regexp.MustCompile(want).MatchString(log) {
					t.Errorf("no %q in the log", want)
				}
				m := outlived.FindStringSubmatch(log)
				if m == nil || clock.icount == nil {
					return
				}
				least, most := hex(t, m[1]), hex(t, m[2])
				if most-least > 1 {
					t.Errorf("activations came %d to %d ticks late, want one value: in-band held the stage up", least, most)
				}
			})
		}
	}
}

// Containing a fault fails twice: the watchdog ends it, and the next run tells.
func TestTripleFault(t *testing.T) {
	emulator, elf := tools(t)
	run(t, emulator, elf, nil, len(deaths)+1, regexp.MustCompile(`STAGETEST CRASH TOLD`))
}

func hex(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// built is the firmware's ELF: both tests use one.
var built string

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

// tools returns the emulator and the firmware, which it builds the first time.
func tools(t *testing.T) (*qemu.Emulator, string) {
	t.Helper()
	goCommand := os.Getenv(envGo)
	if goCommand == "" {
		t.Skipf("%s names no go command that knows GOOS=tamago: run make test", envGo)
	}
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	if built != "" {
		return emulator, built
	}
	dir, err := os.MkdirTemp("", "stagetest")
	if err != nil {
		t.Fatal(err)
	}
	elf := filepath.Join(dir, "stagetest.elf")
	cmd := exec.Command(goCommand, "build", "-ldflags", "-T 0x80010000 -R 0x1000", "-o", elf, ".")
	cmd.Env = append(os.Environ(), "GOOS=tamago", "GOARCH=arm", "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago")
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	built = elf
	return emulator, elf
}

// commandAddr is where the firmware looks for its command.
const commandAddr = 0x9ffffff0

// run boots the firmware with a command, and returns its console up to and with the line that end matches.
func run(t *testing.T, e *qemu.Emulator, elf string, icount *qemu.Icount, command int, end *regexp.Regexp) string {
	t.Helper()
	serial := filepath.Join(t.TempDir(), "serial.log")
	m := qemu.Machine{
		Emulator: e, Kernel: elf, Icount: icount, Steady: icount != nil, Serial: serial, Deadline: limit, Reboot: command > len(deaths),
		Args: []string{"-device", fmt.Sprintf("loader,addr=%#x,data=%#x,data-len=4", commandAddr, command)},
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
