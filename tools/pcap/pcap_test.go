package pcap

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var records = []Record{
	{MicroS: 1767225600_000001, Frame: bytes.Repeat([]byte{1}, 60)},
	{MicroS: 1767225600_999999, Frame: bytes.Repeat([]byte{2}, 1518)},
	{MicroS: 1767225601_000000, Frame: []byte{}},
}

func capture(records []Record) []byte {
	b := AppendHeader(nil)
	for i := range records {
		b = AppendRecord(b, &records[i])
	}
	return b
}

// swapped returns a capture as a machine of the other byte order writes it.
func swapped(b []byte) []byte {
	b = bytes.Clone(b)
	turn := func(at, size int) {
		for i := range size / 2 {
			b[at+i], b[at+size-1-i] = b[at+size-1-i], b[at+i]
		}
	}
	for at, size := range map[int]int{0: 4, 4: 2, 6: 2, 16: 4, 20: 4} {
		turn(at, size)
	}
	for at := headerSize; at < len(b); {
		size := int(binary.LittleEndian.Uint32(b[at+8:]))
		for i := 0; i < recordSize; i += 4 {
			turn(at+i, 4)
		}
		at += recordSize + size
	}
	return b
}

func read(b []byte) ([]Record, error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return r.ReadAll()
}

func TestRoundTrip(t *testing.T) {
	for name, b := range map[string][]byte{"little-endian": capture(records), "big-endian": swapped(capture(records))} {
		got, err := read(b)
		if diff := cmp.Diff(records, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestCutOff(t *testing.T) {
	whole := capture(records[:2])
	for _, size := range []int{len(whole) - 1, len(whole) - 1518, len(whole) - 1518 - 15} {
		got, err := read(whole[:size])
		if diff := cmp.Diff(records[:1], got); err != nil || diff != "" {
			t.Errorf("%d bytes of %d: %v (-want +got):\n%s", size, len(whole), err, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	good := capture(records)
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
			if _, err := read(b); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("read: %v, want %q", err, test.want)
			}
		})
	}
	if _, err := NewReader(strings.NewReader("short")); err == nil {
		t.Error("NewReader of half a header: no error")
	}
	r, err := NewReader(bytes.NewReader(capture(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("Next of no record: %v, want io.EOF itself", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(capture(records))
	f.Add(swapped(capture(records[:1])))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := read(b)
		if err != nil {
			return
		}
		size := headerSize
		for _, r := range records {
			size += recordSize + len(r.Frame)
		}
		if size > len(b) {
			t.Errorf("%d bytes of records in a file of %d", size, len(b))
		}
	})
}
