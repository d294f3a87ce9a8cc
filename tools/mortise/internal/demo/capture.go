package demo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// A frame as the emulator saw it pass, stamped with the virtual clock.
type record struct {
	at   time.Duration // since the epoch of the guest's clock
	data []byte        // valid until the next record is read
}

// capture reads a pcap stream as QEMU's filter-dump writes it: little-endian on the hosts this runs on, whole
// microseconds (pcap-savefile(5)).
type capture struct {
	r   *bufio.Reader
	buf [maxCaptured]byte
}

const (
	pcapMagic       = 0xa1b2c3d4 // microseconds
	pcapHeaderBytes = 24
	recordBytes     = 16
	maxCaptured     = 65536 // filter-dump's default maxlen
)

// newCapture reads the header of the stream.
func newCapture(r io.Reader) (*capture, error) {
	c := &capture{r: bufio.NewReaderSize(r, 1<<16)}
	var header [pcapHeaderBytes]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return nil, err
	}
	if magic := binary.LittleEndian.Uint32(header[:]); magic != pcapMagic {
		return nil, fmt.Errorf("capture starts with %#08x, want %#08x: little-endian, microseconds", magic, uint32(pcapMagic))
	}
	return c, nil
}

// next returns the next record; io.EOF at the end, also when the last one was cut off.
func (c *capture) next() (record, error) {
	var header [recordBytes]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return record{}, eof(err)
	}
	sec, usec := binary.LittleEndian.Uint32(header[0:]), binary.LittleEndian.Uint32(header[4:])
	n := binary.LittleEndian.Uint32(header[8:])
	if n > maxCaptured {
		return record{}, fmt.Errorf("capture: a record of %d bytes, want at most %d", n, maxCaptured)
	}
	if _, err := io.ReadFull(c.r, c.buf[:n]); err != nil {
		return record{}, eof(err)
	}
	return record{
		at:   time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond,
		data: c.buf[:n],
	}, nil
}

func eof(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
