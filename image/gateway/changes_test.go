package main_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mortise/stack/wire"
	"mortise/tools/qemu"
)

var changes = flag.Int("changes", 0, "changes of TestChangesUnderTraffic; 0: as many as 20 s have room for")

// The echo requests come at 5,000 a second of virtual time at most: the emulator lets a window of them in every release, and the next
// window is sent when the oob stage has answered the one before. So a slow host makes the run longer, not the traffic heavier.
const (
	pps     = 5000
	release = 20 * time.Millisecond
	window  = pps / int(time.Second/release)
	// vlanEvery says which of the requests go to the VLAN's port: in-band, which answers them while the port is not an oob port, has to
	// keep up.
	vlanEvery = 2 * window
	// forwardEvery says which of them are frames that a rule sends back: so few that those of an activation may all be copied.
	forwardEvery = 10
)

// The streams that a request may be of.
const (
	toPort = iota
	toVLAN
	toRule
	streams
)

// streamOf tells of which stream request number i is.
func streamOf(i int) int {
	switch {
	case i%vlanEvery == 0:
		return toVLAN
	case i%forwardEvery == 1:
		return toRule
	}
	return toPort
}

const typeEtherCAT = 0x88a4

// stream sends echo requests to both ports of rt0, counts the answers to each, and answers ARP.
type stream struct {
	r          *rig
	sent       int
	open       int     // requests to rt0 itself without an answer
	times      []uint8 // answers by number
	stop, done chan struct{}
	err        error
}

func (r *rig) startStream(most int) *stream {
	s := &stream{r: r, times: make([]uint8, most), stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *stream) run() {
	defer close(s.done)
	payload := make([]byte, 8)
	copy(payload, "mort")
	for s.err == nil {
		for range window {
			binary.BigEndian.PutUint32(payload[4:], uint32(s.sent))
			var b []byte
			of := streamOf(s.sent)
			switch of {
			case toRule:
				b = append(wire.AppendEthernet(nil, &wire.Header{Dst: [6]byte{2, 7, 7, 7, 7, 7}, Src: peerMAC}, typeEtherCAT), payload...)
				b = append(b, make([]byte, wire.MinLen-len(b))...)
			case toVLAN:
				b = wire.AppendUDP(nil, s.r.header(vlanTag), 40000, 7, payload)
			default:
				b = wire.AppendUDP(nil, s.r.header(nil), 40000, 7, payload)
			}
			if s.err = s.r.rt.Send(b); s.err != nil || s.sent+1 == len(s.times) {
				return
			}
			if s.sent++; of != toVLAN {
				s.open++
			}
		}
		for end := time.Now().Add(replyLimit); s.open > 0 && time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
			s.take()
		}
		s.open = 0 // what has not come by now is lost
		select {
		case <-s.stop:
			for range 10 {
				time.Sleep(quiet) // for what in-band answers, and what is answered twice
				s.take()
			}
			return
		default:
		}
	}
}

// take takes what has come.
func (s *stream) take() {
	for {
		b, ok := s.r.rt.Poll()
		if !ok {
			return
		}
		at, tags, own, far := 14, []wire.VLAN(nil), rtPeer, rtIP
		if b[12] == 0x81 {
			at, tags, own, far = 18, vlanTag, vlanPeer, vlanIP
		}
		switch typ := binary.BigEndian.Uint16(b[at-2:]); {
		case typ == 0x0806 && b[at+7] == 1 && [4]byte(b[at+24:at+28]) == own:
			h := &wire.Header{Dst: s.r.mac, Src: peerMAC, Tags: tags, SrcIP: own, DstIP: far}
			s.err = s.r.rt.Send(wire.AppendARP(nil, h, 2, s.r.mac))
		case typ == 0x0800 && len(b) >= at+36 && string(b[at+28:at+32]) == "mort":
			s.answered(binary.BigEndian.Uint32(b[at+32:]))
		case typ == typeEtherCAT && len(b) >= at+8 && string(b[at:at+4]) == "mort":
			s.answered(binary.BigEndian.Uint32(b[at+4:]))
		}
	}
}

// answered counts what has come for request number n.
func (s *stream) answered(n uint32) {
	if int(n) >= len(s.times) {
		return
	}
	if s.times[n]++; s.times[n] == 1 && streamOf(int(n)) != toVLAN {
		s.open--
	}
}

// program is the body of a POST to filter with an object of the corpus.
func program(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../stack/filter/bpf/load/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"device": "rt0", "name": %q, "object": %q}`, name, base64.StdEncoding.EncodeToString(b))
}

// TestChangesUnderTraffic: a port goes down and up, filter programs come, are replaced and go, refused ones among them, VLAN rules
// diversion and forwarding rules change, those that name lan0 and divert it by that among them, in random order, under 5,000 frames a second in virtual time: each request is answered once, by whichever stage
// has the port just then, and no buffer is missing afterwards. The programs say ACCEPT or VLAN of all that is sent: so no frame's loss
// is theirs; and each of the rules sends what it takes back where it came from.
func TestChangesUnderTraffic(t *testing.T) { inModes(t, testChangesUnderTraffic) }

func testChangesUnderTraffic(t *testing.T, m mode) {
	n, limit := *changes, 20*time.Second
	if n == 0 {
		n = 10_000
	} else {
		limit = time.Hour
	}
	if testing.Short() {
		limit = 5 * time.Second
	}
	least := float64(pps) / 2
	if m.stock { // goroutines carry each frame, beside all that the changes have others do
		limit, least = min(limit, 3*time.Second), pps/20
	}
	r := bootImage(t, m.rulesImage(t, "filter"), options{icount: &qemu.Icount{Shift: 3, Sleep: true}, release: release, deadline: 2 * time.Hour})
	programs := []string{
		program(t, "evl_vlan.o"),
		`{"device": "rt0", "name": "filter.o"}`,
		`{"device": "rt0", "classic": "1\n6 0 0 3\n", "codes": true}`,
		`{"device": "rt0", "classic": "1\n6 0 0 1\n", "codes": true}`,
	}
	beyond := program(t, "refused/beyond.o")
	random := rand.New(rand.NewPCG(20261122, 5))
	ok := func(path, request string, want int) string {
		t.Helper()
		code, body := r.netDo(path, request)
		if code != want {
			t.Fatalf("%s %.80s: %d %s, want %d", path, request, code, body, want)
		}
		return body
	}
	uptime := func() time.Duration { return time.Duration(r.status().UptimeNS) }
	if body := ok("enable", `{"port": "rt0.42", "pool": 100}`, http.StatusConflict); !strings.Contains(body, "it is on, with 2048 buffers of 2048 bytes; disable it first") {
		t.Errorf("another size for a port that is on: %s", body)
	}
	ok("disable", `{"port": "rt0.42"}`, http.StatusOK) // it comes back with 100 buffers
	ok("forward/add", `{"rule": {"from": "rt0", "name": "base", "ethertype": "ethercat", "to": "rt0"}}`, http.StatusOK)
	sent := []string{
		`"to": "rt0"`, `"to": {"device": "rt0", "push": {"vid": 7, "pcp": 6}}`, `"to": ["rt0", "lan0"]`, `"to": {"device": "rt0", "dst_mac": "02:00:00:00:00:07"}`,
		`"to": [{"device": "rt0", "push": {"vid": 7}}, "lan0"]`,
	}
	ruled := false // there is one ahead of base
	began, started := uptime(), time.Now()
	s := r.startStream(20_000_000)
	kinds, done := [9]int{}, 0
	for ; done < n && time.Since(started) < limit && !t.Failed(); done++ {
		kind := random.IntN(len(kinds))
		kinds[kind]++
		switch kind {
		case 0:
			ok("enable", `{"port": "rt0.42", "pool": 100}`, http.StatusOK)
		case 1:
			ok("disable", `{"port": "rt0.42"}`, http.StatusOK)
		case 2:
			ok("filter", programs[random.IntN(len(programs))], http.StatusOK)
		case 3:
			ok("filter/remove", `{"device": "rt0"}`, http.StatusOK)
		case 4:
			if body := ok("filter", beyond, http.StatusConflict); !strings.Contains(body, "beyond.c:6") {
				t.Errorf("a refused program: %s", body)
			}
		case 5:
			ok("vlans", fmt.Sprintf(`{"device": "rt0", "list": %q}`, []string{"", "100", "100-110"}[random.IntN(3)]), http.StatusOK)
		case 6:
			rule := fmt.Sprintf(`{"from": "rt0", "name": "ahead", "ethertype": "ethercat", %s}`, sent[random.IntN(len(sent))])
			if ruled {
				ok("forward/replace", fmt.Sprintf(`{"device": "rt0", "name": "ahead", "rule": %s}`, rule), http.StatusOK)
			} else {
				ok("forward/add", fmt.Sprintf(`{"before": "base", "rule": %s}`, rule), http.StatusOK)
			}
			ruled = true
		case 7:
			if ruled {
				ok("forward/remove", `{"device": "rt0", "name": "ahead"}`, http.StatusOK)
			} else {
				ok("forward/remove", `{"device": "rt0", "name": "ahead"}`, http.StatusNotFound)
			}
			ruled = false
		case 8:
			if body := ok("forward/add", `{"rule": {"from": "rt0", "to": "rt1"}}`, http.StatusBadRequest); !strings.Contains(body, `forward.to: found \"rt1\"`) {
				t.Errorf("a refused rule: %s", body)
			}
		}
	}
	ended := uptime()
	close(s.stop)
	<-s.done
	if s.err != nil {
		t.Fatal(s.err)
	}
	var lost, twice [streams]int
	for i := range s.sent {
		switch times := s.times[i]; {
		case times == 0:
			lost[streamOf(i)]++
		case times > 1:
			twice[streamOf(i)]++
		}
	}
	rate := float64(s.sent) / (ended - began).Seconds()
	t.Logf("%d changes (port up %d, down %d; filter set %d, removed %d, refused %d; VLAN rule %d; forwarding rule set %d, removed %d, refused %d) in %v, %d requests, %.0f a second of virtual time: lost %v, answered twice %v (rt0, rt0.42, forwarded)",
		done, kinds[0], kinds[1], kinds[2], kinds[3], kinds[4], kinds[5], kinds[6], kinds[7], kinds[8], time.Since(started).Round(time.Second), s.sent, rate, lost, twice)
	if lost != [streams]int{} || twice != [streams]int{} {
		t.Errorf("lost %v, answered twice %v of %d", lost, twice, s.sent)
	}
	if rate < least || done < 20 {
		t.Errorf("%d changes under %.0f frames a second, want 20 and %d at least", done, rate, int(least))
	}
	ok("disable", `{"port": "rt0.42"}`, http.StatusOK)
	ok("disable", `{"port": "rt0"}`, http.StatusOK)
	ok("filter/remove", `{"device": "rt0"}`, http.StatusOK)
	ok("vlans", `{"device": "rt0", "list": ""}`, http.StatusOK)
	for _, name := range []string{"ahead", "base"} {
		if name == "base" || ruled {
			ok("forward/remove", fmt.Sprintf(`{"device": "rt0", "name": %q}`, name), http.StatusOK)
		}
	}
	for _, name := range []string{"rt0", "lan0"} {
		if code, body := r.netDo("devices/"+name, ""); code != http.StatusOK || !strings.Contains(body, `"diverted": false`) {
			t.Errorf("%s when nothing needs it: %d %s", name, code, body)
		}
		r.checkSlots(name)
	}
	for _, name := range []string{"rt0", "rt0.42"} {
		ok("enable", fmt.Sprintf(`{"port": %q, "pool": 2048}`, name), http.StatusOK)
		if p := r.netPort(name); p.Pool == nil || p.Pool.Free != 2048 {
			t.Errorf("%s: pool %+v, want 2048 buffers, all free", name, p.Pool)
		}
	}
}

// The program of the configuration is in the image, decides from the first frame on, and tells why.
func TestConfiguredFilter(t *testing.T) { inModes(t, testConfiguredFilter) }

func testConfiguredFilter(t *testing.T, m mode) {
	t.Parallel()
	r := bootImage(t, m.rulesImage(t, "filter"), options{console: true})
	request := func(src [4]byte) []byte {
		h := r.header(nil)
		h.SrcIP = src
		return wire.AppendUDP(nil, h, 40000, 7, []byte("mort"))
	}
	var f struct {
		Name     string
		Verdicts struct{ Drop, Accept, Skip, VLAN uint32 }
	}
	told := func() {
		t.Helper()
		if code, body := r.netDo("filters/rt0", ""); code != http.StatusOK || json.Unmarshal([]byte(body), &f) != nil || f.Name != "filter.o" {
			t.Fatalf("filters/rt0: %d %s", code, body)
		}
	}
	told()
	before := f
	if !r.echo(nil, 7, []byte("accepted")) {
		t.Error("no echo through the program")
	}
	if b := r.exchange(request([4]byte{192, 0, 2, 1}), quiet, func(b []byte) bool { return b[12] == 8 && b[13] == 0 }); b != nil {
		t.Errorf("an answer to somebody of another network: %x", b)
	}
	told()
	if f.Verdicts.Accept != before.Verdicts.Accept+1 || f.Verdicts.Drop != before.Verdicts.Drop+1 {
		t.Errorf("verdicts %+v, then %+v: want one more ACCEPT and DROP", before.Verdicts, f.Verdicts)
	}
	r.typed(fmt.Sprintf("net explain -i rt0 %x", request([4]byte{192, 0, 2, 1})))
	r.waitFor("rt0: DROP by program filter.o")
	r.typed("net filter -i rt0 none")
	r.waitFor("rt0: no filter program")
	r.typed("net filter -i rt0 nothing.o")
	r.waitFor("nothing.o: file does not exist among those of the configuration: there are filter.o")
	r.typed("ls /filters")
	r.waitFor("filter.o")
	r.typed("net filter -i rt0 /filters/filter.o")
	r.waitFor("rt0: /filters/filter.o, ")
	if !r.echo(nil, 7, []byte("accepted")) {
		t.Error("no echo through the program that was named")
	}
}
