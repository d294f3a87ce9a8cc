package qemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Barrier stops virtual time whenever a frame is about to enter the NIC, until the host lets it pass. Meanwhile the host
// takes what the guest has sent so far and queues what comes next: what it decides depends on virtual time alone.
//
// It is two of QEMU's filter-mirror objects in a row, each writing a copy of the frame to a socket that the host keeps
// full. QEMU repeats a write that finds no room, on the thread that runs the guest and with its global lock held, so
// neither the guest nor the virtual clock moves. Two are needed because a socket can be filled again only when QEMU is
// known to be elsewhere: it waits at one while the host fills the other.
type Barrier struct {
	gates   [2]gate
	waiting bool // QEMU waits at the second gate
}

// errEnded is what a wait returns when there is no emulator left to wait for.
var errEnded = errors.New("the emulator has ended")

// NewBarrier returns a barrier for one Machine.
func NewBarrier() (*Barrier, error) {
	b := new(Barrier)
	for i := range b.gates {
		if err := b.gates[i].init(); err != nil {
			b.Close()
			return nil, fmt.Errorf("barrier: %w", err)
		}
	}
	return b, nil
}

// Wait waits for the next frame and returns a copy of it. Virtual time stands still from then until Pass.
func (b *Barrier) Wait(timeout time.Duration) ([]byte, error) {
	if b.waiting {
		return nil, errors.New("barrier: a frame is waiting already")
	}
	deadline := time.Now().Add(timeout)
	frame, err := b.advance(deadline)
	if err != nil {
		return nil, fmt.Errorf("barrier: %w", err)
	}
	b.waiting = true
	return frame, nil
}

func (b *Barrier) advance(deadline time.Time) ([]byte, error) {
	first, second := &b.gates[0], &b.gates[1]
	if err := first.reached(deadline); err != nil {
		return nil, err
	}
	frame, err := first.open(deadline)
	if err != nil {
		return nil, err
	}
	if err := second.reached(deadline); err != nil {
		return nil, err
	}
	return frame, first.shut()
}

// Pass lets the frame that Wait returned enter the NIC, and virtual time go on.
func (b *Barrier) Pass() error {
	if !b.waiting {
		return errors.New("barrier: no frame is waiting")
	}
	b.waiting = false
	second := &b.gates[1]
	if _, err := second.open(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	// QEMU is on its way to the first gate, which is shut. It cannot reach this one before it has been through that.
	if err := second.shut(); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

// Close frees the barrier's sockets.
func (b *Barrier) Close() error {
	for i := range b.gates {
		b.gates[i].close()
	}
	return nil
}

// abandon ends every wait: the emulator has ended.
func (b *Barrier) abandon() {
	for i := range b.gates {
		b.gates[i].dead.Store(true)
		b.gates[i].host.SetReadDeadline(time.Unix(1, 0)) // ends the wait under way
	}
}

func (b *Barrier) arguments(id string, l *launch) (args []string) {
	for i := range b.gates {
		g := &b.gates[i]
		if g.peer == nil {
			l.fail(errors.New("barrier: already in use by another machine"))
			return nil
		}
		name := fmt.Sprintf("%s-gate%d", id, i)
		args = append(args,
			"-chardev", fmt.Sprintf("socket,id=%s-socket,fd=%d", name, l.file(g.peer, &g.peer)),
			"-object", fmt.Sprintf("filter-mirror,id=%s,netdev=%s,queue=tx,outdev=%s-socket", name, id, name))
	}
	return args
}

// gate is one mirror and its socket. Shut, the socket has room for exactly one write. A mirror writes a frame's length
// and then the frame: the length's arrival tells that QEMU is here, and the frame has no room until the gate is opened.
type gate struct {
	host *os.File        // where the mirror's copies arrive
	raw  syscall.RawConn // of host
	fill int             // QEMU's end, kept to fill the socket
	peer *os.File        // QEMU's end, until it has it
	junk int             // bytes of filling that wait at host, in front of what QEMU wrote
	dead atomic.Bool     // the emulator has ended
}

const lengthSize = 4 // a mirror puts the frame's length in front of it, in network order

func (g *gate) init() error {
	g.fill = -1
	fds, err := socketpair(syscall.SOCK_STREAM)
	if err != nil {
		return err
	}
	g.peer = os.NewFile(uintptr(fds[1]), "gate peer")
	if err := syscall.SetNonblock(fds[0], true); err != nil { // so that host's deadlines work
		return fmt.Errorf("gate: %w", err)
	}
	g.host = os.NewFile(uintptr(fds[0]), "gate")
	if g.raw, err = g.host.SyscallConn(); err != nil {
		return err
	}
	// As little as the kernel allows, so that few bytes fill it.
	if err := syscall.SetsockoptInt(fds[1], syscall.SOL_SOCKET, syscall.SO_SNDBUF, 0); err != nil {
		return fmt.Errorf("gate: SO_SNDBUF: %w", err)
	}
	if g.fill, err = dup(fds[1]); err != nil {
		return err
	}
	return g.shut()
}

// dup duplicates fd with close-on-exec set: a child that inherited it would keep the socket alive.
func dup(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, fmt.Errorf("duplicate a socket: %w", errno)
	}
	return int(n), nil
}

func (g *gate) close() {
	if g.host != nil {
		g.host.Close()
	}
	if g.peer != nil {
		g.peer.Close()
	}
	if g.fill >= 0 {
		syscall.Close(g.fill)
		g.fill = -1
	}
}

// shut fills the empty socket until it has room for one write more: to the kernel every small write is of one size.
func (g *gate) shut() error {
	g.junk = 0
	if err := g.host.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		err := syscall.Sendto(g.fill, []byte{0}, syscall.MSG_DONTWAIT, nil)
		if err == syscall.EAGAIN {
			break
		}
		if err != nil {
			return fmt.Errorf("fill a gate: %w", err)
		}
		g.junk++
	}
	return g.discard(1)
}

func (g *gate) discard(n int) error {
	if _, err := io.CopyN(io.Discard, g.host, int64(n)); err != nil {
		return g.ended(err)
	}
	g.junk -= n
	return nil
}

// reached waits until QEMU has a frame at the gate, which is shut.
func (g *gate) reached(deadline time.Time) error {
	if err := g.expect(deadline); err != nil {
		return err
	}
	return g.ended(g.raw.Read(func(fd uintptr) bool {
		var n int32
		_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
		return errno != 0 || int(n) >= g.junk+lengthSize
	}))
}

// open lets the frame at the gate through, which leaves the socket empty, and returns a copy of it.
func (g *gate) open(deadline time.Time) ([]byte, error) {
	if err := g.expect(deadline); err != nil {
		return nil, err
	}
	if err := g.discard(g.junk); err != nil {
		return nil, err
	}
	var length [lengthSize]byte
	if _, err := io.ReadFull(g.host, length[:]); err != nil {
		return nil, g.ended(err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxFrame {
		return nil, fmt.Errorf("a mirror announces a frame of %d bytes", n)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(g.host, frame); err != nil {
		return nil, g.ended(err)
	}
	return frame, nil
}

// expect sets the deadline of the reads that follow.
func (g *gate) expect(deadline time.Time) error {
	if err := g.host.SetReadDeadline(deadline); err != nil {
		return err
	}
	if g.dead.Load() { // only now: abandon sets it before it ends the wait
		return errEnded
	}
	return nil
}

// ended says what an expired deadline means here.
func (g *gate) ended(err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case g.dead.Load():
		return errEnded
	default:
		return ErrTimeout
	}
}
