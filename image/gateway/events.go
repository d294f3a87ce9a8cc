//go:build tamago

package main

import (
	"fmt"
	"io"
	"time"

	"mortise/drivers/nic"
	"mortise/stack/divert"
	"mortise/stack/oob"
	"mortise/stack/status"
	"mortise/stack/task"
)

// dropsPeriod is how often the counters of dropped frames are looked at.
const dropsPeriod = time.Second

// watchDrops publishes an event for each device whose frames the oob stage drops, and has what ports have carried added up, for
// ever. It looks at one device and one port at a time: whoever in-band answers then waits for little.
func (g *gatewayImage) watchDrops() {
	before := make([]uint32, len(g.devices))
	for {
		for i, d := range g.devices {
			time.Sleep(dropsPeriod / time.Duration(len(g.devices)))
			g.admin.Tally()
			n := drops(uint32(i), d)
			if n != before[i] {
				task.Publish(task.Event{Kind: task.EventDrop, Task: task.NoTask, Name: d.Name(), A: n - before[i]})
			}
			before[i] = n
		}
	}
}

// drops returns how many frames of device i the stage has dropped, modulo 2³².
func drops(i uint32, d *divert.Device) uint32 { return d.Dropped() + oob.Dropped(i) }

// publishLink publishes that a device's link has changed.
func publishLink(d *divert.Device, link nic.Link) {
	e := task.Event{Kind: task.EventLink, Task: task.NoTask, Name: d.Name()}
	if link.Up {
		e.A = 1
	}
	task.Publish(e)
}

// tellTasks lists the oob tasks.
func tellTasks(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%-16s %10s %12s %12s %12s %9s %9s %9s %7s\n", "task", "runs", "busy", "longest", "latest", "overruns", "over", "held", "faults")
	for _, s := range task.Snapshot() {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%-16s %10d %12v %12v %12v %9d %9d %9d %7d\n", s.Name, s.Runs, task.Duration(s.Busy),
			task.Duration(uint64(s.Longest)), task.Duration(uint64(s.Latest)), s.Overruns, s.OverBudget, s.Exhausted, s.Violations)
	}
	return err
}

// taskGroups shows the oob tasks of users.
func taskGroups() (groups []status.Group) {
	for _, s := range task.Snapshot() {
		if s.ID == taskWatchdog {
			continue
		}
		ns := func(ticks uint64) uint64 { return uint64(task.Duration(ticks)) }
		groups = append(groups, status.Group{Name: "task", Of: s.Name, Title: "Task " + s.Name, Counters: []status.Counter{
			{Name: "runs", Kind: status.Count, Unit: "runs", Value: uint64(s.Runs)},
			{Name: "busy", Help: "time in all runs", Kind: status.Count, Unit: "ns", Value: ns(s.Busy)},
			{Name: "longest", Help: "longest run", Kind: status.Gauge, Unit: "ns", Value: ns(uint64(s.Longest))},
			{Name: "latest", Help: "the most that a run began after its timer's expiry", Kind: status.Gauge, Unit: "ns", Value: ns(uint64(s.Latest))},
			{Name: "overruns", Help: "expiries that found it still waiting for its run", Kind: status.Count, Unit: "expiries", Value: uint64(s.Overruns)},
			{Name: "over_budget", Help: "runs that took longer than its budget", Kind: status.Count, Unit: "runs", Value: uint64(s.OverBudget)},
			{Name: "exhausted", Help: "how often it had to wait because its quota was used up", Kind: status.Count, Unit: "times", Value: uint64(s.Exhausted)},
			{Name: "violations", Help: "faults that stopped the stage in it", Kind: status.Count, Unit: "faults", Value: uint64(s.Violations)},
		}})
	}
	return groups
}
