// Package pcap reads and writes capture files of Ethernet frames, stamped in whole microseconds, as QEMU's filter-dump writes
// them, and reads those stamped in nanoseconds, as the gateway writes them.
//
// Stage: none (host). Follows: draft-ietf-opsawg-pcap-05. Does not support: other link types, pcapng.
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
	NanoS  int   // behind that, below 1000, in a capture in nanoseconds
	Frame  []byte
}

const (
	magic      = 0xa1b2c3d4 // microseconds; in the writer's byte order
	magicNano  = 0xa1b23c4d // nanoseconds
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
	nano  int64 // units of a microsecond: 1, or 1000
	n     int   // records read
}

// NewReader reads the capture's header.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{r: bufio.NewReaderSize(r, 1<<16), order: binary.LittleEndian, nano: 1}
	var header [headerSize]byte
	if _, err := io.ReadFull(p.r, header[:]); err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	if m := p.order.Uint32(header[:]); m != magic && m != magicNano {
		p.order = binary.BigEndian
	}
	switch p.order.Uint32(header[:]) {
	case magic:
	case magicNano:
		p.nano = 1000
	default:
		return nil, fmt.Errorf("magic number % x, want that of a capture in microseconds or nanoseconds", header[:4])
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
	part := int64(p.order.Uint32(header[4:]))
	r := Record{
		MicroS: int64(p.order.Uint32(header[0:]))*1e6 + part/p.nano, NanoS: int(part % p.nano),
		Frame: make([]byte, size),
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
