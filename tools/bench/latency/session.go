package latency

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"mortise/tools/qemu"
)

const (
	// roundTimeout is how long, on the host's clock, a release may take: a guest that computes all the time needs as
	// long as the emulator takes for a release's instructions.
	roundTimeout = 30 * time.Second
	// bootRounds bounds the releases until the guest answers. QEMU keeps the frames for a NIC that is not up yet, and
	// drops at 10,000 (net/queue.c), so the bound is below that.
	bootRounds = 8000
	// askEvery is how many releases there are to an ARP request during boot: all are answered at once in the end.
	askEvery = 16
	// warmUpRounds is the least number of requests in front of those that are measured: in-band resolves our address
	// with the first, and the code they pass is no longer new to anything.
	warmUpRounds = 64
	warmUpLimit  = 10000
	// tailRounds bounds the releases that wait for the replies to the last requests.
	tailRounds = 64
)

// session is a conversation with one guest, a release at a time. Between two rounds virtual time stands still.
type session struct {
	peer    peer
	noise   peer // who sends the flood
	guest   MAC  // of the guest's address, once it has told
	wire    *qemu.Wire
	clock   *qemu.Wire // whose frames the releases are; nil: those of wire
	barrier *qemu.Barrier
	process *qemu.Process
	bulk    *bulk    // nil: none
	pending [][]byte // ARP replies that the guest waits for

	answered map[stream]int // replies so far
	rounds   int
}

// run has the guest answer requests, as the case says.
func (s *session) run(c *Case) (load, error) {
	var l load
	if err := s.boot(c.bootRounds(), c.askEvery()); err != nil {
		return l, err
	}
	if err := s.warm(c); err != nil {
		return l, err
	}
	l.before = s.loadCount()
	for i := range c.Requests {
		if err := s.ask(c, measured, uint32(i)); err != nil {
			return l, fmt.Errorf("request %d: %w", i, err)
		}
	}
	for i := 0; i < c.tailRounds() && s.answered[measured] < c.Requests; i++ {
		if err := s.round(s.peer.filler()); err != nil {
			return l, err
		}
	}
	l.after = s.loadCount()
	return l, nil
}

// queueFirst queues the frame of the first release. It must be there when the emulator starts: virtual time would run
// until it comes.
func (s *session) queueFirst() error {
	if s.clock != nil {
		return s.clock.Send(s.peer.filler())
	}
	return s.wire.Send(s.peer.filler())
}

// boot waits until the guest answers ARP. Time passes in releases from reset on, so that the rest of the session begins
// at the same virtual time in every run.
func (s *session) boot(limit, askEvery int) error {
	if _, err := s.barrier.Wait(roundTimeout); err != nil {
		return s.explain(err)
	}
	for s.guest == (MAC{}) {
		if s.rounds >= limit {
			return fmt.Errorf("guest does not answer ARP for %v (VLAN %d) in %d releases of frames", s.peer.guest,
				s.peer.vid, s.rounds)
		}
		frame := s.peer.filler()
		if s.rounds%askEvery == 0 {
			frame = s.peer.arp(arpRequest, broadcast)
		}
		if err := s.round(frame); err != nil {
			return err
		}
	}
	return nil
}

// warm sends requests that do not count until the guest answers them, its load, if it has any, is seen to run, and that
// has been so for warmUpRounds of them.
func (s *session) warm(c *Case) error {
	for i, ready := 0, 0; ready < warmUpRounds; i++ {
		if i >= warmUpLimit {
			return fmt.Errorf("guest answered %d of %d requests to UDP port %d while warming up; load on its console: %v",
				s.answered[warmUp], i, s.peer.port, s.loadCount() >= 0)
		}
		if err := s.ask(c, warmUp, uint32(i)); err != nil {
			return err
		}
		ready++
		if s.answered[warmUp] == 0 || !s.busy(c) || s.behind(c, i) {
			ready = 0
		}
	}
	return nil
}

// behind reports whether the guest still has requests to answer from before. QEMU keeps what comes in before the NIC is
// up, and while that is worked off, requests wait in QEMU. In-band may lose some: it is not waited for.
func (s *session) behind(c *Case, asked int) bool {
	const underWay = 2
	return c.Port == echoPort && c.Guest == "" && s.answered[warmUp]+underWay < asked
}

// busy reports whether the case's load is seen to run.
func (s *session) busy(c *Case) bool {
	return (!c.loaded(kindGC) && !c.loaded(kindLinux) || s.loadCount() >= 0) && (!c.flows() || s.bulk.acked > 0)
}

// ask sends one request and what goes with it.
func (s *session) ask(c *Case, kind stream, sequence uint32) error {
	for _, frames := range c.frames(s, kind, sequence) {
		if err := s.round(frames...); err != nil {
			return err
		}
	}
	return nil
}

// round queues frames for the next release, lets the frame that waits at the NIC in, and returns when the last of
// frames waits there. What the guest has sent until then has been looked at. The guest's own ARP requests are answered
// in a round of their own, in front.
func (s *session) round(frames ...[]byte) error {
	if pending := s.pending; pending != nil {
		s.pending = nil
		if err := s.release(pending); err != nil {
			return err
		}
	}
	return s.release(frames)
}

func (s *session) release(frames [][]byte) error {
	s.rounds++
	if s.clock != nil {
		var err error
		if frames, err = s.sendGuest(frames); err != nil {
			return s.explain(err)
		}
	} else {
		for _, frame := range frames {
			if err := s.wire.Send(frame); err != nil {
				return s.explain(err)
			}
		}
	}
	for range frames {
		if err := s.barrier.Pass(); err != nil {
			return s.explain(err)
		}
		if _, err := s.barrier.Wait(roundTimeout); err != nil {
			return s.explain(err)
		}
	}
	for {
		frame, ok := s.wire.Poll()
		if !ok {
			break
		}
		s.take(frame)
	}
	if s.bulk == nil {
		return nil
	}
	return s.bulk.step()
}

// take looks at a frame of the guest's.
func (s *session) take(frame []byte) {
	p, ok := parsePacket(frame)
	if !ok || p.vid != s.peer.vid && p.vid != s.noise.vid {
		return
	}
	if m, ok := p.arp(); ok {
		s.takeARP(m)
		return
	}
	data, ok := p.udp()
	if !ok || p.destination != peerMAC {
		return
	}
	if kind, _, ok := parsePayload(data); ok {
		s.answered[kind]++
	}
}

func (s *session) takeARP(m message) {
	switch {
	case m.operation == arpReply && m.source == s.peer.guest:
		s.guest = m.sender
	case m.operation == arpRequest && m.target == s.peer.addr:
		s.pending = append(s.pending, s.peer.arp(arpReply, m.sender))
	case m.operation == arpRequest && m.target == s.noise.addr:
		s.pending = append(s.pending, s.noise.arp(arpReply, m.sender))
	}
}

// explain adds why the emulator ended, if it has.
func (s *session) explain(err error) error {
	select {
	case <-s.process.Done():
		if why := s.process.Err(); why != nil {
			return why
		}
	case <-time.After(100 * time.Millisecond): // the socket tells before the process's end is seen
	}
	if errors.Is(err, qemu.ErrTimeout) {
		return fmt.Errorf("no release in %v: the guest stands still", roundTimeout)
	}
	return err
}

// load is what the guest said of its own load, before and after the measured requests: garbage collections, or rounds of
// a Linux guest's load; -1: nothing.
type load struct{ before, after int }

var loadLine = regexp.MustCompile(`(?m)^load: (?:gc|rounds) (\d+)\r?$`)

// loadCount returns the number that the guest has printed last, -1 for none.
func (s *session) loadCount() int {
	text, err := s.process.Serial()
	if err != nil {
		return -1
	}
	return parseLoad(text)
}

func parseLoad(text string) int {
	lines := loadLine.FindAllStringSubmatch(text, -1)
	if lines == nil {
		return -1
	}
	n, err := strconv.Atoi(lines[len(lines)-1][1])
	if err != nil {
		return -1
	}
	return n
}
