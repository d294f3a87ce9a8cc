package main_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"mortise/stack/wire"
)

// A task's socket has the times of what comes and goes. The emulator's timer does not count: they are the stage's own, and log, page and
// net query say so.
func TestTimesInOob(t *testing.T) {
	t.Parallel()
	r := bootImage(t, tasksImage(t, "socktest"), options{})
	r.resolve(vlanTag, vlanIP, vlanPeer)
	time.Sleep(quiet) // until in-band has told the oob stage whom it knows now

	const (
		payload  = 46
		software = 1
		limit    = 62_500_000 / 100 // ticks: 10 ms
	)
	for turn := range uint32(4) {
		ask := wire.AppendUDP(nil, r.header(vlanTag), 40000, socktestPort, []byte("time"))
		b := r.exchange(ask, replyLimit, func(b []byte) bool {
			return len(b) >= payload+36 && binary.BigEndian.Uint16(b[16:]) == 0x0800 && binary.BigEndian.Uint16(b[38:]) == socktestPort
		})
		if b == nil {
			t.Fatalf("turn %d: no answer", turn)
		}
		word := func(i int) uint32 { return binary.BigEndian.Uint32(b[payload+4*i:]) }
		if word(2) != software || word(3) == 0 || word(3) > limit || word(4) > limit {
			t.Errorf("turn %d: source %d, queued %d ticks behind the device, delivered %d behind that", turn, word(2), word(3), word(4))
		}
		if turn == 0 {
			if word(6) != 0 {
				t.Errorf("answer %d had left ahead of the first", word(6))
			}
			continue
		}
		if word(5) != software || word(6) != turn || word(7) == 0 || word(7) > limit || word(8) == 0 {
			t.Errorf("turn %d: answer %d left by %d, %d ticks behind its submission, told of %d behind that", turn, word(6), word(5), word(7), word(8))
		}
	}

	log, err := r.process.Serial()
	if want := "rt0: timestamps by software: the controller's timer does not count"; err != nil || !strings.Contains(string(log), want) {
		t.Errorf("the log does not say %q: %v", want, err)
	}
	for path, want := range map[string]string{
		"/":                     "timestamps by software",
		"/api/net/devices/rt0":  `"timestamps": "software"`,
		"/api/net/devices/lan0": `"timestamps": "off"`,
		"/api/net/sockets":      `"timestamps": "received sent device queued"`,
	} {
		page, err := r.get(path)
		if err != nil {
			t.Fatal(err)
		}
		if compact := strings.ReplaceAll(want, ": ", ":"); !strings.Contains(page, want) && !strings.Contains(page, compact) {
			t.Errorf("%s does not say %s:\n%s", path, want, page)
		}
	}
}
