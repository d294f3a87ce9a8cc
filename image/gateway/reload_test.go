package main_test

import (
	"testing"
	"time"

	"mortise/stack/oob"
	"mortise/stack/wire"
)

// The image with LOAD=reload applies two configurations by turns: a datagram that only one of them has the oob stage take is
// taken now and left to in-band then, and no echo is lost meanwhile.
func TestReload(t *testing.T) { inModes(t, testReload) }

func testReload(t *testing.T, m mode) {
	const port = 4711

	r := bootImage(t, m.reloadImage(t), options{})
	datagram := wire.AppendUDP(nil, r.header(nil), 40000, port, make([]byte, 64))
	var s oob.Stats
	for end := time.Now().Add(bootLimit); s[oob.Unclaimed] < 10 || s[oob.InbandUDPPort] < 10; s = r.core() {
		if time.Now().After(end) {
			t.Fatalf("datagrams to port %d: %d taken, %d left to in-band, want 10 of each", port, s[oob.Unclaimed], s[oob.InbandUDPPort])
		}
		for range 20 {
			if err := r.rt.Send(datagram); err != nil {
				t.Fatal(err)
			}
			if !r.echo(nil, 7, []byte("through")) {
				t.Fatal("an oob echo was lost")
			}
		}
	}
	r.account()
}
