package main_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"mortise/stack/wire"
	"mortise/tools/qemu"
)

// In-band goes on beside goroutines that never yield, or that build garbage all the time: ARP, ping, UDP, TCP and the
// status page, on both devices, also in the flood that takes a dead in-band's share away. (What a page costs then is measured by
// tools/bench/inband.)
func TestFairness(t *testing.T) {
	for _, load := range []string{"spin", "gc"} {
		t.Run(load, func(t *testing.T) {
			r := bootFair(t, load, options{lanWire: true})
			r.lanAnswers(t)
			s := peer(t, r.lan, "10.0.2.2/24")
			testHTTP(t, s, "10.0.2.15")
			testUDPEcho(t, s, "10.0.2.15")

			other := wire.AppendUDP(nil, r.header(nil), 40000, 7776, make([]byte, 972))
			for range 200 {
				if err := r.rt.Send(other); err != nil {
					t.Fatal(err)
				}
				if !r.echo(nil, 7, []byte("through")) {
					t.Fatal("an oob echo was lost")
				}
			}
			testHTTP(t, s, "10.0.2.15")
		})
	}
}

// bootFair boots the image with in-band load, if its Go preempts goroutines.
func bootFair(t *testing.T, load string, o options) *rig {
	_, image, ok := strings.Cut(os.Getenv(envLoad), load+"=")
	if !ok {
		t.Skipf("%s names no firmware with %s=: run make test", envLoad, load)
	}
	t.Setenv(envImage, strings.Split(image, ":")[0])
	if _, ok := symbols(t, os.Getenv(envImage))["mortise/drivers/tick.irqVector"]; !ok {
		t.Skip("the firmware was built by a Go that does not preempt")
	}
	return boot(t, envImage, o)
}

// lanAnswers checks ARP and ping on lan0.
func (r *rig) lanAnswers(t *testing.T) {
	t.Helper()
	h := &wire.Header{Dst: broadcast, Src: peerMAC, SrcIP: [4]byte{10, 0, 2, 2}, DstIP: [4]byte{10, 0, 2, 15}}
	reply := ask(t, r.lan, wire.AppendARP(nil, h, 1, [6]byte{}))
	if reply == nil {
		t.Fatal("lan0: no answer to an ARP request")
	}
	copy(h.Dst[:], reply[6:12])
	for i := range uint16(10) {
		if b := ask(t, r.lan, wire.AppendICMPEcho(nil, h, 8, 1, i, []byte("ping"))); b == nil || !bytes.Contains(b, []byte("ping")) {
			t.Fatalf("lan0: no answer to ping %d", i)
		}
	}
}

// ask returns the first frame that comes back for one.
func ask(t *testing.T, w *qemu.Wire, frame []byte) []byte {
	t.Helper()
	w.Drain()
	if err := w.Send(frame); err != nil {
		t.Fatal(err)
	}
	b, err := w.Receive(replyLimit)
	if err != nil {
		return nil
	}
	return b
}
