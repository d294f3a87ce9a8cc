// Package demo runs the firmware in the emulator with live peers and shows both stages' latency while it runs.
//
// A real-time peer speaks raw Ethernet to the oob ports, and sends frames that rules forward from one port to the other; an in-band peer UDP and TCP to the device in QEMU's user
// network, on loopback addresses of the host. Every other phase loads in-band with HTTP requests, which make it allocate
// and collect. Latency is taken where the frames pass the NIC, from the emulator's capture and on its virtual clock
// (shared/measure.md), so it does not depend on how fast the host's programs are scheduled: within 2 µs, because virtual
// time keeps step with the host's (sleep=on), and not repeatable to the instruction, for which there is tools/bench.
//
// Stage: host. Does not support: peers on other machines; more than one in-band device.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mortise/stack/gateway"
	"mortise/tools/qemu"
)

const (
	icountShift = 3 // 8 ns an instruction: measure.md
	// release is when frames enter the NICs: at multiples of it, on the virtual clock, because the time at which the host
	// happens to bring one is known only to the slice of guest instructions that is being run. 125,000 instructions.
	release       = time.Millisecond
	bootTimeout   = 60 * time.Second // both stages serve; 5 s on a busy two-core machine
	maxPhase      = 5 * time.Second
	phasesAtLeast = 4               // in a run that ends by itself: each kind of phase twice
	settle        = time.Second     // for in-band after load: what is queued, and a collection
	drainTimeout  = 5 * time.Second // of the host's time, for the last replies
	drainPeriod   = 20 * time.Millisecond
)

// Config is what to run.
type Config struct {
	Emulator *qemu.Emulator
	Kernel   string          // the firmware
	Gateway  *gateway.Config // what the firmware was built with
	Dir      string          // for the serial log
	PCAP     string          // capture of all ports; "" keeps none
	For      time.Duration   // 0: until interrupted
	Out      io.Writer
	InPlace  bool // Out is a terminal
}

// Run boots the firmware, measures until the time is up or ctx is done, and prints the summary. It fails when something
// did not work, or an oob reply was lost in a run that was not interrupted.
func Run(ctx context.Context, c Config) (err error) {
	p, err := newPlan(c.Gateway)
	if err != nil {
		return err
	}
	s := &session{Config: c, plan: p, tracker: NewTracker(p.flows())}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.boot(ctx); err != nil {
		return ending(ctx, err)
	}
	if err := s.measure(ctx); err != nil {
		return err
	}
	interrupted := ctx.Err() != nil
	s.drain()
	s.summary()
	return Verdict(s.rows()[:len(p.oob)], s.peer.waiting(), interrupted)
}

// ending returns err, or nil when it came of the user's own ^C.
func ending(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// session is a run under way.
type session struct {
	Config
	plan    *plan
	tracker *Tracker
	machine *qemu.Process
	peer    *peer
	inband  *inbandPeer // nil: the configuration has no in-band device that can be reached
	taps    *taps
	wires   []*qemu.Wire
	start   time.Time
}

// flows returns what the tracker must know of each flow, in the table's order.
func (p *plan) flows() []Flow {
	var flows []Flow
	for _, f := range p.oob {
		if x := f.crosses; x != nil {
			flows = append(flows, Flow{EtherType: x.etherType, In: f.port, Out: x.out})
		} else {
			flows = append(flows, Flow{Port: gateway.EchoPort})
		}
	}
	for _, f := range p.inband {
		flows = append(flows, Flow{Port: f.echo})
	}
	return flows
}

// boot starts the machine and waits until both stages serve.
func (s *session) boot(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	ports, err := s.ports()
	if err != nil {
		return err
	}
	serial := filepath.Join(s.Dir, "serial.log")
	m := qemu.Machine{
		Emulator: s.Emulator, Kernel: s.Kernel, Ports: ports, Serial: serial,
		Icount: &qemu.Icount{Shift: icountShift, Sleep: true},
	}
	// The machine is stopped by close: interrupted, it still has to answer what is under way.
	if s.machine, err = m.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	if err := s.peer.resolve(ctx, s.machine.Done()); err != nil {
		return s.explain(fmt.Errorf("the firmware does not answer: %w (console: %s)", err, serial))
	}
	if s.inband != nil {
		if err := s.inband.wait(ctx, s.machine.Done()); err != nil {
			return s.explain(fmt.Errorf("%s does not serve: %w (console: %s)", s.inband.url(), err, serial))
		}
		fmt.Fprintf(s.Out, "status page  %s\n", s.inband.url())
	}
	fmt.Fprintf(s.Out, "serial log   %s\n", serial)
	if s.PCAP != "" {
		fmt.Fprintf(s.Out, "capture      %s\n", s.PCAP)
	}
	fmt.Fprintln(s.Out)
	return nil
}

// explain adds why the machine ended, if it did.
func (s *session) explain(err error) error {
	if end := s.machine.Err(); end != nil {
		return fmt.Errorf("%w: %w", err, end)
	}
	return err
}

// ports lays the cables: a wire to each port with an oob flow, the user network to the in-band device, a tap on each. Where both are
// asked for because frames are forwarded there, a hub joins them.
func (s *session) ports() ([]qemu.Port, error) {
	var err error
	if s.taps, err = newTaps(s.PCAP, s.tracker); err != nil {
		return nil, err
	}
	ports := make([]qemu.Port, len(controllers))
	wires := make([]*qemu.Wire, len(controllers))
	echoes := make([]bool, len(controllers))
	for _, f := range s.plan.oob {
		echoes[f.port] = echoes[f.port] || f.crosses == nil
		ends := []int{f.port}
		if f.crosses != nil {
			ends = append(ends, f.crosses.out)
		}
		for _, i := range ends {
			if wires[i] != nil {
				continue
			}
			w, err := qemu.NewWire()
			if err != nil {
				return nil, err
			}
			wires[i], ports[i].Net = w, w
			s.wires = append(s.wires, w)
		}
	}
	s.peer = newPeer(s.plan.oob, wires, s.tracker)
	for _, f := range s.plan.inband {
		if echoes[f.port] {
			continue // its cable leads to the real-time peer
		}
		if s.inband, err = newInbandPeer(f, uint8(len(s.plan.oob))); err != nil {
			return nil, err
		}
		ports[f.port].Net = s.inband.network()
		if w := wires[f.port]; w != nil {
			ports[f.port].Net = qemu.Hub{s.inband.network(), w}
		}
	}
	for i := range ports {
		if ports[i].Net == nil {
			continue
		}
		if ports[i].PCAP, err = s.taps.add(i); err != nil {
			return nil, err
		}
		ports[i].Release = release
	}
	return ports, nil
}

// measure sends and shows until the time is up, ctx is done or something fails.
func (s *session) measure(ctx context.Context) error {
	s.start = time.Now()
	length := maxPhase
	if s.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.For)
		defer cancel()
		length = min(length, s.For/phasesAtLeast)
	}
	screen := NewScreen(s.Out, s.InPlace)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	wg.Go(func() { stop(s.peer.run(ctx)) })
	if s.inband != nil {
		wg.Go(func() { stop(s.inband.ping(ctx)) })
	}
	for phase := Idle; ; phase = (phase + 1) % NumPhases {
		if err := s.phase(ctx, phase, length, screen); err != nil {
			return err
		}
		if cause := context.Cause(ctx); cause != nil {
			if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
				return nil
			}
			return s.explain(cause)
		}
	}
}

// phase runs one phase. In-band has come to rest when it returns.
func (s *session) phase(ctx context.Context, phase Phase, length time.Duration, screen *Screen) error {
	if s.inband != nil && phase == Loaded {
		stop := s.inband.load(ctx)
		defer func() {
			// What the load leaves behind is neither idle nor loaded: in-band's probes count in no phase meanwhile.
			s.inband.phase.Store(uint32(NumPhases))
			stop()
			select {
			case <-ctx.Done():
			case <-time.After(settle):
			}
		}()
	}
	s.setPhase(phase)
	ticker := time.NewTicker(screen.Period())
	defer ticker.Stop()
	end := time.After(length)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.machine.Done():
			return fmt.Errorf("the machine ended: %w", s.machine.Err())
		case err := <-s.taps.failed:
			return err
		case <-ticker.C:
			screen.Show(s.view(phase))
		case <-end:
			return nil
		}
	}
}

// setPhase marks the probes from now on.
func (s *session) setPhase(phase Phase) {
	s.peer.phase.Store(uint32(phase))
	if s.inband != nil {
		s.inband.phase.Store(uint32(phase))
	}
}

// drain waits for the replies that are under way.
func (s *session) drain() {
	end := time.Now().Add(drainTimeout)
	for s.tracker.Pending()+s.peer.waiting() > 0 && time.Now().Before(end) {
		time.Sleep(drainPeriod)
	}
	s.tracker.Close()
}

func (s *session) rows() []Row {
	var rows []Row
	for _, f := range s.plan.oob {
		rows = append(rows, Row{Name: f.name, Cells: s.tracker.Cells(len(rows))})
	}
	if s.inband != nil {
		rows = append(rows, Row{Name: s.inband.flow.name, Cells: s.tracker.Cells(len(rows))})
	}
	return rows
}

func (s *session) view(phase Phase) View {
	v := View{Elapsed: time.Since(s.start), Phase: phase, Rows: s.rows()}
	if s.inband != nil {
		v.Load = s.inband.loaded()
	}
	return v
}

func (s *session) summary() {
	v := s.view(Idle)
	fmt.Fprintf(s.Out, "\nsummary of %.0f s: %s\n\n%s", v.Elapsed.Seconds(), v.Load, v.Table())
}

// close ends the machine and removes what only the run needed.
func (s *session) close() error {
	var errs []error
	if s.machine != nil {
		_ = s.machine.Stop() // why it ended early, if it did, has been reported
	}
	if s.inband != nil {
		s.inband.close()
	}
	for _, w := range s.wires {
		w.Close()
	}
	if s.taps != nil {
		errs = append(errs, s.taps.close())
	}
	return errors.Join(errs...)
}

// freePort returns a loopback address of the host that nothing uses: the first free of the ports wanted, or any.
func freePort(network string, wanted ...string) (string, error) {
	for _, port := range append(wanted, "0") {
		addr := net.JoinHostPort(loopback, port)
		if network == "udp" {
			if c, err := net.ListenPacket("udp", addr); err == nil {
				defer c.Close()
				return c.LocalAddr().String(), nil
			}
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("no free %s port on %s", network, loopback)
}

// loopback is the only address that the demo listens on.
const loopback = "127.0.0.1"
