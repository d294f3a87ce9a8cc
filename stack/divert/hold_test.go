package divert

import (
	"testing"

	"mortise/drivers/enet/enettest"
	"mortise/stack/wire/wiretest"
)

// hold has a hold come so near that no more than n frames are served ahead of it.
func hold(t *testing.T, n uint32) (asked *[]uint32) {
	t.Helper()
	asked = new([]uint32)
	near = func(ticks uint32) bool {
		*asked = append(*asked, ticks)
		return uint32(len(*asked)) > n-unheld
	}
	t.Cleanup(func() { near = nil })
	return asked
}

// An activation that meets a hold leaves frames in the ring, at both of its looks, and the next one serves them.
func TestHold(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, atAck int // frames
		first, asked  int
		again         bool
	}{
		{"one frame", 1, 0, 1, 0, false},
		{"as many as need no look", 2, 0, 2, 0, false},
		{"more", 9, 0, 4, 3, true},
		{"more, some behind Ack", 2, 7, 4, 3, true},
		{"all but the last", 5, 0, 4, 3, true},
		{"as many as there is time for", 4, 0, 4, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, true, enettest.Options{})
			request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
			for range c.before {
				b.nic.Inject(request)
			}
			b.nic.AtAck = func() {
				for range c.atAck {
					b.nic.Inject(request)
				}
				b.nic.AtAck = nil
			}
			asked := hold(t, 4)
			todo := Poll(0)
			if got := len(b.nic.Sent()); got != c.first {
				t.Errorf("%d answers, want %d", got, c.first)
			}
			if again := todo&Again != 0; again != c.again || todo&(Again<<1|Rearm) != 0 {
				t.Errorf("Poll = %#x, want Again %v", todo, c.again)
			}
			if len(*asked) != c.asked {
				t.Errorf("it looked %d times whether a hold is near, want %d", len(*asked), c.asked)
			}
			for i, ticks := range *asked { // a tick is a microsecond
				if want := uint32(unheld + i + 1); ticks != want { // one for what is left to in-band
					t.Errorf("look %d is for %d ticks behind the last frame, want %d", i, ticks, want)
				}
			}
			b.slots(t)
			near = nil
			b.nic.Discard()
			if todo := Poll(0); todo&Again != 0 {
				t.Errorf("then Poll = %#x", todo)
			}
			if got, want := len(b.nic.Sent()), c.before+c.atAck-c.first; got != want {
				t.Errorf("then %d answers, want %d", got, want)
			}
			if b.nic.Interrupt() {
				t.Error("interrupt asserted for frames that were served")
			}
			b.slots(t)
		})
	}
}

// In-band, whose activations nothing holds, serves its devices without a look.
func TestHoldIsOobs(t *testing.T) {
	b := newBench(t, false, enettest.Options{})
	for i := range uint32(5) {
		b.nic.Inject(b.inband(i))
	}
	hold(t, unheld)
	got := 0
	for b.Receive(10, func([]byte) { got++ }) > 0 {
	}
	if got != 5 {
		t.Errorf("%d frames received, want 5", got)
	}
}

// In-band's frames to send wait for the end of a hold, and so do received ones that a tick was for; the next tick goes on.
func TestHoldSend(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	b.hooks.Kick = func() {}
	for range 5 {
		b.Device.Send(60, func([]byte) {})
	}
	hold(t, unheld)
	if todo := Kicked(); todo != Rearm || b.count(TxInband) != unheld {
		t.Errorf("Kicked = %#x, %d frames sent, want Rearm and %d", todo, b.count(TxInband), unheld)
	}
	request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(64, 1))
	for range 5 {
		b.nic.Inject(request)
	}
	table[0].throttled = 1
	hold(t, unheld)
	if todo := Ticked(); todo != Rearm|Again || b.count(TxInband) != unheld || b.count(TxOob) != unheld {
		t.Errorf("Ticked = %#x, %d of in-band's and %d answers sent, want Rearm|Again, none more and %d",
			todo, b.count(TxInband)-unheld, b.count(TxOob), unheld)
	}
	near = nil
	Poll(0)
	if todo := Ticked(); todo != 0 || b.count(TxInband) != 5 || b.count(TxOob) != 5 {
		t.Errorf("then Ticked = %#x, %d of in-band's and %d answers sent, want 0, 5, 5", todo, b.count(TxInband), b.count(TxOob))
	}
	b.slots(t)
}
