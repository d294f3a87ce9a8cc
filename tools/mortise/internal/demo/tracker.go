package demo

import (
	"sync"
	"time"
)

// lostAfter is the virtual time after which a reply counts as lost. It exceeds the worst in-band latency under
// collection that was measured on this board (stock TamaGo and gVisor: 0.25 s).
const lostAfter = 2 * time.Second

// Tracker pairs echo requests with their replies as they pass by the NIC, and keeps one account a flow and phase.
type Tracker struct {
	mu    sync.Mutex
	flows []account
}

// account is what the tracker knows of one flow.
type account struct {
	port    uint16 // UDP port of the echo service: what goes there is a request
	pending map[probe]time.Duration
	order   []probe // pending, oldest first; answered ones are skipped
	latest  time.Duration
	stats   [NumPhases]stats
}

type stats struct {
	sent, lost int
	latency    Histogram
}

// NewTracker returns a tracker of flows whose echo services are at the given UDP ports.
func NewTracker(ports []uint16) *Tracker {
	t := &Tracker{flows: make([]account, len(ports))}
	for i := range t.flows {
		t.flows[i] = account{port: ports[i], pending: map[probe]time.Duration{}}
	}
	return t
}

// See takes a frame that passed the NIC at a time of the virtual clock.
func (t *Tracker) See(at time.Duration, frame []byte) {
	p, src, dst, ok := parseEcho(frame)
	if !ok || int(p.flow) >= len(t.flows) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &t.flows[p.flow]
	a.latest = max(a.latest, at)
	switch a.port {
	case dst:
		a.stats[p.phase].sent++
		a.pending[p] = at
		a.order = append(a.order, p)
	case src:
		if sent, ok := a.pending[p]; ok {
			delete(a.pending, p)
			a.stats[p.phase].latency.Add(at - sent)
		}
	}
	a.expire()
}

// expire gives up the requests that are too old.
func (a *account) expire() {
	for len(a.order) > 0 {
		p := a.order[0]
		sent, waiting := a.pending[p]
		if waiting && a.latest-sent < lostAfter {
			return
		}
		if waiting {
			delete(a.pending, p)
			a.stats[p.phase].lost++
		}
		a.order = a.order[1:]
	}
}

// Pending returns how many requests wait for their reply.
func (t *Tracker) Pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for i := range t.flows {
		n += len(t.flows[i].pending)
	}
	return n
}

// Seen returns how many requests of the first flows have entered the NIC.
func (t *Tracker) Seen(flows int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for i := range t.flows[:flows] {
		for phase := range t.flows[i].stats {
			n += t.flows[i].stats[phase].sent
		}
	}
	return n
}

// Close gives up every request that still waits.
func (t *Tracker) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.flows {
		a := &t.flows[i]
		for p := range a.pending {
			a.stats[p.phase].lost++
		}
		a.pending, a.order = map[probe]time.Duration{}, nil
	}
}

// Cell is the account of one flow in one phase.
type Cell struct {
	Sent, Lost       int
	Answered         int
	Median, P99, Max time.Duration
}

// Cells returns a flow's account, a cell a phase.
func (t *Tracker) Cells(flow int) (cells [NumPhases]Cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for phase := range cells {
		s := &t.flows[flow].stats[phase]
		q := s.latency.Quantiles(0.5, 0.99, 1)
		cells[phase] = Cell{Sent: s.sent, Lost: s.lost, Answered: s.latency.Count(), Median: q[0], P99: q[1], Max: q[2]}
	}
	return cells
}
