//go:build tamago

// Package selftest is a set of oob tasks that use what stack/task has, as it is meant and as it is not, and an in-band side
// that looks at what came of it. It is in a test image only: one of the tasks commits a fault.
//
// Stage: oob.go oob, the rest in-band.
package selftest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mortise/drivers/mmio"
	"mortise/stack/task"
)

const (
	period = time.Millisecond
	budget = 100 * time.Microsecond
	quota  = 2 * time.Millisecond
	window = 10 * time.Millisecond
)

var pipe *task.Pipe

// Tasks describes the tasks: run, tick, fire and hog are their numbers.
func Tasks(run, tick, fire, hog uint32) []task.Config {
	return []task.Config{
		{ID: run, Name: "run", Budget: budget, Inband: func() { test(hog) },
			Log: []string{"", "task %d is about to fault"}},
		{ID: tick, Name: "tick", Period: period, Log: []string{"%d ticks, %d overruns"}},
		{ID: fire, Name: "fire"},
		{ID: hog, Name: "hog", Quota: quota, Window: window},
	}
}

// Init makes timer and buffer of the tasks. It follows task.Configure.
func Init(run, fire uint32) (err error) {
	if oneShot, err = task.NewTimer(fire); err != nil {
		return err
	}
	if buffer, pipe, err = task.NewBuffer(run, 1024, 1024); err != nil {
		return err
	}
	long, late = task.Ticks(2*budget), task.Ticks(2*period+period/2)
	hogTicks = task.Ticks(budget / 4)
	return nil
}

// test runs all there is, and prints SELFTEST PASS or SELFTEST FAIL.
func test(hog uint32) {
	failed := false
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"periodic", periodic}, {"echo", echo}, {"full", full}, {"one-shot", onceFired}, {"budget", overBudget},
		{"overrun", overrun}, {"overload", overload}, {"violation", violation}, {"echo after the restart", echo},
		{"periodic after the restart", periodic}, {"quota", func() error { return quotaKept(hog) }}, {"periodic beside it", periodic},
	} {
		if err := step.do(); err != nil {
			fmt.Printf("SELFTEST %s: %v\n", step.name, err)
			failed = true
			continue
		}
		fmt.Printf("ok   %s\n", step.name)
	}
	if failed {
		fmt.Println("SELFTEST FAIL")
		return
	}
	fmt.Println("SELFTEST PASS")
}

// ask sends a message, which the task has taken when it returns.
func ask(message string) error {
	_, err := io.WriteString(pipe, message)
	return err
}

// periodic sees that a task with a period runs that often.
func periodic() error {
	before, begin := mmio.Load(&ticks), time.Now()
	time.Sleep(100 * time.Millisecond)
	got, want := mmio.Load(&ticks)-before, uint32(time.Since(begin)/period)
	if got+1 < want || got > want+1 {
		return fmt.Errorf("%d runs, want %d", got, want)
	}
	return nil
}

func echo() error {
	buf := make([]byte, task.MaxMessage)
	for n := 1; n < task.MaxMessage; n += 13 {
		message := strings.Repeat("e", n)
		if err := ask(message); err != nil {
			return err
		}
		got, err := pipe.Read(buf)
		if err != nil || !bytes.Equal(buf[:got], []byte(message)) {
			return fmt.Errorf("%d bytes came back as %q, %v", n, buf[:got], err)
		}
	}
	return nil
}

// full sees that a task whose buffer in-band does not read goes on.
func full() error {
	for range 10 {
		if err := ask(strings.Repeat("e", 200)); err != nil {
			return err
		}
	}
	if _, refused := pipe.Refused(); refused == 0 {
		return errors.New("no message was refused")
	}
	for buf := make([]byte, task.MaxMessage); ; {
		if _, ok, err := pipe.TryRead(buf); err != nil || !ok {
			return err
		}
	}
}

func onceFired() error {
	if err := ask("t"); err != nil {
		return err
	}
	if err := until(func() bool { return mmio.Load(&fired) == 1 }); err != nil {
		return err
	}
	time.Sleep(10 * time.Millisecond)
	if n := mmio.Load(&fired); n != 1 {
		return fmt.Errorf("a timer set once has fired %d times", n)
	}
	return nil
}

func overBudget() error {
	s := events(task.EventBudget, "run")
	defer s.Cancel()
	if err := ask("l"); err != nil {
		return err
	}
	e, err := next(s)
	if took := task.Duration(uint64(e.A)); err == nil && (took < 2*budget || took > 4*budget) {
		err = fmt.Errorf("%v, want 200 µs or a little more", e)
	}
	return err
}

func overrun() error {
	s := events(task.EventOverrun, "tick")
	defer s.Cancel()
	before := stats("tick").Overruns
	if err := ask("o"); err != nil {
		return err
	}
	e, err := next(s)
	if n := stats("tick").Overruns - before; err == nil && (n < 1 || n > 3) {
		err = fmt.Errorf("%d overruns in two and a half periods: %v", n, e)
	}
	return err
}

func overload() error {
	s := events(task.EventOverload, "")
	defer s.Cancel()
	before, runs := task.Overloads(), mmio.Load(&state.runs)
	if err := ask("s"); err != nil {
		return err
	}
	if _, err := next(s); err != nil {
		return err
	}
	// The first run, 3 × MaxRuns of its own making, and the last of these.
	if err := until(func() bool { return mmio.Load(&state.runs)-runs == 3*task.MaxRuns+2 }); err != nil {
		return fmt.Errorf("%d runs: %w", mmio.Load(&state.runs)-runs, err)
	}
	if n := task.Overloads() - before; n != 3 {
		return fmt.Errorf("%d overloads, want 3", n)
	}
	return nil
}

func violation() error {
	s := events(task.EventViolation, "run")
	defer s.Cancel()
	lines := events(task.EventLog, "run")
	defer lines.Cancel()
	if err := ask("f"); err != nil {
		return err
	}
	if _, err := next(s); err != nil {
		return err
	}
	if _, err := next(lines); err != nil {
		return fmt.Errorf("what it said before: %w", err)
	}
	if n := stats("run").Violations; n != 1 {
		return fmt.Errorf("%d violations, want 1", n)
	}
	n := mmio.Load(&ticks)
	return until(func() bool { return mmio.Load(&ticks) > n+1 }) // restarted by the policy
}

// quotaKept sees that a task that is always ready gets its quota, and in-band the rest.
func quotaKept(hog uint32) error {
	s := events(task.EventQuota, "hog")
	defer s.Cancel()
	task.Post(hog)
	if _, err := next(s); err != nil {
		return err
	}
	before, begin := stats("hog").Busy, time.Now()
	time.Sleep(20 * window)
	busy, took := task.Duration(stats("hog").Busy-before), time.Since(begin)
	if want := took * quota / window; busy < want*9/10 || busy > want*11/10 {
		return fmt.Errorf("it ran %v of %v, want %v", busy, took, want)
	}
	return nil
}

func stats(name string) task.Stats {
	for _, s := range task.Snapshot() {
		if s.Name == name {
			return s
		}
	}
	return task.Stats{}
}

func events(kind task.Kind, name string) *task.Subscription {
	return task.Subscribe(16, func(e task.Event) bool { return e.Kind == kind && e.Name == name })
}

const patience = 5 * time.Second

func next(s *task.Subscription) (task.Event, error) {
	select {
	case e := <-s.C:
		return e, nil
	case <-time.After(patience):
		return task.Event{}, errors.New("no event")
	}
}

func until(ok func() bool) error {
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("not in time")
		}
	}
	return nil
}
