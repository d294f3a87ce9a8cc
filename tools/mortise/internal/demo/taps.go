package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"mortise/tools/pcap"
)

// taps reads what the emulator captures, while it runs: it writes each port's capture into a named pipe, so that a long
// run fills no disk. With a file given, all that passes is kept there as well.
type taps struct {
	dir     string
	tracker *Tracker
	failed  chan error
	wg      sync.WaitGroup
	pipes   []*os.File

	mu   sync.Mutex
	file *os.File // nil: nothing is kept
}

// newTaps returns taps that feed tracker and, unless path is empty, the file.
func newTaps(path string, tracker *Tracker) (*taps, error) {
	dir, err := os.MkdirTemp("", "mortise-run-")
	if err != nil {
		return nil, err
	}
	t := &taps{dir: dir, tracker: tracker, failed: make(chan error, 1)}
	if path == "" {
		return t, nil
	}
	if t.file, err = os.Create(path); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("capture: %w", err)
	}
	_, err = t.file.Write(pcap.AppendHeader(nil))
	return t, err
}

// add makes the pipe for a port of the board and returns its path.
func (t *taps) add(port int) (string, error) {
	path := filepath.Join(t.dir, fmt.Sprintf("port%d", port))
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return "", fmt.Errorf("capture: %s: %w", path, err)
	}
	// Opened for writing too, so that neither side waits for the other; non-blocking, so that Close ends a read.
	pipe, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	t.pipes = append(t.pipes, pipe)
	t.wg.Go(func() {
		if err := t.read(port, pipe); err != nil && !errors.Is(err, os.ErrClosed) {
			select {
			case t.failed <- fmt.Errorf("capture: %w", err):
			default:
			}
		}
	})
	return path, nil
}

// read passes on the frames of one port of the board.
func (t *taps) read(port int, r io.Reader) error {
	c, err := pcap.NewReader(r)
	if err != nil {
		return err
	}
	for {
		rec, err := c.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		t.tracker.See(port, time.Duration(rec.MicroS)*time.Microsecond, rec.Frame)
		if err := t.keep(&rec); err != nil {
			return err
		}
	}
}

// keep writes a frame to the file.
func (t *taps) keep(rec *pcap.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	_, err := t.file.Write(pcap.AppendRecord(nil, rec))
	return err
}

// close ends the reading and removes the pipes.
func (t *taps) close() error {
	for _, pipe := range t.pipes {
		pipe.Close()
	}
	t.wg.Wait()
	var err error
	if t.file != nil {
		err = t.file.Close()
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}
