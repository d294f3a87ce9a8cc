package latency

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Sample is a measured request.
type Sample struct {
	AtMicroS      int64 // when it entered the NIC
	LatencyMicroS int64 // until its reply left the NIC; -1: none did
}

// Exchange is what a capture says of a session.
type Exchange struct {
	Samples       []Sample // the measured requests in the order sent
	Duplicates    int      // replies to a measured request that had been answered
	Garbled       int      // IPv4 frames to us that are no valid datagram
	FloodSent     int
	FloodAnswered int
}

// Match pairs requests and replies. Time begins with the capture's first record, so that it does not depend on the date
// at which the guest's clock starts.
func Match(records []Record) Exchange {
	var e Exchange
	index := map[uint32]int{} // sequence number to sample
	for _, r := range records {
		p, ok := parsePacket(r.Frame)
		if !ok || p.etherType != typeIPv4 {
			continue
		}
		data, ok := p.udp()
		if !ok {
			if p.destination == peerMAC {
				e.Garbled++
			}
			continue
		}
		kind, sequence, ok := parsePayload(data)
		if !ok {
			continue
		}
		sent := p.source == peerMAC
		switch {
		case kind == flood && sent:
			e.FloodSent++
		case kind == flood:
			e.FloodAnswered++
		case kind == measured && sent:
			index[sequence] = len(e.Samples)
			e.Samples = append(e.Samples, Sample{AtMicroS: r.MicroS - records[0].MicroS, LatencyMicroS: -1})
		case kind == measured:
			e.answer(index, sequence, r.MicroS-records[0].MicroS)
		}
	}
	return e
}

func (e *Exchange) answer(index map[uint32]int, sequence uint32, atMicroS int64) {
	i, asked := index[sequence]
	if !asked || e.Samples[i].LatencyMicroS >= 0 {
		e.Duplicates++
		return
	}
	e.Samples[i].LatencyMicroS = atMicroS - e.Samples[i].AtMicroS
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
		if sample.LatencyMicroS < 0 {
			s.Lost++
			continue
		}
		latencies = append(latencies, Instructions(sample.LatencyMicroS, shift))
	}
	if latencies == nil {
		return s
	}
	slices.Sort(latencies)
	s.Min, s.Max = latencies[0], latencies[len(latencies)-1]
	s.Median, s.P99 = rank(latencies, 50), rank(latencies, 99)
	return s
}

// rank returns the smallest value that percent of all values do not exceed (nearest rank).
func rank(sorted []int64, percent int) int64 {
	n := (len(sorted)*percent + 99) / 100
	return sorted[max(n, 1)-1]
}

// Instructions converts a virtual duration, to the nearest instruction.
func Instructions(microS int64, shift int) int64 {
	return (microS*1000 + 1<<shift>>1) >> shift
}

// Resolution is how many instructions a latency may be off, either way: both ends of it are whole microseconds,
// rounded down.
func Resolution(shift int) int64 {
	return (1000 + 1<<shift - 1) >> shift
}

// Hash is a digest of all pairs of time and latency: equal for two runs that went the same to the microsecond.
func Hash(samples []Sample) string {
	h := sha256.New()
	for _, s := range samples {
		fmt.Fprintf(h, "%d %d\n", s.AtMicroS, s.LatencyMicroS)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
