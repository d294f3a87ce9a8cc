package divert

import (
	"sync"
	"sync/atomic"

	"mortise/drivers/mmio"
)

// Traffic is frames, and their bytes without FCS.
type Traffic struct {
	RxPackets, RxBytes uint64
	TxPackets, TxBytes uint64
}

// traffic is what in-band counts of a device: what it gets and sends itself, and what the stage's counts, modulo 2³², have come
// to.
type traffic struct {
	rx, rxBytes, tx, txBytes atomic.Uint64

	mu   sync.Mutex
	seen [4]uint32
	sum  [4]uint64
}

// Traffic returns what the device has received for in-band and for other devices, and sent for them since the start. What the
// oob stage takes and sends is the companion core's to count. Somebody must ask before the bytes of forwarded frames go around:
// 343 s at 100 Mbit/s.
func (p *Device) Traffic() (inband, forwarded Traffic) {
	t, v := &p.traffic, &table[p.d]
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, c := range [...]*uint32{&v.rxForwards, &v.rxForwarded, &counters[p.d][TxForward], &v.txForwarded} {
		now := mmio.Load(c)
		t.sum[i] += uint64(now - t.seen[i])
		t.seen[i] = now
	}
	inband = Traffic{t.rx.Load(), t.rxBytes.Load(), t.tx.Load(), t.txBytes.Load()}
	return inband, Traffic{t.sum[0], t.sum[1], t.sum[2], t.sum[3]}
}

// received counts a frame that in-band takes.
func (t *traffic) received(n int) {
	t.rx.Add(1)
	t.rxBytes.Add(uint64(n))
}

// sent counts a frame that in-band hands over to be sent.
func (t *traffic) sent(n int) {
	t.tx.Add(1)
	t.txBytes.Add(uint64(n))
}
