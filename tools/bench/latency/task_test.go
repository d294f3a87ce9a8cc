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
	measured := []Sample{{AtMicroS: 1_000_000}, {AtMicroS: 1_004_100}}
	var marks []plugin.Activation
	for i, late := range []int64{0, 500, 0, -1, 37, 0, 0} { // instructions; -1: no entry
		due := int64(firstDue + (i-1)*taskPeriod)
		if late >= 0 {
			// Held up ahead of its activation or in it: in neither case does it tell by the number.
			marks = append(marks, plugin.Activation{NS: due + (path+late)<<shift, Instructions: path})
		}
	}
	at := func(period int) int64 { return (firstDue + int64(period)*taskPeriod - 4_000_000_000) / 1000 }
	want := []Sample{{at(0), (path + 500) << shift}, {at(1), path << shift}, {at(2), -1}, {at(3), (path + 37) << shift}}
	if diff := cmp.Diff(want, expiries(marks, records, measured, shift)); diff != "" {
		t.Errorf("expiries (-want +got):\n%s", diff)
	}
	if got := expiries(nil, records, measured, shift); got != nil {
		t.Errorf("expiries without an entry = %v", got)
	}
}
