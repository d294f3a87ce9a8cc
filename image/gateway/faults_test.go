package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/wire"
)

// A fault in oob code is contained: it is reported, in-band goes on and serves the device, ARP, ICMP and the echo
// included, until the stage is started again.
func TestOobFault(t *testing.T) { inModes(t, testOobFault) }

func testOobFault(t *testing.T, m mode) {
	for _, fault := range []string{"index", "nil", "divide", "store", "stack", "panic", "map", "allocate", "jump", "undefined"} {
		if m.stock && !slices.Contains([]string{"nil", "stack", "panic"}, fault) {
			continue // the fault path is the same; a few show what becomes of the device
		}
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			r := m.boot(t, envInject, options{})
			if !r.echo(nil, 7, []byte("before")) {
				t.Fatal("no echo before the fault")
			}
			r.command("policy 0") // the test restarts the stage itself
			r.command("oob " + fault)
			if err := r.process.WaitSerial("in-band serves it from now on", 30*time.Second); err != nil {
				log, _ := r.process.Serial()
				t.Fatalf("%v\n%s", err, log)
			}
			s := r.status()
			if s.Stage.State != "faulted" || !strings.Contains(s.Stage.Fault.Function, "main.") || s.Devices[0].Diverted {
				t.Errorf("status after the fault = %+v, diverted %v", s.Stage, s.Devices[0].Diverted)
			}
			checkNamed(t, &s)
			r.command("kick") // one while the stage is down must not hold in-band back
			r.served(t, "in-band")
			before := r.core()

			r.command("restart")
			if err := r.process.WaitSerial("oob stage: serving again", 30*time.Second); err != nil {
				t.Fatal(err)
			}
			r.served(t, "the oob stage")
			if after := r.core(); after.Accepted() <= before.Accepted() {
				t.Errorf("frames accepted by the oob stage after its restart = %d, want more than %d",
					after.Accepted(), before.Accepted())
			}
			if s := r.status(); s.Stage.State != "running" || !s.Devices[0].Diverted {
				t.Errorf("status after the restart = %+v, diverted %v", s.Stage, s.Devices[0].Diverted)
			}
			r.checkSlots("rt0")
		})
	}
}

// A fault in a task is reported with the way to it, and the task's name.
func TestFaultInTask(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{})
	for n, fault := range []string{"nil", "index", "loop"} {
		r.command("task " + fault)
		r.waitFor(fmt.Sprintf("oob fault %d: ", n+1))
		r.waitFor("the fault was in task inject\n")
		r.eventually("the stage runs", func() bool {
			s := r.status()
			return s.Stage.State == "running" && s.Stage.Restarts == uint64(n+1) && s.Devices[0].Diverted
		})
		s := r.status()
		checkNamed(t, &s)
		want := []string{"main.injected", "mortise/stack/task.(*core).run", "mortise/stack/stage.dispatch"}
		for _, c := range s.Stage.Fault.Chain {
			if len(want) > 0 && c.Function == want[0] {
				want = want[1:]
			}
		}
		if len(want) > 0 {
			t.Errorf("%s: %s is not in its place of the chain %+v", fault, want[0], s.Stage.Fault.Chain)
		}
	}
	r.served(t, "the oob stage")
}

// deep is a chain that the stage may have cut off: that of a stack overflow.
const deep = 20

// checkNamed checks that the status names function, line and chain of the last fault.
func checkNamed(t *testing.T, s *status) {
	t.Helper()
	f := &s.Stage.Fault
	if f.Kind == "" || f.File == "" || f.Line == 0 || len(f.Chain) == 0 ||
		len(f.Chain) < deep && f.Chain[len(f.Chain)-1].Function != "mortise/stack/stage.dispatch" {
		t.Errorf("fault = %+v, want kind, file, line, and a chain that ends in dispatch", f)
	}
}

// served checks that somebody answers everything there is an answer for.
func (r *rig) served(t *testing.T, by string) {
	t.Helper()
	for _, tags := range [][]wire.VLAN{nil, vlanTag} {
		own, ip := rtPeer, rtIP
		if tags != nil {
			own, ip = vlanPeer, vlanIP
		}
		r.resolve(tags, ip, own)
		if !r.ping(tags, 2) {
			t.Errorf("%s, tags %v: no answer to a ping\n%s", by, tags, r.counted("rt0"))
		}
		if !r.echo(tags, 7, []byte("hello")) {
			t.Errorf("%s, tags %v: no echo\n%s", by, tags, r.counted("rt0"))
		}
	}
}

// The oob stage outlives in-band.
func TestInbandDies(t *testing.T) {
	for _, c := range []struct{ command, serial string }{
		{"inband panic", "panic: injected"},
		{"inband nil", "panic"},
		{"inband exit", ""},
		{"inband spin", ""},
	} {
		t.Run(c.command, func(t *testing.T) {
			t.Parallel()
			r := boot(t, envInject, options{})
			r.command(c.command)
			if err := r.process.WaitSerial(c.serial, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(quiet)
			r.outlives(t)
		})
	}
}

// outlives checks that 2,000 echoes, and ARP and ICMP among them, are answered with none lost.
func (r *rig) outlives(t *testing.T) {
	t.Helper()
	for i := range uint16(2000) {
		var tags []wire.VLAN
		own, ip := rtPeer, rtIP
		if i%2 == 1 {
			tags, own, ip = vlanTag, vlanPeer, vlanIP
		}
		if !r.echo(tags, 7, []byte{byte(i), byte(i >> 8)}) {
			t.Fatalf("echo %d of 2000 lost", i)
		}
		if i%100 < 2 {
			r.resolve(tags, ip, own)
			if !r.ping(tags, i) {
				t.Fatalf("ping %d lost", i)
			}
		}
	}
}

// A flood for an in-band stage that never comes by costs in-band, counted by name, and no oob frame.
func TestFloodIsCounted(t *testing.T) {
	r := boot(t, envInject, options{})
	r.command("inband exit")
	time.Sleep(quiet)
	const frames = 1000
	before := r.crossing()
	other := wire.AppendUDP(nil, r.header(nil), 40000, 7777, make([]byte, 972))
	for range frames {
		if err := r.rt.Send(other); err != nil {
			t.Fatal(err)
		}
		if !r.echo(nil, 7, []byte("through")) {
			t.Fatal("an echo was lost")
		}
	}
	time.Sleep(quiet) // what came with the last echo crosses behind its answer
	c := r.crossing()
	for i := range c {
		c[i] -= before[i]
	}
	if dropped := c[divert.InbandFull] + c[divert.InbandCapped]; c[divert.Inband]+dropped != frames || dropped < frames/2 {
		t.Errorf("of %d frames to in-band %d crossed, %d were dropped as inband_full, %d as inband_capped",
			frames, c[divert.Inband], c[divert.InbandFull], c[divert.InbandCapped])
	}
}
