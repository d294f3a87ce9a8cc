package main_test

import (
	"bytes"
	"testing"
	"time"

	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// site is whom the corpus' frames are for: this machine.
func (r *rig) site() wiretest.Site {
	return wiretest.Site{
		MAC: r.mac, PeerMAC: peerMAC, VID: vlan, Addr: rtIP, Peer: rtPeer, VAddr: vlanIP, VPeer: vlanPeer,
	}
}

// reassembled are the cases of the corpus that fare differently where sockets take datagrams in fragments, as the firmware's do: what
// is no datagram's first fragment is kept on a port without rules, or reaches beyond the largest datagram.
var reassembled = map[string]string{
	"middle fragment, port without rules": "fragment_kept",
	"last fragment, port without rules":   "fragment_malformed",
}

// Every frame of the corpus fares on the machine as it does on the host: one counter moves, and nobody answers but the
// oob stage where it should. The emulator pads frames below 60 bytes, so the ones that are cut off there are the host's.
func TestCorpus(t *testing.T) { inModes(t, testCorpus) }

func testCorpus(t *testing.T, m mode) {
	r := m.boot(t, envImage, options{})
	index := map[string]int{}
	for i, name := range oob.CounterNames {
		index[name] = i
	}
	tried := 0
	for _, c := range wiretest.Corpus(r.site()) {
		if len(c.Frame) < wire.MinLen {
			continue
		}
		tried++
		if len(c.Frame) > m.maxLen {
			r.refused(c.Frame)
			continue
		}
		r.rt.Drain()
		before := r.balanced()
		if c.Want == wiretest.Answered {
			if r.exchange(c.Frame, replyLimit, func(b []byte) bool { return bytes.Equal(b, c.Reply) }) == nil {
				t.Errorf("%s: not answered, or not as it should be", c.Name)
			}
		} else if err := r.rt.Send(c.Frame); err != nil {
			t.Fatal(err)
		}
		if counter, ok := reassembled[c.Name]; ok {
			c.Counter = counter
		}
		want := before
		want[oob.Received]++
		want[index[c.Counter]]++
		if after := r.settled(want); after != want {
			t.Errorf("%s: counters that differ from what they should be: %v, want received and %s to move by one", c.Name, moved(want, after), c.Counter)
		}
	}
	if tried < 50 {
		t.Errorf("cases tried = %d, want 50 at least", tried)
	}
	r.served(t, "the oob stage")
	r.checkSlots("rt0")
}

// balanced waits until each frame received is accounted for, and returns the core's counters: an answer is counted behind the answer.
func (r *rig) balanced() (s oob.Stats) {
	for end := time.Now().Add(replyLimit); ; time.Sleep(time.Millisecond) {
		if s = r.core(); s.Balanced() || time.Now().After(end) {
			return s
		}
	}
}

// settled waits until the core's counters are what they should be, events that were lost aside, and returns them: memory is read while
// the machine runs, also in the middle of an activation.
func (r *rig) settled(want oob.Stats) (s oob.Stats) {
	for end := time.Now().Add(replyLimit); ; time.Sleep(time.Millisecond) {
		s = r.core()
		s[oob.EventLost] = want[oob.EventLost]
		if s == want || time.Now().After(end) {
			return s
		}
	}
}

// moved names the counters in which two readings differ.
func moved(want, got oob.Stats) (names []string) {
	for i := range got {
		if got[i] != want[i] {
			names = append(names, oob.CounterNames[i])
		}
	}
	return names
}

// Random and mutated frames leave both stages answering and no slot leaked.
func TestRandomFrames(t *testing.T) { inModes(t, testRandomFrames) }

func testRandomFrames(t *testing.T, m mode) {
	const frames, seed = 20_000, 20261122
	r := m.boot(t, envImage, options{})
	random := wiretest.NewMutator(r.site(), seed)
	fitting := uint32(0)
	for i := range frames {
		f := random.Next()
		for len(f) == 0 { // the emulator takes an empty datagram for the end of the cable
			f = random.Next()
		}
		if m.minLen <= len(f) && len(f) <= m.maxLen {
			fitting++
		}
		if err := r.rt.Send(f); err != nil {
			t.Fatal(err)
		}
		if i%64 == 0 {
			r.rt.Drain()
		}
	}
	for last := uint32(0); ; time.Sleep(quiet) {
		s := r.core()
		if s[oob.Received] == last {
			break
		}
		last = s[oob.Received]
	}
	r.rt.Drain()
	if s := r.core(); s[oob.Received] < fitting*99/100 || !m.stock && s[oob.Received] < frames*9/10 { // the driver has refused the others
		t.Errorf("frames received = %d of %d, of which %d are neither too long nor too short", s[oob.Received], frames, fitting)
	}
	r.served(t, "the oob stage")
	r.checkSlots("rt0")
	if _, err := r.get("/metrics"); err != nil {
		t.Errorf("in-band after %d frames, seed %d: %v", frames, seed, err)
	}
}
