package inband

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mortise/tools/packet"
	"mortise/tools/qemu"
)

const (
	shift = 3 // 8 ns an instruction, 125 MIPS
	// release is how often the host acts, virtual time: maxBurst full-size frames in it are 96 Mbit/s.
	release = time.Millisecond

	passTimeout = 60 * time.Second // of the host's clock, for a release
	runDeadline = 5 * time.Minute
	bootRounds  = 8000
	askEvery    = 16
	// stall is how many releases may pass without progress: 5 s of virtual time.
	stall = 5000
)

// session is a conversation with one guest, a release at a time.
type session struct {
	tick, lan *qemu.Wire // to ENET1, which releases, and ENET2
	barrier   *qemu.Barrier
	process   *qemu.Process
	monitor   *qemu.Monitor
	guest     packet.MAC
	asked     bool // the guest wants our MAC address
	out       [][]byte
	conn      *conn
	datagrams int
	garbled   int
	port      uint16 // of the last connection
	passed    int    // releases
}

// start boots kernel. Without a monitor the session depends on virtual time alone: to open one takes the host's time, in
// releases.
func start(ctx context.Context, e *qemu.Emulator, kernel, dir, name string, monitored bool) (s *session, err error) {
	s = &session{port: 40000}
	if s.tick, err = qemu.NewWire(); err != nil {
		return nil, err
	}
	if s.lan, err = qemu.NewWire(); err != nil {
		return nil, err
	}
	if s.barrier, err = qemu.NewBarrier(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	monitor, err := os.MkdirTemp("", "mortise-inband-") // a unix socket's path must be short
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(monitor)
	socket := filepath.Join(monitor, "qmp")
	machine := qemu.Machine{
		Emulator: e, Kernel: kernel,
		Ports: []qemu.Port{
			{Net: s.tick, Release: release, Barrier: s.barrier},
			{Net: s.lan, Release: release},
		},
		Icount:   &qemu.Icount{Shift: shift},
		Serial:   filepath.Join(dir, name+".log"),
		Deadline: runDeadline,
		Steady:   true,
	}
	if monitored {
		machine.Args = qemu.MonitorArgs(socket)
	}
	if err := s.tick.Send(cable.Filler()); err != nil {
		return nil, err
	}
	if s.process, err = machine.Start(ctx); err != nil {
		return nil, err
	}
	if !monitored {
		return s, s.boot(nil)
	}
	// Before the first barrier: from then on the emulator answers between releases only.
	opened := make(chan error, 1)
	go func() {
		var err error
		s.monitor, err = qemu.OpenMonitor(socket)
		opened <- err
	}()
	return s, s.boot(opened)
}

func (s *session) close() {
	if s.process != nil {
		s.process.Stop()
	}
	if s.monitor != nil {
		s.monitor.Close()
	}
	s.barrier.Close()
	s.tick.Close()
	s.lan.Close()
}

// boot waits until the guest answers ARP and the monitor is there, if one is to be opened.
func (s *session) boot(opened <-chan error) error {
	if _, err := s.barrier.Wait(passTimeout); err != nil {
		return s.explain(err)
	}
	monitor := opened == nil
	for i := 0; s.guest == (packet.MAC{}) || !monitor; i++ {
		if i >= bootRounds && s.guest == (packet.MAC{}) {
			return fmt.Errorf("the guest does not answer ARP for %v in %d ms", cable.Peer, bootRounds)
		}
		if i%askEvery == 0 && s.guest == (packet.MAC{}) {
			s.out = append(s.out, cable.ARP(packet.ARPRequest, packet.Broadcast))
		}
		if err := s.round(); err != nil {
			return err
		}
		select {
		case err := <-opened:
			if err != nil {
				return err
			}
			monitor = true
		default:
		}
	}
	return s.rounds(200) // until the firmware has started everything and is quiet
}

// round lets a release of virtual time pass. What was queued is with the emulator before, and enters the NIC at the end
// of the release; what the guest has sent meanwhile has been looked at.
func (s *session) round() error {
	if s.conn != nil {
		for _, segment := range s.conn.output() {
			s.send(segment)
		}
		if s.conn.err != nil {
			return s.conn.err
		}
	}
	if s.asked {
		s.asked = false
		s.out = append(s.out, cable.ARP(packet.ARPReply, s.guest))
	}
	n := min(len(s.out), maxBurst)
	for _, frame := range s.out[:n] {
		if err := s.lan.Send(frame); err != nil {
			return s.explain(err)
		}
	}
	s.out = s.out[n:]
	if err := s.tick.Send(cable.Filler()); err != nil {
		return s.explain(err)
	}
	if err := s.barrier.Pass(); err != nil {
		return s.explain(err)
	}
	if _, err := s.barrier.Wait(passTimeout); err != nil {
		return s.explain(err)
	}
	s.passed++
	for {
		frame, ok := s.lan.Poll()
		if !ok {
			return nil
		}
		s.take(frame)
	}
}

func (s *session) rounds(n int) error {
	for range n {
		if err := s.round(); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) send(segment packet.Segment) { s.out = append(s.out, cable.TCP(s.guest, &segment)) }

func (s *session) take(frame []byte) {
	p, ok := parse(frame)
	switch {
	case !ok:
		s.garbled++
	case p.arp == packet.ARPRequest:
		s.asked = true
	case p.arp == packet.ARPReply:
		s.guest = p.source
	case p.tcp != nil:
		if s.conn != nil {
			for _, segment := range s.conn.input(p.tcp) {
				s.send(segment)
			}
		}
	default:
		s.datagrams++
	}
}

// until lets time pass until done says so. progress is a number that grows: where it stands still, so does the guest.
func (s *session) until(what string, done func() bool, progress func() int) error {
	last, since := -1, 0
	for !done() {
		if now := progress(); now != last {
			last, since = now, 0
		} else if since++; since > stall {
			return fmt.Errorf("%s: no progress for %v at %d", what, stall*release, now)
		}
		if err := s.round(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// connect opens a connection to a port of the guest; the one before must be closed.
func (s *session) connect(port uint16) error {
	s.port++
	s.conn = newConn(s.port, port)
	return s.until(fmt.Sprintf("connect to TCP port %d", port), func() bool { return s.conn.state == open && s.conn.unanswered == 0 },
		func() int { return 0 })
}

// disconnect ends the connection at once, if there is one.
func (s *session) disconnect() error {
	if s.conn == nil {
		return nil
	}
	s.send(s.conn.segment(packet.RST|packet.ACK, nil))
	s.conn = nil
	return s.rounds(20) // until what was on its way has come
}

// instructions returns how many the guest has executed. Virtual time goes on meanwhile, some releases.
func (s *session) instructions() (int64, error) {
	type answer struct {
		n   int64
		err error
	}
	got := make(chan answer, 1)
	go func() {
		n, err := s.monitor.Instructions()
		got <- answer{n, err}
	}()
	for {
		select {
		case a := <-got:
			return a.n, a.err
		default:
		}
		if err := s.round(); err != nil {
			return 0, err
		}
	}
}

// explain adds why the emulator ended, if it has.
func (s *session) explain(err error) error {
	select {
	case <-s.process.Done():
		if why := s.process.Err(); why != nil {
			return why
		}
	case <-time.After(100 * time.Millisecond):
	}
	if errors.Is(err, qemu.ErrTimeout) {
		return fmt.Errorf("no release in %v: the guest stands still", passTimeout)
	}
	return err
}
