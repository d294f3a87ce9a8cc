package latency

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/pcap"
)

// echo turns a request around as a guest does.
func echo(frame []byte) []byte {
	b := slices.Clone(frame)
	copy(b, frame[6:12])
	copy(b[6:], frame[:6])
	ip := 14
	if b[12] == 0x81 {
		ip += 4
	}
	copy(b[ip+12:], frame[ip+16:ip+20])
	copy(b[ip+16:], frame[ip+12:ip+16])
	copy(b[ip+20:], frame[ip+22:ip+24])
	copy(b[ip+22:], frame[ip+20:ip+22])
	return b
}

func record(microS int64, frame []byte) Record {
	return Record{Record: pcap.Record{MicroS: microS, Frame: frame}}
}

func TestMatch(t *testing.T) {
	p := testPeer(42)
	request := func(kind stream, n uint32) []byte {
		return p.request(testGuest, payload(kind, n, requestPayload))
	}
	garbled := echo(request(measured, 3))
	garbled[len(garbled)-1] ^= 1
	const start = 5_000_000
	records := []Record{
		record(start, p.Filler()),
		record(start+10, request(warmUp, 0)),
		record(start+11, echo(request(warmUp, 0))),
		record(start+100, request(measured, 0)),
		record(start+100, request(flood, 0)),
		record(start+104, echo(request(measured, 0))),
		record(start+150, echo(request(flood, 0))),
		record(start+200, request(measured, 1)), // answered after the next one
		record(start+200, request(flood, 1)),    // not answered
		record(start+300, request(measured, 2)),
		record(start+305, echo(request(measured, 2))),
		record(start+306, echo(request(measured, 1))),
		record(start+307, echo(request(measured, 1))), // twice
		record(start+400, request(measured, 3)),       // lost
		record(start+404, garbled),
		record(start+405, echo(request(measured, 9))), // nobody asked
	}
	want := Exchange{
		Samples:    []Sample{{100, 4000}, {200, 106_000}, {300, 5000}, {400, -1}},
		Duplicates: 2, Garbled: 1, FloodSent: 2, FloodAnswered: 1,
	}
	if diff := cmp.Diff(want, Match(records)); diff != "" {
		t.Errorf("Match (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Exchange{}, Match(nil)); diff != "" {
		t.Errorf("Match(nil) (-want +got):\n%s", diff)
	}
}

// samples returns samples with latencies in microseconds.
func samples(latencies ...int64) (s []Sample) {
	for i, l := range latencies {
		if l >= 0 {
			l *= 1000
		}
		s = append(s, Sample{AtMicroS: int64(i) * 1000, LatencyNS: l})
	}
	return s
}

func TestSummarize(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	tests := []struct {
		name    string
		samples []Sample
		shift   int
		want    Statistics
	}{
		{"none", nil, 3, Statistics{}},
		{"all lost", samples(-1, -1), 3, Statistics{Requests: 2, Lost: 2}},
		{"one", samples(4), 3, Statistics{Requests: 1, Min: 500, Median: 500, P99: 500, Max: 500}},
		{"two", samples(5, 4), 3, Statistics{Requests: 2, Min: 500, Median: 500, P99: 625, Max: 625}},
		{"one lost", samples(3, -1, 1, 2), 3, Statistics{Requests: 4, Lost: 1, Min: 125, Median: 250, P99: 375, Max: 375}},
		{"hundred", samples(hundred...), 3, Statistics{Requests: 100, Min: 125, Median: 6250, P99: 12375, Max: 12500}},
		{"shift 10", samples(457, 458), 10, Statistics{Requests: 2, Min: 446, Median: 446, P99: 447, Max: 447}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Summarize(test.samples, test.shift)); diff != "" {
				t.Errorf("Summarize (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInstructionsShift10 checks that a duration whose ends were both rounded down is off by one instruction at most.
func TestInstructionsShift10(t *testing.T) {
	for n := int64(0); n < 3000; n++ {
		nanos := n << 10
		for _, micros := range []int64{nanos / 1000, nanos/1000 + 1} {
			if got := Instructions(micros*1000, 10); got < n-1 || got > n+1 {
				t.Errorf("Instructions(%d µs, 10) = %d, want %d ± 1", micros, got, n)
			}
		}
	}
}

func TestResolution(t *testing.T) {
	for shift, want := range map[int]int64{0: 1000, 3: 125, 9: 2, 10: 1} {
		if got := Resolution(shift); got != want {
			t.Errorf("Resolution(%d) = %d, want %d", shift, got, want)
		}
	}
}

func TestHash(t *testing.T) {
	base := samples(4, 5, -1)
	if Hash(base) != Hash(samples(4, 5, -1)) {
		t.Error("equal samples have different hashes")
	}
	later := samples(4, 5, -1)
	later[2].AtMicroS++
	for _, other := range [][]Sample{nil, base[:2], samples(5, 4, -1), later} {
		if Hash(other) == Hash(base) {
			t.Errorf("%v and %v have the same hash", other, base)
		}
	}
}

// What the guest answers behind the last release is not looked at: it is there or not, as the host's clock has it.
func TestReleased(t *testing.T) {
	p := testPeer(0)
	request := p.request(testGuest, payload(measured, 0, requestPayload))
	records := []Record{
		record(100, request),
		record(150, echo(request)),
		record(200, p.Filler()), // the last release
		record(210, echo(request)),
		record(220, echo(request)),
	}
	if got := released(records); len(got) != 3 {
		t.Errorf("%d records, want 3", len(got))
	}
	if got := released(records[3:]); got != nil {
		t.Errorf("%d records of a capture without a release, want none", len(got))
	}
}
