package demo

import (
	"sync"
	"time"
)

// lostAfter is the virtual time after which a reply counts as lost. It exceeds the worst in-band latency under
// collection that was measured on this board (stock TamaGo and gVisor: 0.25 s).
const lostAfter = 2 * time.Second

// Tracker pairs echo requests with their replies, and frames that are forwarded with themselves, as they pass by the NICs, and keeps
// one account a flow and phase.
type Tracker struct {
	mu    sync.Mutex
	flows []account
}

// Flow is what a Tracker must know of a flow.
type Flow struct {
	Port uint16 // UDP port of the echo service: what goes there is a request
	// Of a flow that crosses the gateway: the EtherType of its frames, and the ports of the board where they enter and leave.
	EtherType uint16
	In, Out   int
}

// account is what the tracker knows of one flow.
type account struct {
	Flow
	pending map[probe]time.Duration
	early   map[probe]time.Duration // left, and not yet seen to enter: another reader tells of that port
	order   []probe                 // pending, oldest first; answered ones are skipped
	latest  time.Duration
	stats   [NumPhases]stats
}

type stats struct {
	sent, lost int
	latency    Histogram
}

// NewTracker returns a tracker of flows.
func NewTracker(flows []Flow) *Tracker {
	t := &Tracker{flows: make([]account, len(flows))}
	for i := range t.flows {
		t.flows[i] = account{Flow: flows[i], pending: map[probe]time.Duration{}, early: map[probe]time.Duration{}}
	}
	return t
}

// See takes a frame that passed the NIC of a port of the board at a time of the virtual clock.
func (t *Tracker) See(port int, at time.Duration, frame []byte) {
	if p, src, dst, ok := parseEcho(frame); ok {
		if a := t.lock(p); a != nil {
			defer t.mu.Unlock()
			switch a.Port {
			case dst:
				a.enter(p, at)
			case src:
				a.leave(p, at)
			}
		}
	} else if p, etherType, ok := parseCyclic(frame); ok {
		if a := t.lock(p); a != nil {
			defer t.mu.Unlock()
			switch {
			case etherType != a.EtherType:
			case port == a.In:
				a.enter(p, at)
			case port == a.Out:
				if _, entered := a.pending[p]; !entered {
					a.early[p] = at
				}
				a.leave(p, at)
			}
		}
	}
}

// lock returns the account that p belongs to, with t.mu held, or nil.
func (t *Tracker) lock(p probe) *account {
	if int(p.flow) >= len(t.flows) {
		return nil
	}
	t.mu.Lock()
	return &t.flows[p.flow]
}

// enter counts a probe that enters the NIC.
func (a *account) enter(p probe, at time.Duration) {
	a.latest = max(a.latest, at)
	a.stats[p.phase].sent++
	a.pending[p] = at
	a.order = append(a.order, p)
	if left, ok := a.early[p]; ok {
		a.leave(p, left)
	}
	a.expire()
}

// leave counts a probe that leaves, or its reply, if it is awaited.
func (a *account) leave(p probe, at time.Duration) {
	a.latest = max(a.latest, at)
	if sent, ok := a.pending[p]; ok {
		delete(a.pending, p)
		delete(a.early, p)
		a.stats[p.phase].latency.Add(at - sent)
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
	for p, at := range a.early { // sent twice by the gateway: the one that counts has found its own
		if a.latest-at >= lostAfter {
			delete(a.early, p)
		}
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
