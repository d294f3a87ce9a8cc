package main_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mortise/tools/qemu"
)

// envTasks names images with oob tasks: latency=PATH:latency+gc=PATH, with the load behind the plus.
const envTasks = "MORTISE_TASKS_ELF"

// tasksImage returns the image with tasks and load named, or skips the test.
func tasksImage(t *testing.T, name string) string {
	for _, item := range filepath.SplitList(os.Getenv(envTasks)) {
		if path, ok := strings.CutPrefix(item, name+"="); ok {
			return path
		}
	}
	t.Skipf("%s names no firmware with %s=: run make test", envTasks, name)
	return ""
}

// startTasks boots the image with tasks and load named in virtual time, its cables unconnected.
func startTasks(t *testing.T, name string) *qemu.Process {
	elf := tasksImage(t, name)
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	m := qemu.Machine{
		Emulator: emulator, Kernel: elf, Serial: filepath.Join(t.TempDir(), "serial.log"), Deadline: 5 * time.Minute,
		Icount: &qemu.Icount{Shift: timerShift}, Ports: []qemu.Port{{Net: qemu.Unconnected{}}, {Net: qemu.Unconnected{}}},
	}
	p, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

// Everything that stack/task has, used as it is meant and as it is not, with a fault in a task.
func TestTasks(t *testing.T) {
	t.Parallel()
	p := startTasks(t, "selftest")
	err := p.WaitSerial("SELFTEST PASS", told)
	log, _ := p.Serial()
	if err != nil || strings.Contains(log, "SELFTEST FAIL") {
		t.Fatalf("%v\n%s", err, log)
	}
	for _, want := range []string{
		"oob stage: the fault was in task run\n", "run: task 3 is about to fault\n", "oob stage: serving again\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q on the console:\n%s", want, log)
		}
	}
}

const timerShift = 3

// From a timer's expiry to its task's first look at the clock, that included, it takes no more than 150 instructions,
// whatever in-band does, and never more than 16 more than another time.
//
// Bench's task rows tell the spread to the instruction; but they take an entry that nothing held up for the zero, so that a timer
// which is always late by the same would not show there. This is by the timer's own compare value.
func TestTimerToTask(t *testing.T) {
	const (
		tick    = 16 >> timerShift // instructions in a tick of QEMU's counter, 16 ns
		entries = 1000
		limit   = 150
		spread  = 16
	)
	line := regexp.MustCompile(`timer to task: (\d+) entries, (\d+) to (\d+) ticks of 16ns`)
	for _, image := range []string{"latency", "latency+gc", "latency+spin", "latency+print"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			p := startTasks(t, image)
			for n := 0; n < entries; time.Sleep(quiet / 3) {
				log, err := p.Serial()
				if err != nil {
					t.Fatal(err)
				}
				select {
				case <-p.Done():
					t.Fatalf("it ended after %d entries: %v\n%s", n, p.Err(), log)
				default:
				}
				all := line.FindAllStringSubmatch(log, -1)
				if len(all) == 0 {
					continue
				}
				last := all[len(all)-1]
				var least, most int
				for i, v := range []*int{&n, &least, &most} {
					if *v, err = strconv.Atoi(last[1+i]); err != nil {
						t.Fatal(err)
					}
				}
				if n < entries {
					continue
				}
				t.Logf("%d entries, %d to %d instructions", n, least*tick, most*tick+tick-1)
				if most*tick+tick-1 > limit || (most-least)*tick > spread {
					t.Errorf("%d to %d ticks, want at most %d instructions, and no more than %d between them", least, most, limit, spread)
				}
			}
		})
	}
}
