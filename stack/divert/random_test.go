package divert

import (
	"testing"

	"mortise/drivers/enet/enettest"
	"mortise/stack/oob"
	"mortise/stack/wire/wiretest"
)

// TestRandomFrames sends a million random and mutated frames through the whole receive path: the controller's descriptors,
// the driver, the companion core, the crossing. Each is accounted for, both stages still serve, no slot has leaked.
func TestRandomFrames(t *testing.T) {
	n, seed := uint32(1_000_000), uint64(20261122)
	if testing.Short() {
		n = 50_000
	}
	t.Logf("%d frames, seed %d", n, seed)
	b := newBench(t, true, enettest.Options{Hold: true, Unchecked: true})
	m := wiretest.NewMutator(b.site, seed)
	before := oob.Snapshot(0)
	received := uint32(0)
	for i := range n {
		clock += 100
		b.nic.Inject(m.Next())
		Poll(0)
		if i%16 == 0 {
			b.nic.Discard()
			b.Receive(64, func([]byte) { received++ })
			for {
				if _, ok := oob.PopEvent(); !ok {
					break
				}
			}
		}
	}
	for b.Receive(64, func([]byte) { received++ }) > 0 {
	}
	after := oob.Snapshot(0)
	for i := range after {
		after[i] -= before[i]
	}
	refused := uint32(0) // by the driver, for their length
	for _, c := range b.Driver().Stats(nil) {
		if c.Drop {
			refused += uint32(c.Value)
		}
	}
	if got := b.count(Received) + refused; got != n {
		t.Errorf("received %d + refused by the driver %d = %d, want %d", b.count(Received), refused, got, n)
	}
	s := oob.Snapshot(0)
	if got, want := oob.Dropped(0), s.Dropped(); got != want || got == 0 {
		t.Errorf("oob.Dropped = %d, want %d", got, want)
	}
	if !after.Balanced() || after[oob.Received] != b.count(Received)-b.count(NoSlot) {
		t.Errorf("companion core: received %d of %d, accepted %d + in-band %d + dropped %d",
			after[oob.Received], b.count(Received), after.Accepted(), after.Inband(), after.Dropped())
	}
	if got := b.count(Inband) + b.count(InbandFull) + b.count(InbandCapped); got != after.Inband() || received != b.count(Inband) {
		t.Errorf("left to in-band %d, crossed or dropped %d, received there %d of %d", after.Inband(), got, received, b.count(Inband))
	}
	b.slots(t)
	b.nic.Discard()
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	b.nic.Inject(request)
	Poll(0)
	if got := len(b.nic.Sent()); got != 1 {
		t.Errorf("answers afterwards = %d, want 1", got)
	}
}
