package main_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mortise/stack/admin"
	"mortise/stack/gateway"
	"mortise/stack/wire"
	"mortise/tools/qemu"
)

// neighbours returns whom the oob stage knows on a port: "ADDRESS at MAC", and " for good" behind a permanent one.
func (r *rig) neighbours(port string) (list []string) {
	r.t.Helper()
	var entries []struct {
		Address, MAC string
		Permanent    bool
	}
	code, body := r.netDo("neighbours?port="+port, "")
	if err := json.Unmarshal([]byte(body), &entries); err != nil || code != http.StatusOK {
		r.t.Fatalf("neighbours of %s: %d, %v: %s", port, code, err, body)
	}
	for _, e := range entries {
		s := e.Address + " at " + e.MAC
		if e.Permanent {
			s += " for good"
		}
		list = append(list, s)
	}
	return list
}

// isRequest reports whether b is an ARP request in VLAN 42 for the peer's address there.
func isRequest(b []byte) bool {
	return len(b) >= 18+28 && binary.BigEndian.Uint16(b[12:]) == 0x8100 && binary.BigEndian.Uint16(b[16:]) == 0x0806 && b[18+7] == 1 &&
		[4]byte(b[18+24:18+28]) == vlanPeer
}

// TestLinkDown: a cable that is pulled takes the oob ports of its device down, and with them whom they know but for permanent
// neighbours; back in its place, ports serve as before, and whom they knew is asked for anew. A port can come up only where the link is.
func TestLinkDown(t *testing.T) { inModes(t, testLinkDown) }

func testLinkDown(t *testing.T, m mode) {
	t.Parallel()
	r := m.boot(t, envInject, options{console: true})
	r.mac = r.resolve(vlanTag, vlanIP, vlanPeer) // who asks becomes known
	known, pinned := "10.0.42.2 at 02:00:00:00:00:02", "10.0.42.9 at 02:00:00:00:00:09 for good"
	r.typed("net neigh set -i rt0.42 10.0.42.9 02:00:00:00:00:09")
	r.eventually("both neighbours are known", func() bool { return slices.Equal(r.neighbours("rt0.42"), []string{known, pinned}) })
	for round := range 2 {
		if err := r.monitor.SetLink(0, false); err != nil {
			t.Fatal(err)
		}
		r.eventually("rt0.42 is down", func() bool { p := r.netPort("rt0.42"); return p.Oob && !p.Up })
		if got := r.neighbours("rt0.42"); !slices.Equal(got, []string{pinned}) {
			t.Errorf("round %d: neighbours without a link: %q, want %q", round, got, pinned)
		}
		if code, body := r.netDo("solicit", `{"address": "10.0.42.2", "timeout_ms": 500}`); code != http.StatusConflict {
			t.Errorf("solicit without a link: %d %s", code, body)
		}
		if round == 1 { // off and on again while there is no link: the one goes, the other is refused
			if code, body := r.netDo("disable", `{"port": "rt0.42"}`); code != http.StatusOK {
				t.Errorf("disable without a link: %d %s", code, body)
			}
			if code, body := r.netDo("enable", `{"port": "rt0.42"}`); code != http.StatusConflict {
				t.Errorf("enable without a link: %d %s", code, body)
			}
		}
		r.rt.Drain()
		if err := r.monitor.SetLink(0, true); err != nil {
			t.Fatal(err)
		}
		r.eventually("rt0's link is up", func() bool { return r.netPort("rt0").Up })
		if round == 0 {
			if request := r.await(replyLimit, isRequest); request == nil {
				t.Fatal("nobody asks for the peer that was known")
			}
			answer := &wire.Header{Dst: r.mac, Src: peerMAC, Tags: vlanTag, SrcIP: vlanPeer, DstIP: vlanIP}
			if err := r.rt.Send(wire.AppendARP(nil, answer, 2, r.mac)); err != nil {
				t.Fatal(err)
			}
			r.eventually("the peer is known again", func() bool { return slices.Equal(r.neighbours("rt0.42"), []string{known, pinned}) })
		} else if code, body := r.netDo("enable", `{"port": "rt0.42"}`); code != http.StatusOK {
			t.Errorf("enable with the link back: %d %s", code, body)
		}
		r.served(t, "the oob stage")
	}
	r.checkSlots("rt0")
}

// TestConflict: another host that says our oob port's address is its own is told of, on the console and by the API, and gets no answer.
func TestConflict(t *testing.T) { inModes(t, testConflict) }

func testConflict(t *testing.T, m mode) {
	t.Parallel()
	r := m.boot(t, envInject, options{console: true})
	conflicts := func() string {
		var list []admin.Conflict
		code, body := r.netDo("conflicts", "")
		if err := json.Unmarshal([]byte(body), &list); err != nil || code != http.StatusOK {
			t.Fatalf("conflicts: %d, %v: %s", code, err, body)
		}
		return fmt.Sprint(list)
	}
	if got := conflicts(); got != "[]" {
		t.Errorf("conflicts at the start: %s", got)
	}
	claim := wire.AppendARP(nil, &wire.Header{Dst: broadcast, Src: peerMAC, SrcIP: rtIP, DstIP: rtIP}, 1, [6]byte{})
	for n := 1; n <= 2; n++ {
		if b := r.exchange(claim, quiet, func(b []byte) bool { return binary.BigEndian.Uint16(b[12:]) == 0x0806 }); b != nil {
			t.Errorf("answer to a claim: %x", b)
		}
		want := fmt.Sprintf("[{rt0 10.0.0.1 02:00:00:00:00:02 %d}]", n)
		r.eventually("conflicts "+want, func() bool { return conflicts() == want })
	}
	r.waitFor("address conflict: 02:00:00:00:00:02 says that 10.0.0.1 is its address")
	r.served(t, "the oob stage")
}

// TestNeighbourMoves: a neighbour that says that it is at another MAC address now is followed, and so is one that answers when it is
// solicited, though the gateway knew it.
func TestNeighbourMoves(t *testing.T) { inModes(t, testNeighbourMoves) }

func testNeighbourMoves(t *testing.T, m mode) {
	t.Parallel()
	r := m.boot(t, envInject, options{})
	at := func(mac [6]byte) {
		t.Helper()
		want := []string{fmt.Sprintf("10.0.0.2 at %v", gateway.MAC(mac))}
		r.eventually("neighbours "+want[0], func() bool { return slices.Equal(r.neighbours("rt0"), want) })
	}
	at(peerMAC) // who asked for the gateway's address

	moved := [6]byte{2, 0, 0, 0, 0, 0x20}
	if err := r.rt.Send(wire.AppendARP(nil, &wire.Header{Dst: broadcast, Src: moved, SrcIP: rtPeer, DstIP: rtPeer}, 1, [6]byte{})); err != nil {
		t.Fatal(err)
	}
	at(moved)

	again := [6]byte{2, 0, 0, 0, 0, 0x21}
	answered := make(chan error)
	go func() {
		for {
			b, err := r.rt.Receive(replyLimit)
			if err != nil {
				answered <- fmt.Errorf("nobody was asked for on the wire: %w", err)
				return
			}
			if len(b) >= 42 && [6]byte(b[:6]) == broadcast && b[13] == 6 && b[21] == 1 && [4]byte(b[38:42]) == rtPeer {
				answered <- r.rt.Send(wire.AppendARP(nil, &wire.Header{Dst: r.mac, Src: again, SrcIP: rtPeer, DstIP: rtIP}, 2, r.mac))
				return
			}
		}
	}()
	code, body := r.netDo("solicit", `{"address": "10.0.0.2"}`)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if want := gateway.MAC(again).String(); code != http.StatusOK || !strings.Contains(body, want) {
		t.Errorf("solicit = %d %s, want %s", code, body, want)
	}
	at(again)
}

// TestNeighbourGone: a neighbour of an oob port that is heard no more is asked for it, itself, three times, and then is not known any more.
func TestNeighbourGone(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{console: true, icount: &qemu.Icount{Shift: 3}}) // a minute in which nothing happens takes no time
	for n := range 3 {
		asks := func(b []byte) bool {
			return len(b) >= 42 && b[13] == 6 && b[21] == 1 && [4]byte(b[38:42]) == rtPeer && [6]byte(b[:6]) == peerMAC
		}
		if r.await(time.Minute, asks) == nil {
			t.Fatalf("asked %d times", n)
		}
	}
	r.eventually("no neighbour", func() bool {
		r.typed("net query -i rt0")
		log, err := r.process.Serial()
		return err == nil && strings.Contains(log, "  0 neighbours, 0 address conflicts")
	})
}
