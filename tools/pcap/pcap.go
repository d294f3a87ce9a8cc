// Package pcap reads and writes capture files of Ethernet frames, stamped in whole microseconds, as QEMU's filter-dump writes
// them.
//
// Stage: none (host). Follows: draft-ietf-opsawg-pcap-05. Does not support: nanoseconds, other link types, pcapng.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Record is a frame and when it passed.
type Record struct {
	MicroS int64 // since 1970
	Frame  []byte
}

const (
	magic      = 0xa1b2c3d4 // microseconds; in the writer's byte order
	headerSize = 24
	recordSize = 16
	maxFrame   = 1 << 18 // more than any writer captures
	major      = 2
	minor      = 4
	snapLength = 65536
	ethernet   = 1
)

// Reader reads a capture.
type Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	n     int // records read
}

// NewReader reads the capture's header.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{r: bufio.NewReaderSize(r, 1<<16), order: binary.LittleEndian}
	var header [headerSize]byte
	if _, err := io.ReadFull(p.r, header[:]); err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	if p.order.Uint32(header[:]) != magic {
		p.order = binary.BigEndian
	}
	if p.order.Uint32(header[:]) != magic {
		return nil, fmt.Errorf("magic number % x, want that of a capture in microseconds", header[:4])
	}
	if got := p.order.Uint16(header[4:]); got != major {
		return nil, fmt.Errorf("version %d, want %d", got, major)
	}
	if got := p.order.Uint32(header[20:]) & 0xffff; got != ethernet {
		return nil, fmt.Errorf("link type %d, want %d (Ethernet)", got, ethernet)
	}
	return p, nil
}

// Next returns the next record, whose frame is the caller's. At the end it returns io.EOF, also where the last record was cut
// off: the emulator was killed.
func (p *Reader) Next() (r Record, err error) {
	if r, err = p.next(); errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("record %d: %w", p.n+1, err)
	}
	p.n++
	return r, err
}

func (p *Reader) next() (Record, error) {
	var header [recordSize]byte
	if _, err := io.ReadFull(p.r, header[:]); err != nil {
		return Record{}, err
	}
	size := p.order.Uint32(header[8:])
	if size > maxFrame {
		return Record{}, fmt.Errorf("%d bytes, more than any frame has", size)
	}
	r := Record{
		MicroS: int64(p.order.Uint32(header[0:]))*1e6 + int64(p.order.Uint32(header[4:])),
		Frame:  make([]byte, size),
	}
	if _, err := io.ReadFull(p.r, r.Frame); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Record{}, err
	}
	return r, nil
}

// ReadAll returns the rest of a capture's records.
func (p *Reader) ReadAll() (records []Record, err error) {
	for {
		r, err := p.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
}

// AppendHeader appends the start of a capture.
func AppendHeader(b []byte) []byte {
	order := binary.LittleEndian
	b = order.AppendUint32(b, magic)
	b = order.AppendUint16(order.AppendUint16(b, major), minor)
	b = append(b, make([]byte, 8)...) // time zone and accuracy: always 0
	return order.AppendUint32(order.AppendUint32(b, snapLength), ethernet)
}

// AppendRecord appends a record.
func AppendRecord(b []byte, r *Record) []byte {
	order := binary.LittleEndian
	b = order.AppendUint32(b, uint32(r.MicroS/1e6))
	b = order.AppendUint32(b, uint32(r.MicroS%1e6))
	b = order.AppendUint32(b, uint32(len(r.Frame)))
	b = order.AppendUint32(b, uint32(len(r.Frame)))
	return append(b, r.Frame...)
}
