package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mortise/stack/wire"
)

// The port that is made at run time, and our address on its VLAN.
const madeVLAN = 77

var (
	madeIP   = [4]byte{10, 0, madeVLAN, 1}
	madePeer = [4]byte{10, 0, madeVLAN, 2}
	madeTag  = []wire.VLAN{{VID: madeVLAN}}
)

const madeName = "rt0.77"

// TestMadePort: a port that the configuration does not name comes and goes by HTTP and by console while it and the configuration's are
// asked for echoes; these never notice, and no buffer is missing. It is shown where others are, its frames can
// be captured, it outlasts a fault, and goes in order.
func TestMadePort(t *testing.T) { inModes(t, testMadePort) }

func testMadePort(t *testing.T, m mode) {
	t.Parallel()
	cycles := 30
	switch {
	case m.stock:
		cycles = 4
	case testing.Short():
		cycles = 6
	}
	r := m.boot(t, envInject, options{console: true})
	before := r.buffers()
	f := r.startFlow()
	for i := range cycles {
		pool := 100 + i
		if i%2 == 0 {
			r.post("enable", fmt.Sprintf(`{"port": "rt0.77", "address": "10.0.77.1/24", "pool": %d}`, pool), http.StatusOK, `"made": true`)
			r.post("disable", `{"port": "rt0.77"}`, http.StatusOK, `"gone": true`)
			continue
		}
		r.typed(fmt.Sprintf("net enable -i rt0.77 -a 10.0.77.1/24 -p %d", pool))
		r.waitFor(fmt.Sprintf("rt0.77: oob port, %d buffers of 2048 bytes", pool))
		if p := r.netPort(madeName); p.Pool.Size != uint32(pool) || p.Pool.Free != uint32(pool) {
			t.Errorf("cycle %d: pool %+v, want %d buffers, all free", i, p.Pool, pool)
		}
		r.typed("net disable -i rt0.77")
		r.eventually("the port is gone", func() bool { code, _ := r.netDo("ports/"+madeName, ""); return code == http.StatusNotFound })
	}
	f.end()
	if f.err != nil {
		t.Fatal(f.err)
	}
	for i := range f.sent {
		if n := f.answered[i]; n != 1 {
			t.Errorf("request %d of %d to rt0 and rt0.42: %d answers, want 1", i, f.sent, n)
		}
	}
	if got := r.buffers(); got != before {
		t.Errorf("room for a pool of %d buffers after %d cycles, %d before", got, cycles, before)
	}
	t.Logf("%d cycles: %d requests answered, %d by the port that comes and goes", cycles, f.sent, f.made)

	r.post("enable", `{"port": "rt0.77", "address": "10.0.42.9/24"}`, http.StatusConflict, "overlaps that of rt0.42")
	r.post("enable", `{"port": "rt0.42", "address": "10.0.77.1/24"}`, http.StatusConflict, "the configuration has it")
	r.post("enable", `{"port": "rt0.77", "address": "10.0.77.1/24", "pool": 50, "buffer": 8192}`, http.StatusOK, `"datagram_bytes": 8192`)
	r.answers(t, "made")
	r.typed("net query")
	r.waitFor("rt0.77  10.0.77.1/24  oob")
	for path, want := range map[string]string{
		"/": "rt0.77", "/api/status": `"rt0.77"`, "/metrics": `mortise_port_pool_size_buffers{port="rt0.77"} 300`,
	} {
		if text, err := r.get(path); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s has no %q: %v", path, want, err)
		}
	}
	r.typed("net solicit -i rt0.77 10.0.77.2")
	nobodys := append(wire.AppendEthernet(nil, r.header(nil), 0x9999), make([]byte, 46)...)
	r.exchange(nobodys, replyLimit, func(b []byte) bool { return len(b) > 18+28 && b[15] == madeVLAN && b[17] == 6 })
	h := &wire.Header{Dst: r.mac, Src: peerMAC, Tags: madeTag, SrcIP: madePeer, DstIP: madeIP}
	if err := r.rt.Send(wire.AppendARP(nil, h, 2, r.mac)); err != nil {
		t.Fatal(err)
	}
	r.waitFor("rt0.77: 10.0.77.2 is at 02:00:00:00:00:02")

	r.checkCapture(t)
	// In-band stands in for the stage while it is down, and the port is back with it.
	r.typed("oob stop")
	r.waitFor("oob stage: stopped")
	r.answers(t, "made, and the stage is down")
	r.typed("oob restart")
	r.waitFor("oob stage: serving again")
	restarts := r.status().Stage.Restarts
	r.command("oob index")
	r.eventually("the stage serves again", func() bool { s := r.status().Stage; return s.Restarts > restarts && s.State == "running" })
	r.answers(t, "made, and behind a fault")
	r.post("disable", `{"port": "rt0.77"}`, http.StatusOK, `"gone": true`)
	r.served(t, "the oob stage")
	r.checkSlots("rt0")
	if got := r.buffers(); got != before {
		t.Errorf("room for a pool of %d buffers in the end, %d before", got, before)
	}
}

// post sends a request to /api/net/, whose answer has a status and a text.
func (r *rig) post(path, request string, code int, want string) {
	r.t.Helper()
	if got, body := r.netDo(path, request); got != code || !strings.Contains(body, want) {
		r.t.Errorf("%s %s: %d %s, want %d with %q", path, request, got, body, code, want)
	}
}

// answers checks that somebody answers on the port that was made.
func (r *rig) answers(t *testing.T, when string) {
	t.Helper()
	r.resolve(madeTag, madeIP, madePeer)
	if !r.ping(madeTag, 1) || !r.echo(madeTag, 7, []byte("hello")) {
		t.Errorf("%s: no answer to a ping or an echo request", when)
	}
}

// buffers returns how many buffers the largest pool could have.
func (r *rig) buffers() (n int) {
	r.t.Helper()
	_, body := r.netDo("enable", `{"port": "lo", "pool": 32768}`)
	at := strings.Index(body, "want at most ")
	if at < 0 {
		r.t.Fatalf("a pool of all there is: %s", body)
	}
	if _, err := fmt.Sscanf(body[at:], "want at most %d", &n); err != nil {
		r.t.Fatal(err)
	}
	return n
}
