package enet

import "testing"

// An activation that recycles a bad frame between the two loads of fold moves one of the words that it saw: the number of
// good frames must neither jump by 2³² nor go back.
func TestFoldBesideAnActivation(t *testing.T) {
	dev := &Device{hw: &Port{}}
	for i, s := range []struct {
		rxHead, rxRecycled uint32
		want               uint64
	}{
		{100, 0, 100},
		{100, 1, 100}, // rxHead loaded before the activation, rxRecycled after
		{101, 1, 100},
		{103, 1, 102},
		{104, 1, 103}, // in the middle of receiveSlow: refilled, not yet counted
		{104, 2, 103},
		{106, 2, 104},
	} {
		dev.hw.rxHead, dev.hw.rxRecycled = s.rxHead, s.rxRecycled
		dev.fold()
		if got := dev.total[totalRx]; got != s.want {
			t.Errorf("step %d: good frames = %d, want %d", i, got, s.want)
		}
	}
	dev.hw.rxHead, dev.hw.rxRecycled = 1, 0 // free-running: they wrap
	dev.last[totalRx] = 1<<32 - 2
	dev.fold()
	if got := dev.total[totalRx]; got != 107 {
		t.Errorf("across the wrap: good frames = %d, want 107", got)
	}
}
