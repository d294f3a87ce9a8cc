//go:build tamago

package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

func init() {
	register(
		check{"sleep", sleep},
		check{"timers", timers},
		check{"clock", clock},
		check{"wake", wake},
	)
}

func sleep() error {
	const d = 20 * time.Millisecond

	start := time.Now()
	time.Sleep(d)
	if got := time.Since(start); got < d || got > 50*d {
		return fmt.Errorf("slept %v, want %v", got, d)
	}
	return nil
}

func timers() error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 5 {
		<-tick.C
	}

	var fired atomic.Int32
	time.AfterFunc(time.Millisecond, func() { fired.Add(1) })
	stopped := time.AfterFunc(5*time.Millisecond, func() { fired.Add(100) })
	if !stopped.Stop() {
		return fmt.Errorf("Stop found the timer fired")
	}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	<-ctx.Done()

	if ctx.Err() != context.DeadlineExceeded || fired.Load() != 1 {
		return fmt.Errorf("%v, fired %d, want 1", ctx.Err(), fired.Load())
	}
	return nil
}

func clock() error {
	a := time.Now()
	for range 1000 {
		b := time.Now()
		if b.Before(a) || b.UnixNano() < a.UnixNano() {
			return fmt.Errorf("time went from %v to %v", a, b)
		}
		a = b
	}

	t := time.Date(2026, 9, 5, 3, 51, 2, 0, time.UTC)
	if got := t.Add(48*time.Hour + 9*time.Second).Format(time.RFC1123Z); got != "Mon, 07 Sep 2026 03:51:11 +0000" {
		return fmt.Errorf("formatted %q", got)
	}
	if time.Local.String() != "UTC" && time.Local.String() != "Local" {
		return fmt.Errorf("local zone %v", time.Local)
	}
	return nil
}

// wake ends another goroutine's time.Sleep.
func wake() error {
	sleeper, woken := make(chan uint, 1), make(chan time.Duration)
	go func() {
		gp, _ := runtime.GetG()
		sleeper <- gp
		start := time.Now()
		time.Sleep(time.Minute)
		woken <- time.Since(start)
	}()

	gp := <-sleeper
	time.Sleep(2 * time.Millisecond)
	if !runtime.Wake(gp) {
		return fmt.Errorf("request refused")
	}

	select {
	case d := <-woken:
		if d > 10*time.Second {
			return fmt.Errorf("woken after %v", d)
		}
	case <-time.After(5 * time.Second):
		return fmt.Errorf("not woken")
	}
	return nil
}
