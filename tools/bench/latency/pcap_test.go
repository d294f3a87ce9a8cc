package latency

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeCapture is readCapture's inverse.
func writeCapture(order binary.AppendByteOrder, records []Record) []byte {
	b := order.AppendUint32(nil, pcapMagic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(order.AppendUint32(b, 65536), pcapEthernet)
	for _, r := range records {
		b = order.AppendUint32(b, uint32(r.MicroS/1e6))
		b = order.AppendUint32(b, uint32(r.MicroS%1e6))
		b = order.AppendUint32(b, uint32(len(r.Frame)))
		b = order.AppendUint32(b, uint32(len(r.Frame)))
		b = append(b, r.Frame...)
	}
	return b
}

var testRecords = []Record{
	{MicroS: 1767225600_000001, Frame: bytes.Repeat([]byte{1}, 60)},
	{MicroS: 1767225600_999999, Frame: bytes.Repeat([]byte{2}, 1518)},
	{MicroS: 1767225601_000000, Frame: []byte{}},
}

func TestReadCapture(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		got, err := readCapture(bytes.NewReader(writeCapture(order, testRecords)))
		if diff := cmp.Diff(testRecords, got); err != nil || diff != "" {
			t.Errorf("readCapture, %v: %v (-want +got):\n%s", order, err, diff)
		}
	}
}

func TestReadCaptureCutOff(t *testing.T) {
	whole := writeCapture(binary.LittleEndian, testRecords[:2])
	for _, size := range []int{len(whole) - 1, len(whole) - 1518, len(whole) - 1518 - 15} {
		got, err := readCapture(bytes.NewReader(whole[:size]))
		if diff := cmp.Diff(testRecords[:1], got); err != nil || diff != "" {
			t.Errorf("%d bytes of %d: %v (-want +got):\n%s", size, len(whole), err, diff)
		}
	}
}

func TestReadCaptureErrors(t *testing.T) {
	good := writeCapture(binary.LittleEndian, testRecords)
	tests := []struct {
		name   string
		offset int
		value  byte
		want   string
	}{
		{"nanoseconds", 0, 0x4d, "magic number"},
		{"version", 4, 9, "version 9"},
		{"link type", 20, 101, "link type 101"},
		{"size of a record", 24 + 8 + 3, 1, "record 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bytes.Clone(good)
			b[test.offset] = test.value
			if _, err := readCapture(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("readCapture: %v, want %q", err, test.want)
			}
		})
	}
	if _, err := readCapture(strings.NewReader("short")); err == nil {
		t.Error("readCapture of half a header: no error")
	}
}

func FuzzReadCapture(f *testing.F) {
	f.Add(writeCapture(binary.LittleEndian, testRecords))
	f.Add(writeCapture(binary.BigEndian, testRecords[:1]))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := readCapture(bytes.NewReader(b))
		if err != nil {
			return
		}
		size := pcapHeader
		for _, r := range records {
			size += pcapRecord + len(r.Frame)
		}
		if size > len(b) {
			t.Errorf("%d bytes of records in a file of %d", size, len(b))
		}
	})
}
