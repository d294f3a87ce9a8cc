package latency

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/bench/plugin"
)

// TestExpiries has a task that is entered 127 instructions behind its timer, but when something holds it up.
func TestExpiries(t *testing.T) {
	const (
		shift    = 3
		firstDue = 5_000_100_000 // of those that count, in nanoseconds
		path     = 127
	)
	records := []Record{record(bootMicroS()+4_000_000, nil)}
	measured := []Sample{{AtMicroS: 1_000_000}, {AtMicroS: 1_005_100}}
	var marks []plugin.Activation
	for i, entry := range []struct{ late, took int64 }{ // instructions from the expiry less path, and in the activation
		{0, path},
		{500, path}, // another activation was under way
		{0, path},
		{}, // no entry
		{37, path + 37},
		{-9, path + 800}, // the activation began ahead of the expiry, and waited for it
		{0, path}, {0, path},
	} {
		due := int64(firstDue + (i-1)*taskPeriod)
		if entry.took != 0 {
			marks = append(marks, plugin.Activation{NS: due + (path+entry.late)<<shift, Instructions: entry.took})
		}
	}
	at := func(period int) int64 { return (firstDue + int64(period)*taskPeriod - 4_000_000_000) / 1000 }
	want := []Sample{{at(0), (path + 500) << shift}, {at(1), path << shift}, {at(2), -1}, {at(3), (path + 37) << shift}, {at(4), (path - 9) << shift}}
	if diff := cmp.Diff(want, expiries(marks, records, measured, shift)); diff != "" {
		t.Errorf("expiries (-want +got):\n%s", diff)
	}
	if got := expiries(nil, records, measured, shift); got != nil {
		t.Errorf("expiries without an entry = %v", got)
	}
}
