package latency

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Record is a frame of a capture and the virtual time at which it passed.
type Record struct {
	MicroS int64 // since 1970 as the guest's clock has it
	NS     int64 // and the nanoseconds beyond it, where the plugin has told them
	Frame  []byte
}

const (
	pcapMagic      = 0xa1b2c3d4 // microseconds; in the writer's byte order
	pcapHeader     = 24
	pcapRecord     = 16
	pcapSnapLimit  = 1 << 18
	pcapEthernet   = 1
	pcapVersionTwo = 2
)

// ReadCapture reads the capture file at path. A last record that was cut off is left out: the emulator was killed.
func ReadCapture(path string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	defer f.Close()
	records, err := readCapture(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", path, err)
	}
	return records, nil
}

func readCapture(r io.Reader) ([]Record, error) {
	var header [pcapHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(header[:]) != pcapMagic {
		order = binary.BigEndian
	}
	if got := order.Uint32(header[:]); got != pcapMagic {
		return nil, fmt.Errorf("magic number % x, want that of a capture in microseconds", header[:4])
	}
	if got := order.Uint16(header[4:]); got != pcapVersionTwo {
		return nil, fmt.Errorf("version %d, want %d", got, pcapVersionTwo)
	}
	if got := order.Uint32(header[20:]) & 0xffff; got != pcapEthernet {
		return nil, fmt.Errorf("link type %d, want %d (Ethernet)", got, pcapEthernet)
	}
	var records []Record
	for {
		record, err := readRecord(r, order)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		records = append(records, record)
	}
}

func readRecord(r io.Reader, order binary.ByteOrder) (Record, error) {
	var header [pcapRecord]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Record{}, err
	}
	size := order.Uint32(header[8:])
	if size > pcapSnapLimit {
		return Record{}, fmt.Errorf("%d bytes, more than any frame has", size)
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return Record{}, err
	}
	seconds, micros := order.Uint32(header[0:]), order.Uint32(header[4:])
	return Record{MicroS: int64(seconds)*1e6 + int64(micros), Frame: frame}, nil
}
