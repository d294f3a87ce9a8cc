package main_test

import (
	"bytes"
	"fmt"
	"testing"

	"mortise/stack/oob"
	"mortise/stack/wire"
)

var vlanTag = []wire.VLAN{{VID: vlan}}

func TestOobAnswers(t *testing.T) { inModes(t, testOobAnswers) }

func testOobAnswers(t *testing.T, m mode) {
	r := m.boot(t, envImage, options{})
	tags := map[string][]wire.VLAN{
		"untagged": nil, "802.1Q": vlanTag, "802.1ad": {{TPID: 0x88a8, VID: 100}, {VID: vlan}},
	}
	answered := uint32(0)
	for name, tag := range tags {
		for _, n := range []int{0, 1, 18, 64, 511, 1471, 1472} {
			t.Run(fmt.Sprintf("%s echo of %d bytes", name, n), func(t *testing.T) {
				payload := bytes.Repeat([]byte{0xa5, 3, 7}, n)[:n]
				if m.takes(r.header(tag), n) {
					answered++
				} else {
					r.refused(wire.AppendUDP(nil, r.header(tag), 40000, 7, payload))
					return
				}
				if !r.echo(tag, 7, payload) {
					t.Error("no echo, or not the same")
				}
			})
		}
		t.Run(name+" ping", func(t *testing.T) {
			if !r.ping(tag, 1) {
				t.Error("no answer")
			}
		})
	}
	if got := r.resolve(vlanTag, vlanIP, vlanPeer); got != r.mac {
		t.Errorf("MAC address of the VLAN port = %x, want %x", got, r.mac)
	}
	s := r.core()
	if got, want := s[oob.UDPEcho], answered; got != want || m.stock == (answered == 3*7) {
		t.Errorf("echoes answered in the oob stage = %d, want %d", got, want)
	}
	if got := s[oob.ICMPEcho]; got != 3 {
		t.Errorf("pings answered in the oob stage = %d, want 3", got)
	}
	r.checkSlots("rt0")
}

// A frame of a VLAN that no port is on is in-band's, which has no use for it either: nobody answers.
func TestUnknownVLAN(t *testing.T) { inModes(t, testUnknownVLAN) }

func testUnknownVLAN(t *testing.T, m mode) {
	r := m.boot(t, envImage, options{})
	tags := []wire.VLAN{{VID: 43}}
	frame := wire.AppendUDP(nil, r.header(tags), 40000, 7, []byte("hello"))
	if got := r.exchange(frame, quiet, func([]byte) bool { return true }); got != nil {
		t.Errorf("an answer: % x", got)
	}
	if s := r.core(); s[oob.InbandVLAN] != 1 {
		t.Errorf("inband_vlan = %d, want 1", s[oob.InbandVLAN])
	}
	s := r.status()
	if n, err := s.value("rt0", "inband", "unknown_vlan"); err != nil || n != 1 {
		t.Errorf("unknown_vlan = %d, %v, want 1", n, err)
	}
}

// What nothing claims on a port without rules is dropped and counted.
func TestUnclaimed(t *testing.T) { inModes(t, testUnclaimed) }

func testUnclaimed(t *testing.T, m mode) {
	r := m.boot(t, envImage, options{})
	frame := wire.AppendUDP(nil, r.header(vlanTag), 40000, 4711, []byte("hello"))
	if got := r.exchange(frame, quiet, func([]byte) bool { return true }); got != nil {
		t.Errorf("an answer: % x", got)
	}
	if s := r.core(); s[oob.Unclaimed] != 1 {
		t.Errorf("unclaimed = %d, want 1", s[oob.Unclaimed])
	}
}
