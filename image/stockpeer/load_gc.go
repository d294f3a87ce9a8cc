//go:build tamago && load_gc

package main

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

func init() {
	loads = append(loads, func() {
		for range churners {
			go churn()
		}
	})
}

const (
	churners = 4
	// rounds is the number of trees and maps between two forced collections: about as much garbage as the collector's own
	// pace would let pile up.
	rounds = 16
)

// A tree makes the collector follow pointers.
type tree struct {
	left, right *tree
	payload     [4]int
}

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{left: grow(depth - 1), right: grow(depth - 1)}
}

// churn builds and drops trees and maps, and collects, for ever: what the gateway's churn does, but it yields after every
// tree, without which this firmware answers nothing.
func churn() {
	for n := 1; ; n++ {
		t := grow(10)
		m := make(map[int]*tree)
		for i := range 1000 {
			m[i*n] = t.left
		}
		runtime.KeepAlive(m)
		if n%rounds == 0 {
			runtime.GC()
			report()
		}
		runtime.Gosched()
	}
}

// reported is when the last report was made, in nanoseconds since the start.
var (
	reported atomic.Int64
	begin    = time.Now()
)

// report says once a second of the machine's time how often the collector ran, so that a bench sees on the console that
// there was load.
func report() {
	now, last := int64(time.Since(begin)), reported.Load()
	if now-last < int64(time.Second) || !reported.CompareAndSwap(last, now) {
		return
	}
	cycles := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(cycles)
	fmt.Printf("load: gc %d\n", cycles[0].Value.Uint64())
}
