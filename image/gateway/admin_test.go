package main_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/wire"
)

// netPort is what the test needs of /api/net/ports/NAME.
type netPort struct {
	Oob, Up    bool
	Neighbours int
	Pool       *struct{ Size, Free uint32 }
	Traffic    struct {
		RxPackets uint64 `json:"rx_packets"`
		RxBytes   uint64 `json:"rx_bytes"`
		TxPackets uint64 `json:"tx_packets"`
	} `json:"oob_traffic"`
}

// netDo asks /api/net/: GET without a request, else POST. It returns the status and the body.
func (r *rig) netDo(path, request string) (int, string) {
	r.t.Helper()
	client := http.Client{Timeout: told}
	get := func() (*http.Response, error) { return client.Get("http://" + r.web + "/api/net/" + path) }
	if request != "" {
		get = func() (*http.Response, error) {
			return client.Post("http://"+r.web+"/api/net/"+path, "application/json", strings.NewReader(request))
		}
	}
	resp, err := get()
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (r *rig) netPort(name string) (p netPort) {
	r.t.Helper()
	code, body := r.netDo("ports/"+name, "")
	if err := json.Unmarshal([]byte(body), &p); err != nil || code != http.StatusOK {
		r.t.Fatalf("port %s: %d, %v: %s", name, code, err, body)
	}
	return p
}

// untilOob waits until a port is an oob port, or no longer.
func (r *rig) untilOob(name string, want bool) netPort {
	r.t.Helper()
	for end := time.Now().Add(told); ; time.Sleep(10 * time.Millisecond) {
		if p := r.netPort(name); p.Oob == want {
			return p
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s: oob is not %v within %v", name, want, told)
		}
	}
}

// flow sends echo requests to both ports of rt0, a pair every few milliseconds, answers ARP requests for the peer's addresses, and
// counts the answers. One goroutine runs it.
type flow struct {
	r        *rig
	stop     chan struct{}
	done     chan struct{}
	sent     uint32
	answered map[uint32]int // by number: odd ones are the VLAN's
	made     int            // answers by a port that comes and goes
	heard    time.Time      // when the last of them came
	err      error
}

// ahead is how many requests of a flow may be without an answer: with the third frame of each turn no more than in-band may get in a
// millisecond. An emulated machine that a busy host stops for a while finds all of them at once, and drops what is beyond that, as it
// should.
const ahead = divert.DefaultCapPerMS / 2

func (r *rig) startFlow() *flow {
	f := &flow{r: r, stop: make(chan struct{}), done: make(chan struct{}), answered: map[uint32]int{}}
	go f.run()
	return f
}

// end lets the last answers come, and stops.
func (f *flow) end() {
	close(f.stop)
	<-f.done
}

func (f *flow) run() {
	defer close(f.done)
	for f.err == nil {
		select {
		case <-f.stop:
			f.take(replyLimit)
			return
		default:
		}
		if int(f.sent)-len(f.answered) > ahead && time.Since(f.heard) < replyLimit { // later, some are lost: others go on
			f.take(5 * time.Millisecond)
			continue
		}
		for _, tags := range [][]wire.VLAN{nil, vlanTag} {
			payload := binary.BigEndian.AppendUint32([]byte("mort"), f.sent)
			f.sent++
			if f.err = f.r.rt.Send(wire.AppendUDP(nil, f.r.header(tags), 40000, 7, payload)); f.err != nil {
				return
			}
		}
		if f.err = f.r.rt.Send(wire.AppendUDP(nil, f.r.header(madeTag), 40000, 7, []byte("made"))); f.err != nil {
			return
		}
		f.take(5 * time.Millisecond)
	}
}

// take takes what comes until nothing has come for so long; at the end, until all that was sent is answered.
func (f *flow) take(wait time.Duration) {
	last := wait == replyLimit
	for !last || len(f.answered) < int(f.sent) {
		b, err := f.r.rt.Receive(wait)
		if err != nil {
			return
		}
		f.one(b)
	}
	for { // what is answered twice
		b, err := f.r.rt.Receive(quiet)
		if err != nil {
			return
		}
		f.one(b)
	}
}

func (f *flow) one(b []byte) {
	at, tags := 14, []wire.VLAN(nil)
	own, far := rtPeer, rtIP
	if b[12] == 0x81 {
		at, tags, own, far = 18, vlanTag, vlanPeer, vlanIP
	}
	switch typ := binary.BigEndian.Uint16(b[at-2:]); {
	case at == 18 && b[15] == madeVLAN:
		f.made++
	case typ == 0x0806 && b[at+7] == 1 && [4]byte(b[at+24:at+28]) == own:
		h := &wire.Header{Dst: f.r.mac, Src: peerMAC, Tags: tags, SrcIP: own, DstIP: far}
		f.err = f.r.rt.Send(wire.AppendARP(nil, h, 2, f.r.mac))
	case typ == 0x0800 && len(b) >= at+36 && string(b[at+28:at+32]) == "mort":
		f.answered[binary.BigEndian.Uint32(b[at+32:])]++
		f.heard = time.Now()
	}
}

// TestPortsUnderTraffic: an oob port goes off and on a hundred times, by console and by HTTP, while it and the other port of the
// device are asked for echoes: the oob stage answers, or in-band does, each request once; the other port never notices.
// Solicited peers, neighbours, pools and slots are as they must be afterwards.
func TestPortsUnderTraffic(t *testing.T) { inModes(t, testPortsUnderTraffic) }

func testPortsUnderTraffic(t *testing.T, m mode) {
	t.Parallel()
	cycles := 100
	if testing.Short() || m.stock {
		cycles = 10
	}
	r := m.boot(t, envInject, options{console: true})
	f := r.startFlow()
	started := time.Now()
	for i := range cycles {
		pool := 1000 + i
		if i%2 == 0 {
			r.typed("net disable -i rt0.42")
			r.untilOob("rt0.42", false)
			if code, body := r.netDo("enable", fmt.Sprintf(`{"port": "rt0.42", "pool": %d}`, pool)); code != http.StatusOK {
				t.Fatalf("enable: %d %s", code, body)
			}
		} else {
			if code, body := r.netDo("disable", `{"port": "rt0.42"}`); code != http.StatusOK {
				t.Fatalf("disable: %d %s", code, body)
			}
			r.typed(fmt.Sprintf("net enable -i rt0.42 -p %d", pool))
			r.waitFor(fmt.Sprintf("rt0.42: oob port, %d buffers", pool))
		}
		p := r.untilOob("rt0.42", true)
		if p.Pool == nil || p.Pool.Size != uint32(pool) || p.Pool.Free != uint32(pool) {
			t.Errorf("cycle %d: pool %+v, want %d buffers, all free", i, p.Pool, pool)
		}
	}
	took := time.Since(started)
	r.typed("net solicit -i rt0.42 -s 10.0.42.2")
	r.waitFor("rt0.42: 10.0.42.2 is at 02:00:00:00:00:02, permanent")
	if code, body := r.netDo("solicit", `{"address": "10.0.42.77", "timeout_ms": 500}`); code != http.StatusGatewayTimeout {
		t.Errorf("solicit somebody who is not there: %d %s", code, body)
	}
	f.end()
	if f.err != nil {
		t.Fatal(f.err)
	}
	lost, twice := [2]int{}, [2]int{}
	for i := range f.sent {
		switch n := f.answered[i]; {
		case n == 0:
			lost[i%2]++
		case n > 1:
			twice[i%2]++
		}
	}
	t.Logf("%d cycles in %v, %d requests: lost %v, answered twice %v (rt0, rt0.42)", cycles, took.Round(time.Second), f.sent, lost, twice)
	if lost != [2]int{} || twice != [2]int{} || f.sent < uint32(cycles) {
		t.Errorf("lost %v, answered twice %v of %d", lost, twice, f.sent)
	}
	r.checkPorts()
}

// checkPorts: what is wrong is refused; without ports the device is in-band's, and nothing is missing.
func (r *rig) checkPorts() {
	t := r.t
	t.Helper()
	for request, want := range map[string]int{
		`{"port": "rt0.42", "pool": 0}`: 400, `{"port": "rt9"}`: 404, `{"port": "lan0", "pool": 32768}`: 409,
	} {
		if code, body := r.netDo("enable", request); code != want || !strings.Contains(body, "error") {
			t.Errorf("enable %s: %d %s, want %d", request, code, body, want)
		}
	}
	r.typed("net enable -i rt9")
	r.waitFor(`net enable: port "rt9": no such port or device, want one of rt0 rt0.42 lan0`)
	r.typed("net divert -i rt0 off")
	r.waitFor("rt0: diverted, for rt0, rt0.42")
	r.typed("net disable -i rt0")
	r.typed("net disable -i rt0.42")
	r.eventually("rt0 is not diverted", func() bool { s := r.status(); return !s.Devices[0].Diverted })
	r.served(t, "in-band")
	r.checkSlots("rt0")
	r.typed("net enable -i rt0")
	r.typed("net enable -i rt0.42")
	r.eventually("rt0 is diverted", func() bool { s := r.status(); return s.Devices[0].Diverted })
	before := r.core()
	r.served(t, "the oob stage")
	if after := r.core(); after.Accepted() <= before.Accepted() {
		t.Error("the oob stage accepts nothing afterwards")
	}
	if p := r.netPort("rt0.42"); p.Pool == nil || p.Pool.Free != p.Pool.Size {
		t.Errorf("rt0.42: pool %+v", p.Pool)
	}
	var list []struct{ Address netip.Addr }
	if _, body := r.netDo("neighbours?port=rt0.42", ""); json.Unmarshal([]byte(body), &list) != nil || len(list) == 0 {
		t.Errorf("the permanent neighbour did not come back: %s", body)
	}
	r.checkSlots("rt0")
	r.checkTraffic()
}

// checkTraffic: what a port has carried is on the API, the console and in the metrics; the loopback port is one of them.
func (r *rig) checkTraffic() {
	t := r.t
	t.Helper()
	before := r.netPort("rt0.42").Traffic
	r.served(t, "the oob stage")
	after := r.netPort("rt0.42").Traffic
	if n := after.RxPackets - before.RxPackets; n == 0 || after.RxBytes-before.RxBytes < 60*n || after.TxPackets-before.TxPackets != n {
		t.Errorf("rt0.42 carried %+v, then %+v", before, after)
	}
	r.typed("net enable -i lo -p 100")
	r.waitFor("lo: oob port, 100 buffers of 2048 bytes")
	r.command("loopback")
	for _, to := range []string{"127.0.0.1", "10.0.42.1"} {
		r.waitFor("loopback: " + to + ": 1000 messages and answers, in order")
	}
	r.typed("net query -i rt0.42")
	r.waitFor(fmt.Sprintf("oob: received %d packets, %d bytes", after.RxPackets, after.RxBytes))
	resp, err := http.Get("http://" + r.web + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("mortise_port_rx_packets_total{port=\"rt0.42\"} %d\n", after.RxPackets),
		`mortise_port_pool_size_buffers{port="lo"} 100`, `mortise_device_tx_bytes_total{device="rt0"} `,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}
