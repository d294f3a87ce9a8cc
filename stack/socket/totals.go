package socket

import (
	"sync"
	"unsafe"

	"mortise/drivers/mmio"
)

// Queued returns how many frames of the port were queued for sockets, modulo 2³².
//
//oob:stage inband
func Queued(i uint32) uint32 { return mmio.Load(&ports[i%tablePorts].tally.queued) }

// QueuedOffset returns where in the variable ports the count that Queued returns lies: for who finds it by name when in-band no
// longer answers.
func QueuedOffset(i uint32) uintptr {
	return uintptr(i%tablePorts)*unsafe.Sizeof(port{}) + unsafe.Offsetof(port{}.tally) + unsafe.Offsetof(tally{}.queued)
}

// Traffic is what the oob stage has taken in on a port, sent and dropped since the start: frames, and the bytes of whole frames
// without their FCS; what sockets get and send counts without what pads a frame to 60 bytes.
type Traffic struct {
	RxPackets, RxBytes uint64
	TxPackets, TxBytes uint64
	Dropped            uint64
}

// totals has what the ports' tallies have come to: see TrafficOf.
var totals struct {
	sync.Mutex
	seen [MaxPorts]tally
	sum  [MaxPorts]Traffic
}

// TrafficOf returns the traffic of the port of an index. Somebody must ask before a tally goes around: a port's bytes take 343 s
// at 100 Mbit/s. What ports had the index one after the other is one number.
//
//oob:stage inband
func TrafficOf(i uint32) Traffic {
	totals.Lock()
	defer totals.Unlock()
	i %= MaxPorts
	var more tally
	more.read(&ports[i].tally)
	last := &totals.seen[i]
	now := more
	more.less(last)
	*last = now
	sum := &totals.sum[i]
	sum.RxPackets += uint64(more.answered) + uint64(more.queued) + uint64(more.taken)
	sum.RxBytes += uint64(more.rxBytes) + uint64(more.queued)*headers
	sum.TxPackets += uint64(more.answered-more.unsent) + uint64(more.sent)
	sum.TxBytes += uint64(more.txBytes)
	sum.Dropped += uint64(more.dropped)
	return *sum
}

// each calls f for each count of t and the same one of other.
func (t *tally) each(other *tally, f func(a, b *uint32)) {
	for _, c := range [...][2]*uint32{
		{&t.answered, &other.answered}, {&t.unsent, &other.unsent}, {&t.queued, &other.queued}, {&t.taken, &other.taken},
		{&t.sent, &other.sent}, {&t.dropped, &other.dropped}, {&t.rxBytes, &other.rxBytes}, {&t.txBytes, &other.txBytes},
	} {
		f(c[0], c[1])
	}
}

// read makes t a reading of from, which the oob stage writes.
func (t *tally) read(from *tally) { t.each(from, func(a, b *uint32) { *a = mmio.Load(b) }) }

// less takes b off t.
func (t *tally) less(b *tally) { t.each(b, func(a, b *uint32) { *a -= *b }) }
