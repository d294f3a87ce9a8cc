package main_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"mortise/stack/wire"
	"mortise/tools/pcap"
)

// checkCapture: captures of an oob port, of one that was made and of in-band's have what the cables carried; their files come over HTTP
// and by the console.
func (r *rig) checkCapture(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		name, request string
		tags          []wire.VLAN
	}{
		{"rt", `{"port": "rt0", "name": "rt", "packets": 5, "rule": "protocol=udp port=7"}`, nil},
		{"made", `{"port": "rt0.77", "name": "made", "packets": 5, "snaplen": 60, "rule": "ethertype=ipv4"}`, madeTag},
	} {
		r.post("capture", c.request, http.StatusOK, `"running": true`)
		// An activation copies a few frames only, and on a slow host one takes many: what it missed does not count.
		sent := map[byte][]byte{}
		r.eventually("the capture ends", func() bool {
			payload := bytes.Repeat([]byte{byte(len(sent))}, 24)
			sent[payload[0]] = wire.AppendUDP(nil, r.header(c.tags), 40000, 7, payload)
			if !r.echo(c.tags, 7, payload) {
				t.Errorf("%s: no echo while frames are kept", c.name)
			}
			_, body := r.netDo("captures", "")
			return strings.Contains(body, `"ended": "it has 5 frames"`)
		})
		r.post("capture/stop", `{"name": "`+c.name+`"}`, http.StatusOK, `"running": false`)
		text := r.file("/captures/" + c.name + ".pcap")
		last := int64(0)
		for i, f := range r.frames(text) {
			want := sent[f.Frame[len(f.Frame)-1]]
			if cut := min(len(want), map[string]int{"rt": 1522, "made": 60}[c.name]); !bytes.Equal(f.Frame, want[:cut]) {
				t.Errorf("%s: frame %d: %x, want %x", c.name, i, f.Frame, want[:cut])
			}
			if f.MicroS <= last {
				t.Errorf("%s: frame %d at %d µs, the one before at %d", c.name, i, f.MicroS, last)
			}
			last = f.MicroS
		}
		r.typed("base64 /captures/" + c.name + ".pcap")
		r.waitFor(base64.StdEncoding.EncodeToString([]byte(text))[:60])
		r.post("capture/remove", `{"name": "`+c.name+`"}`, http.StatusOK, "[]")
	}
	// In-band's own: the request for the list of captures is in the capture.
	r.typed("net capture -i lan0 -n 200 web protocol=tcp")
	r.waitFor("web: of lan0, 0 frames")
	r.netDo("captures", "")
	r.typed("net capture stop web")
	r.waitFor("ended: it was stopped")
	request, answer := false, false
	for _, f := range r.frames(r.file("/captures/web.pcap")) {
		request = request || bytes.Contains(f.Frame, []byte("GET /api/net/captures"))
		answer = answer || bytes.Contains(f.Frame, []byte("/captures/web.pcap"))
	}
	if !request || !answer {
		t.Errorf("the capture of lan0 has the request %v, its answer %v", request, answer)
	}
	r.typed("net capture remove web")
	r.waitFor("web: removed")
}

// frames reads a capture.
func (r *rig) frames(text string) []pcap.Record {
	r.t.Helper()
	p, err := pcap.NewReader(strings.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	list, err := p.ReadAll()
	if err != nil {
		r.t.Fatal(err)
	}
	if len(list) == 0 {
		r.t.Error("no frame in a capture")
	}
	return list
}
