package admin_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mortise/stack/admin"
	"mortise/stack/capture"
	"mortise/stack/console"
	"mortise/stack/divert"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
	"mortise/tools/pcap"
)

// kept returns the frames of a capture's file.
func (b *bench) kept(name string) [][]byte {
	b.Helper()
	b.storing.Lock()
	defer b.storing.Unlock()
	r, err := pcap.NewReader(bytes.NewReader(b.stored["/captures/"+name+".pcap"]))
	b.ok(err)
	list, err := r.ReadAll()
	b.ok(err)
	var frames [][]byte
	for _, f := range list {
		frames = append(frames, f.Frame)
	}
	return frames
}

// seen waits until a capture has seen so many frames, kept or dropped.
func (b *bench) seen(name string, n int) capture.State {
	b.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		socket.Deliver()
		c, err := b.CaptureState(name)
		b.ok(err)
		if c.Passed+int(c.Dropped) >= n {
			return c
		}
		if time.Now().After(end) {
			b.Fatalf("%d frames expected: %+v", n, c)
		}
	}
}

// A capture of an oob port has what comes in on it, as it came, whatever becomes of it, and what in-band sends; the frames' fates are the
// same as without.
func TestCapture(t *testing.T) {
	b := newBench(t)
	request, _ := wiretest.Echo(b.header(0), 40000, wiretest.Payload(32, 1))
	left := wire.AppendUDP(nil, b.header(0), 40000, 7777, []byte("for in-band"))
	vlan, _ := wiretest.Echo(b.header(42), 40000, wiretest.Payload(32, 2))
	malformed := bytes.Clone(request)
	malformed[17] = 0xff // a length beyond the frame
	others := append(wire.AppendEthernet(nil, b.header(0), 0x88b5), wiretest.Payload(200, 3)...)
	fates := func() string {
		was := oob.Snapshot(0)
		b.nic.Discard()
		for _, f := range [][]byte{request, left, vlan, malformed, others} {
			b.nic.Inject(f)
		}
		inband := 0
		b.poll(func([]byte) { inband++ })
		now := oob.Snapshot(0)
		return fmt.Sprint(len(b.nic.Sent()), inband, now.Dropped()-was.Dropped())
	}
	before := fates()
	b.ok(b.Capture(capture.Options{Name: "a", Port: "rt0"}))
	if got := fates(); got != before {
		t.Errorf("fates with a capture %s, without %s", got, before)
	}
	b.seen("a", 4)
	answer := wire.AppendUDP(nil, b.header(0), 7777, 40000, []byte("from in-band"))
	b.taps[0](answer)
	b.ok(b.StopCapture("a"))
	got := b.kept("a")
	want := [][]byte{request, left, malformed, others, answer}
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("frame %d: %x, want %x", i, got[i], want[i])
		}
	}
	if len(b.taps) != 0 || len(socket.List()) != 0 {
		t.Errorf("left behind: %d taps, sockets %+v", len(b.taps), socket.List())
	}
	if got := fates(); got != before {
		t.Errorf("fates behind the capture %s, ahead %s", got, before)
	}
	if p, _ := b.Port("rt0"); p.Pool.Free != p.Pool.Size {
		t.Errorf("pool %+v", p.Pool)
	}
}

// A capture that is not read holds a quarter of the pool at most, and misses the rest: it counts these.
func TestCaptureIsBounded(t *testing.T) {
	b := newBench(t)
	b.ok(b.Capture(capture.Options{Name: "a", Port: "rt0.42"}))
	const frames = 60
	lowest := uint32(16)
	for i := range frames {
		request, _ := wiretest.Echo(b.header(42), 40000, wiretest.Payload(32, byte(i)))
		b.nic.Inject(request)
		b.poll(func([]byte) {}) // and nobody calls Deliver
		p, _ := b.Port("rt0.42")
		lowest = min(lowest, p.Pool.Free)
	}
	if got := len(b.nic.Sent()); got != frames {
		t.Errorf("%d of %d answered", got, frames)
	}
	if lowest < 12 {
		t.Errorf("%d of 16 buffers free at the lowest, want 12", lowest)
	}
	c := b.seen("a", frames)
	if c.Dropped == 0 || c.Passed+int(c.Dropped) != frames {
		t.Errorf("state %+v, want %d in all, some of them dropped", c, frames)
	}
	b.ok(b.StopCapture("a"))
	if c, _ := b.CaptureState("a"); len(b.kept("a")) != c.Frames || c.Frames == 0 {
		t.Errorf("%d frames in the file, state %+v", len(b.kept("a")), c)
	}
}

// When its port is switched a capture ends, and does not keep the port's buffers or its place.
func TestCaptureEnds(t *testing.T) {
	b := newBench(t)
	b.ok(b.Make(made(77)))
	b.ok(b.Capture(capture.Options{Name: "made", Port: "rt0.77"}))
	b.ok(b.Capture(capture.Options{Name: "inband", Port: "rt0.43"}))
	b.want(77, "oob")
	b.taps[43](make([]byte, 60))
	_, err := b.Disable("rt0.77")
	b.ok(err)
	b.ok(b.Enable("rt0.43", 0))
	for _, name := range []string{"made", "inband"} {
		if c, err := b.CaptureState(name); err != nil || c.Running || c.Ended != "the port changed" {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if len(b.kept("inband")) != 1 || len(b.taps) != 0 || len(socket.List()) != 0 || !divert.Diverted(0) {
		t.Errorf("%d frames, %d taps, %d sockets", len(b.kept("inband")), len(b.taps), len(socket.List()))
	}
}

func TestCaptureCommands(t *testing.T) {
	b := newBench(t)
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net capture", "0 captures"},
		{"net capture -i rt0", "name the capture, too"},
		{"net capture a", "name the port: -i NAME"},
		{"net capture -i rt9 a", `capture a: port "rt9": no such port`},
		{"net capture -i lo a", "capture a: refused: what goes by lo is no frame on its way"},
		{"net capture -i rt0 -n 0 a", "0 frames: invalid"},
		{"net capture -i rt0 -n 1000000 a", "1000000 frames: invalid, want 1 to"},
		{"net capture -i rt0 -s 1 a", "1 bytes of a frame: invalid, want 14 to 1522"},
		{"net capture -i rt0 ../a", `"../a": invalid`},
		{"net capture -i rt0 a ethertype=x", "ethertype"},
		{"net capture -i rt0 -n 10 -s 64 a ethertype=profinet", "a: of rt0, 0 frames, 24 bytes in /captures/a.pcap, 0 dropped, those of 0 with ethertype=profinet; running, up to 10"},
		{"net capture -i rt0 a", "it is running"},
		{"net capture -i rt0.42 b", "running"},
		{"net capture", "2 captures"},
		{"net capture stop a", "ended: it was stopped"},
		{"net capture stop x", `"x": no such capture; there are: a b`},
		{"net capture remove a", "a: removed"},
		{"net capture remove a", "no such capture"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
	for _, tc := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "capture", `{"port": "rt0", "name": "c", "packets": 5, "snaplen": 64, "rule": "vlan=x"}`, 400, "vlan"},
		{"POST", "capture", `{"port": "rt0", "name": "c", "packets": 5, "snaplen": 64}`, 200, `"file": "/captures/c.pcap"`},
		{"POST", "capture", `{"port": "rt9", "name": "d"}`, 404, "rt9"},
		{"POST", "capture", `{"port": "rt0", "name": "c"}`, 409, "running"},
		{"GET", "captures", "", 200, `"snaplen": 64`},
		{"POST", "capture/stop", `{"name": "c"}`, 200, `"running": false`},
		{"POST", "capture/remove", `{"name": "c"}`, 200, `"name": "b"`},
		{"POST", "capture/stop", `{"name": "c"}`, 404, "no such capture"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, admin.Path+tc.path, strings.NewReader(tc.body))
		r.Header.Set("Content-Type", "application/json")
		b.Handler(true).ServeHTTP(w, r)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", tc.method, tc.path, tc.body, w.Code, w.Body, tc.code, tc.want)
		}
	}
	b.deny = errors.New("in-band has no taps")
	if err := b.Capture(capture.Options{Name: "x", Port: "rt0"}); !errors.Is(err, b.deny) || len(b.CaptureList()) != 1 {
		t.Errorf("in-band refuses: %v", err)
	}
	if n := len(socket.List()); n != 1 { // that of b
		t.Errorf("%d sockets open", n)
	}
}
