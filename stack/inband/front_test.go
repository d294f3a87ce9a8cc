package inband_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"mortise/stack/gateway"
	"mortise/stack/inband"
)

var front = netip.MustParseAddr("10.0.42.9")

// told is what OnNeighbour's function was told of front: its last MAC address, and whether it is gone.
type told struct {
	mu   sync.Mutex
	last inband.Neighbour
	n    int
	lost bool // it is not followed
}

func (f *told) tell(n inband.Neighbour) (followed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.Addr == front {
		f.last = n
		f.n++
	}
	return n.Addr == front && !f.lost
}

func (f *told) is(mac gateway.MAC, gone bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n > 0 && f.last.Gone == gone && (gone || f.last.MAC == mac)
}

// followed is a stack that has just learned that front is at peerMAC, which is followed. It verifies neighbours ever so fast.
func followed(t *testing.T) (*inband.Stack, *link, *told) {
	l, f := newLink("rt0", 1), new(told)
	s, err := inband.New(rt0(), l)
	if err != nil {
		t.Fatal(err)
	}
	for id := range s.Netstack().NICInfo() {
		if err := s.Netstack().SetNUDConfigurations(id, header.IPv4ProtocolNumber, stack.NUDConfigurations{
			BaseReachableTime: 50 * time.Millisecond, MinRandomFactor: 1, MaxRandomFactor: 1, RetransmitTimer: 20 * time.Millisecond,
			DelayFirstProbeTime: 20 * time.Millisecond, MaxMulticastProbes: 3, MaxUnicastProbes: 3,
		}); err != nil {
			t.Fatal(err)
		}
	}
	s.OnNeighbour(f.tell)
	s.Start()
	t.Cleanup(s.Close)
	if !s.Learn(0, 42, front.As4(), peerMAC) || !f.is(peerMAC, false) {
		t.Fatalf("learned: %+v", f.last)
	}
	return s, l, f
}

// Whoever has been learned is asked on the wire all the same. What was known of it stays until nobody has answered three times.
func TestSolicitAsks(t *testing.T) {
	s, l, f := followed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if mac, err := s.Solicit(ctx, 0, 42, front); !errors.Is(err, inband.ErrNoNeighbour) || l.count(isARP(1)) == 0 {
		t.Errorf("Solicit of who has gone = %x, %v after %d requests", mac, err, l.count(isARP(1)))
	}
	if !f.is(peerMAC, false) {
		t.Errorf("while it is asked for: %+v, want it known", f.last)
	}
	wait(t, "its end", func() bool { return f.is(gateway.MAC{}, true) })
	if n := l.count(isARP(1)); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}

	moved := gateway.MAC{2, 0, 0, 0, 0, 0x10}
	go func() {
		for l.count(isARP(1)) < 4 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		s.Learn(0, 42, front.As4(), moved)
	}()
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if mac, err := s.Solicit(ctx, 0, 42, front); err != nil || mac != moved {
		t.Errorf("Solicit = %x, %v, want %x", mac, err, moved)
	}
	if !f.is(moved, false) {
		t.Errorf("after the answer: %+v", f.last)
	}
}

// Whoever has no time to ask leaves what is known as it is, and verified.
func TestSolicitTooLate(t *testing.T) {
	s, l, f := followed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Solicit(ctx, 0, 42, front); !errors.Is(err, inband.ErrNoNeighbour) || l.count(isARP(1)) != 0 {
		t.Errorf("Solicit = %v after %d requests", err, l.count(isARP(1)))
	}
	if !f.is(peerMAC, false) {
		t.Errorf("after it: %+v", f.last)
	}
	wait(t, "its end", func() bool { return f.is(gateway.MAC{}, true) })
}

// A neighbour that is followed is verified although in-band has nothing to send to it, and is gone when it does not answer. Another is
// not.
func TestVerified(t *testing.T) {
	s, l, f := followed(t)
	unicast := func(b []byte) bool { return isARP(1)(b) && gateway.MAC(b[:6]) == peerMAC }
	for i := range 3 {
		wait(t, "a request", func() bool { return l.count(unicast) > i })
		s.Learn(0, 42, front.As4(), peerMAC)
		if !f.is(peerMAC, false) {
			t.Fatalf("it answered: %+v", f.last)
		}
	}
	wait(t, "its end", func() bool { return f.is(gateway.MAC{}, true) })

	f.mu.Lock()
	f.lost = true
	f.mu.Unlock()
	s.Learn(0, 42, front.As4(), peerMAC)
	before := l.count(isARP(1))
	time.Sleep(300 * time.Millisecond)
	if n := l.count(isARP(1)); n != before || !f.is(peerMAC, false) {
		t.Errorf("%d requests for a neighbour that is not followed, and %+v", n-before, f.last)
	}
}

// Who is told of a neighbour may have forgotten it: it is told again when the neighbour is heard, though nothing changed for in-band.
func TestLearnTellsAgain(t *testing.T) {
	s, _, f := followed(t)
	f.mu.Lock()
	f.n = 0
	f.mu.Unlock()
	if s.Learn(0, 42, front.As4(), peerMAC); !f.is(peerMAC, false) {
		t.Error("not told of a neighbour that was heard again")
	}
	s.ForgetNeighbours(0, 42, netip.MustParseAddr("10.0.42.77"))
	if !f.is(peerMAC, false) {
		t.Error("gone with another")
	}
	s.ForgetNeighbours(0, 42, front)
	if !f.is(gateway.MAC{}, true) {
		t.Errorf("forgotten: %+v", f.last)
	}
}
