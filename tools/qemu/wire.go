package qemu

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxFrame is more than any frame the ports pass: a jumbo frame would still arrive whole and be seen as too long.
const maxFrame = 16384

// sendTimeout bounds Send when the emulator no longer reads: it is stopped, or dead.
const sendTimeout = 10 * time.Second

// ErrTimeout is what Receive returns when no frame came in time.
var ErrTimeout = errors.New("no frame in time")

// Wire is the host's end of an Ethernet cable whose other end is a port of a Machine: a pair of connected datagram
// sockets, a datagram a frame, without FCS. A Wire serves one Machine. Send and Receive may be called from different
// goroutines.
type Wire struct {
	host *net.UnixConn
	raw  syscall.RawConn
	mu   sync.Mutex
	peer *os.File // the emulator's end, until it has it
	buf  [maxFrame]byte
}

// NewWire returns a cable.
func NewWire() (*Wire, error) {
	fds, err := socketpair(syscall.SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	for _, fd := range fds {
		// The kernel's default may be as low as a few frames; as much as it allows is wanted, so no error counts.
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1<<20)
	}
	file := os.NewFile(uintptr(fds[0]), "wire")
	defer file.Close() // FileConn duplicates it
	conn, err := net.FileConn(file)
	if err != nil {
		syscall.Close(fds[1])
		return nil, fmt.Errorf("wire: %w", err)
	}
	w := &Wire{host: conn.(*net.UnixConn), peer: os.NewFile(uintptr(fds[1]), "wire peer")}
	w.raw, err = w.host.SyscallConn()
	return w, err
}

// Send puts frame on the wire: a whole Ethernet frame without FCS.
func (w *Wire) Send(frame []byte) error {
	if err := w.host.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("wire: %w", err)
	}
	if _, err := w.host.Write(frame); err != nil {
		return fmt.Errorf("wire: send %d bytes: %w", len(frame), err)
	}
	return nil
}

// Receive returns the next frame that the guest sent, or ErrTimeout. The frame is the caller's.
func (w *Wire) Receive(timeout time.Duration) ([]byte, error) {
	if err := w.host.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.host.Read(w.buf[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, ErrTimeout
	}
	if err != nil {
		return nil, fmt.Errorf("wire: receive: %w", err)
	}
	return append([]byte(nil), w.buf[:n]...), nil
}

// Poll returns the next frame if one has arrived, without waiting.
func (w *Wire) Poll() (frame []byte, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), w.buf[:], syscall.MSG_DONTWAIT)
		if err == nil {
			frame, ok = append([]byte(nil), w.buf[:n]...), true
		}
	})
	return frame, ok
}

// Drain throws away what has arrived so far and returns how many frames that was.
func (w *Wire) Drain() (n int) {
	for {
		if _, ok := w.Poll(); !ok {
			return n
		}
		n++
	}
}

// Close takes the cable away. Start closes the emulator's end once the emulator has it.
func (w *Wire) Close() error {
	if w.peer != nil {
		w.peer.Close()
	}
	return w.host.Close()
}

func (w *Wire) netdev(id string, l *launch) string {
	if w.peer == nil {
		l.fail(errors.New("wire: already in use by another machine"))
		return ""
	}
	return fmt.Sprintf("dgram,id=%s,local.type=fd,local.str=%d", id, l.file(w.peer, &w.peer))
}

func socketpair(kind int) ([2]int, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fds, fmt.Errorf("socketpair: %w", err)
	}
	return fds, nil
}
