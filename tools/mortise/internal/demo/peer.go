package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mortise/stack/gateway"
	"mortise/tools/packet"
	"mortise/tools/qemu"
)

const (
	// requestPeriod makes 500 requests a second, shared by the flows.
	requestPeriod = 2 * time.Millisecond
	resolvePeriod = 200 * time.Millisecond
	receiveWait   = 50 * time.Millisecond // how soon the receiver sees that it should end
)

// peer is the real-time peer: it speaks raw Ethernet to the oob ports, and has both ends of what is forwarded.
type peer struct {
	flows   []oobFlow
	wires   []*qemu.Wire // by port of the board; nil: none
	tracker *Tracker
	phase   atomic.Uint32
	sent    atomic.Int64

	mu   sync.Mutex
	macs map[int]packet.MAC // by flow
}

func newPeer(flows []oobFlow, wires []*qemu.Wire, tracker *Tracker) *peer {
	return &peer{flows: flows, wires: wires, tracker: tracker, macs: map[int]packet.MAC{}}
}

// resolve asks for the MAC of every flow until all have answered.
func (p *peer) resolve(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	p.listen(ctx, &wg)
	for {
		missing := 0
		for i, f := range p.flows {
			if _, ok := p.mac(i); ok || f.crosses != nil {
				continue
			}
			missing++
			if err := p.wires[f.port].Send(arpRequest(f.from, f.vid, f.target)); err != nil {
				return err
			}
		}
		if missing == 0 {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the machine ended")
		case <-ctx.Done():
			return fmt.Errorf("no ARP reply from %d of %d oob ports", missing, len(p.flows))
		case <-time.After(resolvePeriod):
		}
	}
}

func (p *peer) mac(flow int) (mac packet.MAC, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mac, ok = p.macs[flow]
	return mac, ok
}

// run sends echo requests and frames to be forwarded, the flows in turn, until ctx is done. Each waits until the one before has entered the NIC, so
// that no two do at one instant of the virtual clock: the second one's latency would contain the first one's.
func (p *peer) run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.listen(ctx, &wg)
	ticker := time.NewTicker(requestPeriod)
	defer ticker.Stop()
	for seq := uint32(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if p.waiting() > 0 {
			continue
		}
		i := int(seq) % len(p.flows)
		f := &p.flows[i]
		if err := p.wires[f.port].Send(p.frame(i, probe{flow: uint8(i), phase: Phase(p.phase.Load()), seq: seq})); err != nil {
			return err
		}
		p.sent.Add(1)
		seq++
	}
}

// frame returns the frame of a flow that carries a probe.
func (p *peer) frame(flow int, pr probe) []byte {
	f := &p.flows[flow]
	if f.crosses != nil {
		return f.crosses.frame(pr)
	}
	mac, _ := p.mac(flow)
	to := station{mac: mac, addr: f.target, port: gateway.EchoPort}
	return udpFrame(f.from, to, f.vid, pr.payload())
}

// waiting returns how many requests have been sent and not entered the NIC.
func (p *peer) waiting() int { return int(p.sent.Load()) - p.tracker.Seen(len(p.flows)) }

// listen takes what the firmware sends off the wires, which would fill up otherwise, and keeps what ARP tells.
func (p *peer) listen(ctx context.Context, wg *sync.WaitGroup) {
	for port, w := range p.wires {
		if w == nil {
			continue
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				frame, err := w.Receive(receiveWait)
				if err == nil {
					p.learn(port, frame)
				} else if !errors.Is(err, qemu.ErrTimeout) {
					return
				}
			}
		})
	}
}

// learn keeps the MAC in an ARP reply.
func (p *peer) learn(port int, frame []byte) {
	vid, from, ok := parseARPReply(frame)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.flows {
		if f.crosses == nil && f.port == port && f.vid == vid && f.target == from.addr {
			p.macs[i] = from.mac
		}
	}
}
