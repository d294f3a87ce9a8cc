package latency

import (
	"fmt"
	"os"

	"mortise/tools/pcap"
)

// Record is a frame of a capture and the virtual time at which it passed.
type Record struct {
	pcap.Record
	NS  int64 // beyond its microsecond, where the plugin has told them
	Far bool  // left by the other port than the one that requests enter
}

// ReadCapture reads the capture file at path.
func ReadCapture(path string) (records []Record, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	defer f.Close()
	r, err := pcap.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", path, err)
	}
	all, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", path, err)
	}
	for _, r := range all {
		records = append(records, Record{Record: r})
	}
	return records, nil
}
