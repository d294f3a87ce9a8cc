package latency

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"mortise/tools/packet"
)

// Sample is a measured request.
type Sample struct {
	AtMicroS  int64 // when it entered the NIC
	LatencyNS int64 // until its reply left the NIC; -1: none did
}

// Exchange is what a capture says of a session.
type Exchange struct {
	Samples       []Sample // the measured requests in the order sent
	Duplicates    int      // replies to a measured request that had been answered
	Garbled       int      // IPv4 frames to us that are no valid datagram
	FloodSent     int
	FloodAnswered int
}

// released returns records up to the last frame to the guest: the session ends when that waits at the NIC. What the guest sends
// behind it depends on when the host ends the emulator.
func released(records []Record) []Record {
	for i, r := range slices.Backward(records) {
		if p, ok := packet.Parse(r.Frame); ok && p.Source == peerMAC && !r.Far {
			return records[:i+1]
		}
	}
	return nil
}

// Match pairs requests and replies. Time begins with the capture's first record, so that it does not depend on the date
// at which the guest's clock starts.
func Match(records []Record) Exchange {
	var e Exchange
	index := map[uint32]int{} // sequence number to sample
	for _, r := range records {
		p, ok := packet.Parse(r.Frame)
		if !ok {
			continue
		}
		content, ok := crosses(&p)
		if !ok {
			if p.EtherType != packet.TypeIPv4 {
				continue
			}
			d, ok := p.UDP()
			if !ok {
				if p.Destination == peerMAC {
					e.Garbled++
				}
				continue
			}
			content = d.Payload
		}
		kind, sequence, ok := parsePayload(content)
		if !ok {
			continue
		}
		sent := p.Source == peerMAC && !r.Far
		switch {
		case kind == flood && sent:
			e.FloodSent++
		case kind == flood:
			e.FloodAnswered++
		case kind == measured && sent:
			index[sequence] = len(e.Samples)
			e.Samples = append(e.Samples, Sample{AtMicroS: r.MicroS - records[0].MicroS, LatencyNS: -1})
		case kind == measured:
			e.answer(index, sequence, (r.MicroS-records[0].MicroS)*1000+r.NS)
		}
	}
	return e
}

func (e *Exchange) answer(index map[uint32]int, sequence uint32, atNS int64) {
	i, asked := index[sequence]
	if !asked || e.Samples[i].LatencyNS >= 0 {
		e.Duplicates++
		return
	}
	e.Samples[i].LatencyNS = atNS - e.Samples[i].AtMicroS*1000
}

// Statistics sums up the latencies of a session in instructions.
type Statistics struct {
	Requests, Lost        int
	Min, Median, P99, Max int64 // of the requests that were answered; 0 if none was
}

// Summarize computes the statistics at 2^shift nanoseconds an instruction.
func Summarize(samples []Sample, shift int) Statistics {
	s := Statistics{Requests: len(samples)}
	var latencies []int64
	for _, sample := range samples {
		if sample.LatencyNS < 0 {
			s.Lost++
			continue
		}
		latencies = append(latencies, Instructions(sample.LatencyNS, shift))
	}
	if latencies == nil {
		return s
	}
	slices.Sort(latencies)
	s.Min, s.Max = latencies[0], latencies[len(latencies)-1]
	s.Median, s.P99 = rank(latencies, 50), rank(latencies, 99)
	return s
}

// Count is a latency and how many requests had it.
type Count struct {
	Instructions int64
	Requests     int
}

func distribution(samples []Sample, shift int) (counts []Count) {
	n := map[int64]int{}
	for _, s := range samples {
		if s.LatencyNS >= 0 {
			n[Instructions(s.LatencyNS, shift)]++
		}
	}
	for _, latency := range slices.Sorted(maps.Keys(n)) {
		counts = append(counts, Count{latency, n[latency]})
	}
	return counts
}

// rank returns the smallest value that percent of all values do not exceed (nearest rank).
func rank(sorted []int64, percent int) int64 {
	n := (len(sorted)*percent + 99) / 100
	return sorted[max(n, 1)-1]
}

// Instructions converts a virtual duration, to the nearest instruction.
func Instructions(ns int64, shift int) int64 {
	return (ns + 1<<shift>>1) >> shift
}

// Resolution is how many instructions a latency may be off, either way: both ends of it are whole microseconds,
// rounded down. With the plugin it is none at all.
func Resolution(shift int) int64 {
	return (1000 + 1<<shift - 1) >> shift
}

// Hash is a digest of all pairs of time and latency: equal for two runs that went the same, to the instruction or the microsecond.
func Hash(samples []Sample) string {
	h := sha256.New()
	for _, s := range samples {
		fmt.Fprintf(h, "%d %d\n", s.AtMicroS, s.LatencyNS)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
