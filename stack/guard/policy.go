// Package guard is what in-band does about the oob stage's health: how often it starts the stage again after faults, and
// the crash record, memory that outlives a reset and tells the next start what the machine was doing.
//
// Stage: in-band; the two words of the crash record that oob code stores (Doing, Alone) are plain DMA memory. Does not
// support: a record across a loss of power.
package guard

import (
	"sync"
	"time"
)

// Policy decides whether the oob stage is started again after a fault: at most PerMinute times in any minute, then it stays
// down until somebody asks for it.
type Policy struct {
	mu        sync.Mutex
	perMinute int
	restarts  []time.Duration // of the last minute, at most perMinute, oldest first
	total     uint64
	gaveUp    bool
}

// window is what a minute is.
const window = time.Minute

// NewPolicy returns a policy that allows so many restarts a minute; 0 is none.
func NewPolicy(perMinute int) *Policy { return &Policy{perMinute: perMinute} }

// Fault is told of a fault at the time now, since any fixed time, and reports whether to start the stage again.
func (p *Policy) Fault(now time.Duration) (restart bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(now)
	if len(p.restarts) >= p.perMinute {
		p.gaveUp = true
		return false
	}
	p.restarts = append(p.restarts, now)
	p.total++
	return true
}

func (p *Policy) forget(now time.Duration) {
	n := 0
	for n < len(p.restarts) && now-p.restarts[n] >= window {
		n++
	}
	p.restarts = append(p.restarts[:0], p.restarts[n:]...)
}

// Command is told that somebody started the stage: the minute begins anew.
func (p *Policy) Command() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restarts, p.gaveUp = p.restarts[:0], false
	p.total++
}

// SetLimit replaces the number of restarts a minute.
func (p *Policy) SetLimit(perMinute int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.perMinute = perMinute
}

// Report is what a policy did.
type Report struct {
	PerMinute  int
	LastMinute int    // restarts by the policy
	Total      uint64 // restarts, those by command too
	GaveUp     bool   // the stage stays down
}

// Report returns what the policy did until now.
func (p *Policy) Report(now time.Duration) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(now)
	return Report{p.perMinute, len(p.restarts), p.total, p.gaveUp}
}
