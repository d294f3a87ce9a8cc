package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
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
	_, err = t.file.Write(pcapHeader())
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
		if err := t.read(pipe); err != nil && !errors.Is(err, os.ErrClosed) {
			select {
			case t.failed <- fmt.Errorf("capture: %w", err):
			default:
			}
		}
	})
	return path, nil
}

// read passes on the frames of one port.
func (t *taps) read(r io.Reader) error {
	c, err := newCapture(r)
	if err != nil {
		return err
	}
	for {
		rec, err := c.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		t.tracker.See(rec.at, rec.data)
		if err := t.keep(rec); err != nil {
			return err
		}
	}
}

// keep writes a frame to the file.
func (t *taps) keep(rec record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	b := make([]byte, 0, recordBytes+len(rec.data))
	b = binary.LittleEndian.AppendUint32(b, uint32(rec.at/time.Second))
	b = binary.LittleEndian.AppendUint32(b, uint32(rec.at%time.Second/time.Microsecond))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rec.data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rec.data)))
	_, err := t.file.Write(append(b, rec.data...))
	return err
}

// pcapHeader returns the start of a capture of Ethernet frames.
func pcapHeader() []byte {
	const major, minor, snapLen, ethernet = 2, 4, maxCaptured, 1
	b := make([]byte, 0, pcapHeaderBytes)
	b = binary.LittleEndian.AppendUint32(b, pcapMagic)
	b = binary.LittleEndian.AppendUint16(b, major)
	b = binary.LittleEndian.AppendUint16(b, minor)
	b = append(b, make([]byte, 8)...) // time zone and accuracy: always 0
	b = binary.LittleEndian.AppendUint32(b, snapLen)
	return binary.LittleEndian.AppendUint32(b, ethernet)
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
