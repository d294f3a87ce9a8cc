package main_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mortise/stack/divert"
	"mortise/stack/wire"
)

const told = 30 * time.Second // until the firmware says something

// waitFor waits for text on the console.
func (r *rig) waitFor(text string) {
	r.t.Helper()
	if err := r.process.WaitSerial(text, told); err != nil {
		log, _ := r.process.Serial()
		r.t.Fatalf("%v\n%s", err, log)
	}
}

// typed types a line on the console.
func (r *rig) typed(line string) {
	r.t.Helper()
	if r.terminal == nil { // kept open: QEMU may forget what a closed one still holds
		c, err := net.Dial("unix", filepath.Join(r.dir, "console"))
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { c.Close() })
		go io.Copy(io.Discard, c)
		r.terminal = c
	}
	if _, err := io.WriteString(r.terminal, line+"\r"); err != nil {
		r.t.Fatal(err)
	}
}

// The stage is started again after a fault, by itself, three times a minute; then it stays down and says so, until the
// command comes.
func TestRestartPolicyAndCommand(t *testing.T) { inModes(t, testRestartPolicyAndCommand) }

func testRestartPolicyAndCommand(t *testing.T, m mode) {
	t.Parallel()
	r := m.boot(t, envInject, options{console: true})
	for n := 1; n <= 3; n++ {
		r.command("oob index")
		r.waitFor(fmt.Sprintf("oob fault %d:", n))
		r.waitFor("oob stage: serving again")
		r.eventually("the stage runs", func() bool {
			s := r.status()
			return s.Stage.State == "running" && s.Stage.Restarts == uint64(n) && s.Devices[0].Diverted
		})
		r.served(t, "the oob stage")
	}
	r.command("oob index")
	r.waitFor("oob stage: stays down: 3 restarts in the last minute, at most 3 are configured")
	s := r.status()
	if s.Stage.State != "faulted" || !s.Stage.StaysDown || s.Stage.RestartsLastMinute != 3 || s.Devices[0].Diverted {
		t.Errorf("status = %+v, diverted %v", s.Stage, s.Devices[0].Diverted)
	}
	checkNamed(t, &s)
	r.served(t, "in-band")

	r.typed("oob stop")
	r.waitFor("oob stop: the stage is faulted")
	r.typed("oob restart")
	r.eventually("the stage runs", func() bool {
		s := r.status()
		return s.Stage.State == "running" && s.Stage.Restarts == 4 && !s.Stage.StaysDown && s.Devices[0].Diverted
	})
	before := r.core()
	r.served(t, "the oob stage")
	if after := r.core(); after.Accepted() <= before.Accepted() {
		t.Error("the oob stage accepts nothing after the command")
	}
	r.typed("oob status")
	r.waitFor("oob stage: serving,")
	r.typed("nonsense")
	r.waitFor(`"nonsense": no such command`)
	r.checkSlots("rt0")
}

// The production image knows the same commands: stopped, in-band serves; started, the oob stage does.
func TestStopAndRestart(t *testing.T) { inModes(t, testStopAndRestart) }

func testStopAndRestart(t *testing.T, m mode) {
	t.Parallel()
	r := m.boot(t, envImage, options{console: true})
	for range 3 {
		r.typed("oob stop")
		r.eventually("the stage has stopped", func() bool {
			s := r.status()
			return s.Stage.State == "stopped" && !s.Devices[0].Diverted
		})
		r.served(t, "in-band")
		time.Sleep(quiet)
		before := r.core()
		r.typed("oob restart")
		r.eventually("the stage runs", func() bool {
			s := r.status()
			return s.Stage.State == "running" && s.Devices[0].Diverted
		})
		r.served(t, "the oob stage")
		if after := r.core(); after.Accepted() <= before.Accepted() {
			t.Error("the oob stage accepts nothing after the command")
		}
	}
	r.checkSlots("rt0")
}

// eventually waits until ok.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(told); !ok(); time.Sleep(quiet) {
		if time.Now().After(end) {
			log, _ := r.process.Serial()
			r.t.Fatalf("not within %v: %s\n%s", told, what, log)
		}
	}
}

// A fault amid traffic costs in-band none of the frames that it owned: what has crossed to it is answered, once, whatever
// happens to the stage meanwhile. What the controller's ring held is lost, and has not crossed.
func TestFaultLosesNoInbandFrame(t *testing.T) { inModes(t, testFaultLosesNoInbandFrame) }

func testFaultLosesNoInbandFrame(t *testing.T, m mode) {
	t.Parallel()
	r := m.boot(t, envInject, options{})
	const rounds, burst = 10, 16
	r.command(fmt.Sprintf("policy %d", rounds))
	got := map[string]int{}
	take := func(wait time.Duration) {
		for {
			b, err := r.rt.Receive(wait)
			if err != nil {
				return
			}
			if len(b) >= 60 && b[12] == 8 && b[13] == 0 && b[23] == 17 && b[34] == 7777>>8 && b[35] == 7777&255 {
				got[strings.TrimRight(string(b[42:]), "\x00")]++
			}
		}
	}
	before, sent := r.crossing(), 0
	inject, err := net.Dial("udp", r.inject)
	if err != nil {
		t.Fatal(err)
	}
	defer inject.Close()
	for n := range rounds {
		for i := range burst {
			payload := fmt.Sprintf("in-band %06d", sent)
			sent++
			if err := r.rt.Send(wire.AppendUDP(nil, r.header(nil), 40000, 7777, []byte(payload))); err != nil {
				t.Fatal(err)
			}
			if i == n {
				if _, err := inject.Write([]byte("oob nil")); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.waitFor(fmt.Sprintf("oob fault %d:", n+1))
		take(quiet / 3)
	}
	take(2 * time.Second)
	after := r.crossing()
	if crossed := int(after[divert.Inband] - before[divert.Inband]); len(got) != crossed || crossed < sent/2 {
		t.Errorf("of %d frames sent %d crossed to in-band, %d were answered", sent, crossed, len(got))
	}
	for payload, n := range got {
		if n != 1 {
			t.Errorf("%q came back %d times, want once", payload, n)
		}
	}
	t.Logf("%d frames, %d lost in the controller's ring", sent, sent-len(got))
	r.checkSlots("rt0")
}

// An activation that does not end is ended by the watchdog's warning, ahead of its reset: a fault like any other, with
// function, line and chain, although the loop's function keeps its return address in a register that the warning overwrites.
func TestEndlessLoop(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{reboot: true})
	for n := 1; n <= 2; n++ { // a warning is no last one
		r.command("oob loop")
		began := time.Now()
		r.waitFor(fmt.Sprintf("oob fault %d: activation that does not end in main.endless (inject_oob.go:", n))
		t.Logf("contained after %v", time.Since(began))
		r.eventually("the stage runs", func() bool {
			s := r.status()
			return s.Stage.State == "running" && s.Stage.Restarts == uint64(n) && s.Devices[0].Diverted
		})
		s := r.status()
		checkNamed(t, &s)
		var chain []string
		for _, c := range s.Stage.Fault.Chain {
			chain = append(chain, c.Function)
		}
		want := []string{"main.endless", "main.injected", "mortise/stack/stage.dispatch"}
		if diff := cmp.Diff(want, chain); diff != "" {
			t.Errorf("chain (-want +got):\n%s", diff)
		}
		r.served(t, "the oob stage")
	}
	if log, err := r.process.Serial(); err != nil || strings.Count(log, "\nserving") != 1 {
		t.Errorf("the machine was reset (%v)", err)
	}
	r.checkSlots("rt0")
}

// An activation that does not end and masks the warning is ended by the watchdog's reset. The next run tells what the oob
// stage was doing and what its last fault was, and serves.
func TestHang(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{reboot: true})
	r.command("oob divide")
	r.waitFor("oob stage: serving again")
	r.command("oob hang")
	began := time.Now()
	r.waitFor("the run before ended without being asked to")
	t.Logf("reset after %v", time.Since(began))
	r.waitFor("oob stage: an activation for a kick of in-band")
	r.waitFor("its last fault, after")
	r.eventually("the next run serves", func() bool {
		log, err := r.process.Serial()
		return err == nil && strings.Count(log, "\nserving") == 2
	})
	s := r.status()
	if c := s.Crash; c == nil || c.Doing != "an activation for a kick of in-band" || c.UptimeNS == 0 || c.InbandSilent ||
		!strings.Contains(c.Report, "main.injected") || !strings.Contains(c.Report, "runtime.panicdivide") {
		t.Errorf("crash = %+v", c)
	}
	if s.Stage.State != "running" {
		t.Errorf("the stage is %s after the reset, want running", s.Stage.State)
	}
	page, err := r.get("/")
	if err != nil || !strings.Contains(page, "an activation for a kick of in-band") {
		t.Errorf("the page says nothing of the run before (%v)", err)
	}
	if crash, err := r.get("/files/crash"); err != nil || !strings.HasPrefix(crash, "the run before ended without being asked to") ||
		!strings.Contains(crash, "main.injected") {
		t.Errorf("/files/crash = %q, %v", crash, err)
	}
	r.served(t, "the oob stage")
}

// A fault that in-band does not live to report is told by the next run, with function, line and chain: of a fault, and of an
// activation that does not end, which the watchdog's warning and then its reset ended.
func TestFaultIsToldAfterReset(t *testing.T) {
	for _, c := range []struct {
		fault, kind string
		chain       []string
	}{
		{"nil", "data abort", []string{"main.injected", "mortise/stack/stage.dispatch"}},
		{"loop", "activation that does not end", []string{"main.endless", "main.injected", "mortise/stack/stage.dispatch"}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			r := boot(t, envInject, options{reboot: true})
			r.command("unheard " + c.fault)
			r.waitFor("its last fault, which in-band did not report: oob fault 1: " + c.kind + " in " + c.chain[0] + " (inject_oob.go:")
			r.eventually("the next run serves", func() bool {
				log, err := r.process.Serial()
				return err == nil && strings.Count(log, "\nserving") == 2
			})
			s := r.status()
			if s.Crash == nil || !strings.HasPrefix(s.Crash.Firmware, s.Version+" (image ") {
				t.Fatalf("crash = %+v, want the firmware %s", s.Crash, s.Version)
			}
			log, err := r.process.Serial()
			if err != nil || !strings.Contains(log, "  firmware: "+s.Crash.Firmware+", the same\n") {
				t.Errorf("the console does not say that the firmware is the same (%v)", err)
			}
			report := s.Crash.Report
			for _, f := range c.chain { // in this order, each with a line
				_, behind, ok := strings.Cut(report, "\n    "+f+" (")
				if !ok {
					t.Fatalf("no %s in its place of the chain:\n%s", f, s.Crash.Report)
				}
				report = "\n" + strings.SplitN(behind, "\n", 2)[1]
			}
			r.served(t, "the oob stage")
		})
	}
}

// The oob stage feeds the watchdog for an in-band stage that is dead, longer than the watchdog's patience.
func TestOobFeedsForDeadInband(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{})
	r.command("inband exit")
	for end := time.Now().Add(13 * time.Second); time.Now().Before(end); time.Sleep(quiet) {
		if !r.echo(nil, 7, []byte("alive")) {
			log, _ := r.process.Serial()
			t.Fatalf("an echo was lost\n%s", log)
		}
	}
	if n := r.words("main.aloneWord")[0]; n == 0 {
		t.Fatal("no crash record")
	} else if b, err := r.monitor.Memory(uint64(n), 4); err != nil || b[0] == 0 {
		t.Errorf("feeds without in-band = %v, %v, want some", b, err)
	}
}

// With reset_without_inband the watchdog ends a run whose in-band stage is silent, and the next run says so.
func TestResetWithoutInband(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{reboot: true})
	r.command("strict")
	r.command("inband exit")
	r.waitFor("in-band was silent")
	r.eventually("the next run serves", func() bool {
		log, err := r.process.Serial()
		return err == nil && strings.Count(log, "\nserving") == 2
	})
	if c := r.status().Crash; c == nil || !c.InbandSilent {
		t.Errorf("crash = %+v, want a silent in-band", c)
	}
	r.served(t, "the oob stage")
}

// A stage that in-band's goroutines keep from ever beating is fed for as long as the watchdog's patience, and longer.
func TestSpinIsFed(t *testing.T) {
	t.Parallel()
	_, spin, ok := strings.Cut(os.Getenv(envLoad), "spin=")
	if !ok {
		t.Skipf("%s names no firmware with spin=: run make test", envLoad)
	}
	r := bootImage(t, strings.Split(spin, ":")[0], options{})
	for end := time.Now().Add(13 * time.Second); time.Now().Before(end); time.Sleep(quiet) {
		if !r.echo(nil, 7, []byte("alive")) {
			log, _ := r.process.Serial()
			t.Fatalf("an echo was lost\n%s", log)
		}
	}
}
