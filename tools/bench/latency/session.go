package latency

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"mortise/tools/packet"
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
	noise   peer       // who sends the flood
	guest   packet.MAC // of the guest's address, once it has told
	wire    *qemu.Wire
	far     *qemu.Wire // lan0's, where what is forwarded comes out; nil: nothing is, or bulk has it
	clock   *qemu.Wire // whose frames the releases are; nil: those of wire
	barrier *qemu.Barrier
	process *qemu.Process
	console console
	bulk    *bulk    // nil: none
	pending [][]byte // ARP replies that the guest waits for

	answered map[stream]int // replies so far
	rounds   int
}

// run has the guest answer requests, as the case says.
func (s *session) run(c *Case) (map[Load]Told, error) {
	l := map[Load]Told{}
	if err := s.boot(c.bootRounds(), c.askEvery()); err != nil {
		return l, err
	}
	if err := s.warm(c); err != nil {
		return l, err
	}
	before := maps.Clone(s.told(c))
	for i := range c.Requests {
		if err := s.ask(c, measured, uint32(i)); err != nil {
			return l, fmt.Errorf("request %d: %w", i, err)
		}
	}
	for i := 0; i < c.tailRounds() && c.Mode != Task && s.answered[measured] < c.Requests; i++ {
		if err := s.round(s.peer.Filler()); err != nil {
			return l, err
		}
	}
	for kind, n := range s.told(c) {
		l[kind] = Told{before[kind], n}
	}
	return l, nil
}

// queueFirst queues the frame of the first release. It must be there when the emulator starts: virtual time would run
// until it comes.
func (s *session) queueFirst() error {
	if s.clock != nil {
		return s.clock.Send(s.peer.Filler())
	}
	return s.wire.Send(s.peer.Filler())
}

// boot waits until the guest answers ARP. Time passes in releases from reset on, so that the rest of the session begins
// at the same virtual time in every run.
func (s *session) boot(limit, askEvery int) error {
	if _, err := s.barrier.Wait(roundTimeout); err != nil {
		return s.explain(err)
	}
	for s.guest == (packet.MAC{}) {
		if s.rounds >= limit {
			return fmt.Errorf("guest does not answer ARP for %v (VLAN %d) in %d releases of frames", s.peer.Peer,
				s.peer.VID, s.rounds)
		}
		frame := s.peer.Filler()
		if s.rounds%askEvery == 0 {
			frame = s.peer.ARP(packet.ARPRequest, packet.Broadcast)
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
			return fmt.Errorf("guest answered %d of %d requests to UDP port %d while warming up; its load on the console: %v",
				s.answered[warmUp], i, s.peer.port, s.told(c))
		}
		if err := s.ask(c, warmUp, uint32(i)); err != nil {
			return err
		}
		ready++
		if c.Mode != Task && s.answered[warmUp] == 0 || !s.busy(c) || s.behind(c, i) {
			ready = 0
		}
	}
	return nil
}

// behind reports whether the guest still has requests to answer from before. QEMU keeps what comes in before the NIC is
// up, and while that is worked off, requests wait in QEMU. In-band may lose some: it is not waited for.
func (s *session) behind(c *Case, asked int) bool {
	const underWay = 2
	return (c.Mode == Oob || c.Mode == Socket || c.Mode == Rules) && c.Guest == "" && s.answered[warmUp]+underWay < asked
}

// busy reports whether the case's load is seen to run.
func (s *session) busy(c *Case) bool {
	told := s.told(c)
	for _, kind := range telling {
		n, ok := told[kind]
		if c.loaded(kind) && (!ok || n == 0 && kind != kindLinux) { // a Linux guest says 0 when it starts its load
			return false
		}
	}
	return !c.flows() || s.bulk.acked > 0
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
	if s.far != nil {
		for {
			frame, ok := s.far.Poll()
			if !ok {
				break
			}
			s.arrive(frame)
		}
	}
	if s.bulk == nil {
		return nil
	}
	return s.bulk.step(s.arrive)
}

// take looks at a frame of the guest's.
func (s *session) take(frame []byte) {
	p, ok := packet.Parse(frame)
	if !ok || p.VID != s.peer.VID && p.VID != s.noise.VID {
		return
	}
	if m, ok := p.ARP(); ok {
		s.takeARP(m)
		return
	}
	d, ok := p.UDP()
	if !ok || p.Destination != peerMAC {
		return
	}
	if kind, _, ok := parsePayload(d.Payload); ok {
		s.answered[kind]++
	}
}

func (s *session) takeARP(m packet.ARPMessage) {
	switch {
	case m.Operation == packet.ARPReply && m.Source == s.peer.Peer:
		s.guest = m.Sender
	case m.Operation == packet.ARPRequest && m.Target == s.peer.Addr:
		s.pending = append(s.pending, s.peer.ARP(packet.ARPReply, m.Sender))
	case m.Operation == packet.ARPRequest && m.Target == s.noise.Addr:
		s.pending = append(s.pending, s.noise.ARP(packet.ARPReply, m.Sender))
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

// Told is how often the guest's load had done its work by its own count, before and after the measured requests.
type Told struct{ Before, After int }

// telling are the loads that say on the console, once a second of their time, how often they have done their work: the
// collections of gc, the reloads of reload, the rounds of a Linux guest's.
var telling = []Load{kindGC, kindReload, kindLinux}

var loadLine = regexp.MustCompile(`(?m)^load: (\w+) (\d+)\r?$`)

// told returns what the loads of c that do so have told last.
func (s *session) told(c *Case) map[Load]int {
	if !slices.ContainsFunc(telling, c.loaded) {
		return nil
	}
	s.console.read()
	return s.console.counts
}

// console is what the loads have told in the serial log at path, which is read on from where it was read to before: some
// loads write a lot.
type console struct {
	path   string
	offset int64
	counts map[Load]int
}

func (c *console) read() {
	f, err := os.Open(c.path)
	if err != nil {
		return // not there yet
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, c.offset, math.MaxInt64-c.offset))
	if err != nil {
		return
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1] // whole lines
	c.offset += int64(len(text))
	if c.counts == nil {
		c.counts = map[Load]int{}
	}
	for _, line := range loadLine.FindAllSubmatch(text, -1) {
		if n, err := strconv.Atoi(string(line[2])); err == nil {
			c.counts[Load(line[1])] = n
		}
	}
}
