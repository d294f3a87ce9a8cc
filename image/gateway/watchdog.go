//go:build tamago

package main

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"mortise/board/mx6ullevk"
	"mortise/drivers/gic"
	"mortise/drivers/mmio"
	"mortise/drivers/wdog"
	"mortise/stack/guard"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// In-band beats four times in a timeout, and at least so often: half of the silence that the oob stage's timer can wait for
// at any rate of its counter (2^30 ticks, 17 s at QEMU's 62.5 MHz).
const longestBeat = 4 * time.Second

// dogIRQ is the watchdog's warning.
const dogIRQ = mx6ullevk.WatchdogIRQ

// The words of doing, where oob code, which does not import stack/guard, finds them.
const (
	doingKick = guard.DoingKick
	doingTask = guard.DoingTask
)

// The record fits.
const _ = uint(mx6ullevk.CrashSize - guard.RecordSize)

// openRecord looks what the run before left, and tells.
func (g *gatewayImage) openRecord() {
	start, end := runtime.TextRegion()
	text := unsafe.Slice((*uint32)(unsafe.Pointer(uintptr(start))), (end-start)/4)
	g.record, g.crash = guard.Open(mx6ullevk.CrashBase, guard.Firmware{Version: version, Image: guard.Sum(text)})
	doingWord, aloneWord = g.record.Doing(), g.record.Alone()
	if g.crash == nil {
		return
	}
	if t := g.crash.Trace; t != nil {
		g.crash.Report = t.Fault(g.crash.Same).String()
	}
	if wdog.TimedOut(mx6ullevk.WatchdogBase) {
		fmt.Println("reset by the watchdog")
	}
	fmt.Print(g.crash)
}

// startWatchdog begins to beat, and starts the watchdog if the configuration asks for it.
func (g *gatewayImage) startWatchdog() error {
	period := longestBeat
	if w := g.cfg.Watchdog; w.Timeout != 0 {
		period = min(w.Timeout/4, period)
		if w.Inband {
			dogStrict = 1
		}
		dogSilence = uint32(2 * uint64(period) * uint64(stage.TicksPerSecond()) / uint64(time.Second))
		if err := wdog.Start(mx6ullevk.WatchdogBase, w.Timeout); err != nil {
			return err
		}
		dogBase = mx6ullevk.WatchdogBase
		mx6ullevk.GIC.Assign(dogIRQ, gic.Oob)
		mx6ullevk.GIC.SetPriority(dogIRQ, gic.PriorityWarning)
	}
	g.beat() // from here on the oob stage can go on alone, even if no goroutine ever runs again
	go func() {
		for {
			time.Sleep(period)
			g.beat()
		}
	}()
	return nil
}

// beat notes how things are, and feeds the watchdog if the oob stage is well: it has made progress since the last beat, or
// answers a kick, or has been stopped.
func (g *gatewayImage) beat() {
	s := stage.Statistics()
	now := time.Since(g.started)
	g.record.Beat(guard.Beat{
		Uptime: now, Activations: s.Activations, Faults: s.Faults, Restarts: uint32(g.policy.Report(now).Total),
		Serving: stage.Running(),
	})
	if dogBase == 0 {
		return
	}
	progress := s.Activations != g.beatAt
	if stage.Running() && !progress {
		stage.Kick() // its activation has ended when the next statement begins
		s = stage.Statistics()
		progress = s.Activations != g.beatAt || !stage.Running()
	}
	g.beatAt = s.Activations
	if stage.Running() && !progress {
		return
	}
	wdog.Feed(dogBase)
	wdog.Quiet(dogBase)
	mx6ullevk.GIC.Enable(dogIRQ) // whoever takes the warning disables it
	if stage.Running() {
		postpone()
	}
}

// postpone moves on the time at which the oob stage goes on alone.
func postpone() {
	due := stage.Time() + uint64(dogSilence)
	mmio.Store(&dogDue, uint32(due))
	if mmio.Load(&dogOn) == 0 {
		mmio.Store(&dogOn, 1)
		task.Post(taskWatchdog)
	} else if !watchdogTimer.Postpone(due) {
		task.Post(taskWatchdog) // the stage was started anew since
	}
}
