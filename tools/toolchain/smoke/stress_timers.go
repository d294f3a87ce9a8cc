//go:build tamago

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// late is when a timer is lost: it is about loss, not about latency.
const late = time.Minute

func stressTimers(n int) error {
	var fired atomic.Int32
	done := make(chan struct{})
	d := time.Duration(n%7) * time.Millisecond
	start := time.Now()
	stopped := time.AfterFunc(time.Hour, func() { fired.Add(100) })
	time.AfterFunc(d, func() { fired.Add(1); close(done) })
	stopped.Reset(2 * time.Hour)

	select {
	case <-done:
	case <-time.After(late):
		return fmt.Errorf("a timer of %v is lost", d)
	}
	if took := time.Since(start); took < d {
		return fmt.Errorf("a timer of %v fired after %v", d, took)
	}
	if !stopped.Stop() || fired.Load() != 1 {
		return fmt.Errorf("fired %d times", fired.Load())
	}

	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	start = time.Now()
	time.Sleep(d / 2)
	<-ctx.Done()
	if took := time.Since(start); ctx.Err() != context.DeadlineExceeded || took < d/2 {
		return fmt.Errorf("a deadline of %v: %v after %v", d, ctx.Err(), took)
	}
	return nil
}

// stressTickers counts a ticker's ticks, none of which may come before its
// time, then takes another period, then none.
func stressTickers(n int) error {
	const period = 2 * time.Millisecond

	tick := time.NewTicker(period)
	defer tick.Stop()
	lost := time.After(late)
	for _, every := range []time.Duration{period, period + time.Duration(n%3)*time.Millisecond} {
		start := time.Now()
		tick.Reset(every)
		for i := range 3 {
			select {
			case <-tick.C:
				if took, least := time.Since(start), time.Duration(i+1)*every; took < least {
					return fmt.Errorf("tick %d of %v after %v", i, every, took)
				}
			case <-lost:
				return fmt.Errorf("tick %d of %v is lost", i, every)
			}
		}
	}
	tick.Stop()
	select {
	case <-tick.C:
		return errors.New("a stopped ticker ticks")
	case <-time.After(2 * period):
		return nil
	}
}
