package latency

import (
	"cmp"
	"slices"

	"mortise/tools/bench/plugin"
)

// From a timer's expiry to its task: the first instruction of the task that tasks/latency is.
const (
	taskEntry = "mortise/tasks/latency.Run"
	// taskPeriod is how often its timer is due: 997 µs, to the nearest tick of QEMU's counter, 16 ns.
	taskPeriod = 62313 * 16
)

// expiries returns a sample for each time that the timer was due between the first and the last of the measured frames: until the
// task's first instruction. marks are those instructions.
//
// When it is due is not seen. But the timer is periodic, and of many entries one was held up by nothing: those with the fewest
// instructions from the activation's first, which waited for nothing within it, have one place in the period more often than any
// other. From the expiry to the task is what their activation took until there, and the processor's vector, one instruction, which
// counts in the place of the task's own. (Some come up to three instructions earlier: another interrupt began their activation
// just ahead of the expiry.) A period without an entry is lost.
func expiries(marks []plugin.Activation, records []Record, measured []Sample, shift int) (samples []Sample) {
	if len(records) == 0 || len(measured) == 0 || len(marks) == 0 {
		return nil
	}
	start := (records[0].MicroS - bootMicroS()) * 1000
	first, last := start+measured[0].AtMicroS*1000, start+measured[len(measured)-1].AtMicroS*1000
	fewest := slices.MinFunc(marks, func(a, b plugin.Activation) int { return cmp.Compare(a.Instructions, b.Instructions) }).Instructions
	places := map[int64]int{}        // how many are so far behind the first entry's place in the period: little, or a little ahead of it
	place, due := int64(0), int64(0) // the most frequent one, and any of the times at which the timer was due
	for _, m := range marks {
		if m.NS < first || m.NS > last || m.Instructions != fewest {
			continue
		}
		offset := m.NS - marks[0].NS
		offset -= (offset + taskPeriod/2) / taskPeriod * taskPeriod
		places[offset]++
		if n := places[offset] - places[place]; due == 0 || n > 0 || n == 0 && offset <= place {
			place, due = offset, m.NS-m.Instructions<<shift
		}
	}
	if due == 0 {
		return nil
	}
	due -= (due - first) / taskPeriod * taskPeriod // the first behind first
	for next := 0; due < last-taskPeriod; due += taskPeriod {
		s := Sample{AtMicroS: (due - start) / 1000, LatencyNS: -1}
		for next < len(marks) && marks[next].NS < due {
			next++
		}
		if next < len(marks) && marks[next].NS < due+taskPeriod {
			s.LatencyNS = marks[next].NS - due
		}
		samples = append(samples, s)
	}
	return samples
}
