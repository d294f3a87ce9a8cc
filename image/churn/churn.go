// Package churn is the in-band load of LOAD=gc: trees and maps that are built and dropped, and collected. It is the same code in
// our firmware and in the one of stock TamaGo that it is compared with (image/stockpeer), which answers nothing unless it
// yields.
//
// Stage: in-band. Does not support: anything but tests.
package churn

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

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

// Start starts the goroutines that do it, for ever. If they do not yield of their own accord, another goroutine runs when the
// runtime blocks one of them for the sake of a collection.
func Start(yields bool) {
	for range churners {
		go churn(yields)
	}
}

func churn(yields bool) {
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
		if yields {
			runtime.Gosched()
		}
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
