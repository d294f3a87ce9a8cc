package main_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/tools/qemu"
)

// envRules names images with forwarding rules, of testdata: 64=PATH:1+reload=PATH.
const envRules = "MORTISE_RULES_ELF"

// rulesImage returns the image that is called name, by the number of rules from rt0, or skips the test.
func rulesImage(t *testing.T, name string) string {
	for _, item := range filepath.SplitList(os.Getenv(envRules)) {
		if path, ok := strings.CutPrefix(item, name+"="); ok {
			return path
		}
	}
	t.Skipf("%s names no firmware with %s rules: run make test", envRules, name)
	return ""
}

// datagram returns one in a frame of 64 bytes, with its checksum, that the last of 64 rules, and a single one, send on to lan0.
func datagram(sequence uint32) []byte {
	h := &wire.Header{
		Dst: [6]byte{2, 7, 7, 7, 7, 7}, Src: peerMAC, SrcIP: rtPeer, DstIP: [4]byte{10, 0, 2, 9}, TTL: 3,
	}
	data := make([]byte, 18)
	binary.BigEndian.PutUint32(data, sequence)
	return wire.AppendUDP(nil, h, 40000, 5063, data)
}

// crosses sends a frame on one cable and waits until it comes out of another, changed to want.
func crosses(t *testing.T, from, to *qemu.Wire, in, want []byte) {
	t.Helper()
	if err := from.Send(in); err != nil {
		t.Fatal(err)
	}
	receives(t, to, want)
}

// receives waits until a frame comes out of a cable.
func receives(t *testing.T, to *qemu.Wire, want []byte) {
	t.Helper()
	for end := time.Now().Add(replyLimit); ; {
		b, err := to.Receive(time.Until(end))
		if errors.Is(err, qemu.ErrTimeout) {
			t.Fatalf("%x did not come out", want)
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b, want) {
			return
		}
	}
}

// contains fetches pages over lan0's cable, which must have a host's stack at its other end from now on, and looks for what each
// must say.
func (r *rig) contains(pages map[string][]string) {
	t := r.t
	t.Helper()
	s := peer(t, r.lan, "10.0.2.2/24")
	web := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, s, network, address)
		},
	}}
	for path, want := range pages {
		resp, err := web.Get("http://10.0.2.15" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !bytes.Contains(b, []byte(w)) {
				t.Errorf("%s does not say %s", path, w)
			}
		}
	}
}

// etherTypes are real-time protocols that are not IP's, with the group that they go to and what their frames begin with.
var etherTypes = []struct {
	name   string
	number uint16
	to     [6]byte
	begin  []byte
}{
	{"profinet", 0x8892, [6]byte{0x01, 0x0e, 0xcf, 0, 0, 0}, []byte{0x80, 0x00}},                     // a FrameID of class RT 1
	{"ptp", 0x88f7, [6]byte{0x01, 0x1b, 0x19, 0, 0, 0}, []byte{0x00, 0x12, 0x00, 0x2c}},              // Sync, of 44 bytes
	{"avtp", 0x22f0, [6]byte{0x91, 0xe0, 0xf0, 0, 0xfe, 0}, []byte{0x02, 0x81}},                      // AAF, with a stream
	{"uadp", 0xb62c, [6]byte{0x01, 0x00, 0x5e, 0x7f, 0, 1}, []byte{0x71, 0x01, 0x00, 0x00, 0x30, 0}}, // version 1
}

// Frames cross the gateway both ways by the rules of gateway.toml, what the ports serve themselves goes on, and each rule's
// frames are counted.
func TestForward(t *testing.T) { inModes(t, testForward) }

func testForward(t *testing.T, m mode) {
	r := bootImage(t, m.rulesImage(t, "64"), options{lanWire: true})
	raw := func(dst [6]byte, tags ...wire.VLAN) []byte {
		h := &wire.Header{Dst: dst, Src: peerMAC, Tags: tags}
		return append(wire.AppendEthernet(nil, h, 0x88a4), bytes.Repeat([]byte("EtherCAT"), 10)...)
	}
	group, tag := [6]byte{1, 1, 5, 0, 0, 0}, wire.VLAN{VID: 100, PCP: 6}
	const n = 10
	for i := range uint32(n) {
		crosses(t, r.rt, r.lan, raw([6]byte{2, 7, 7, 7, 7, 7}, tag), raw(group))
		crosses(t, r.lan, r.rt, raw(group), raw(group, tag))
		crosses(t, r.rt, r.lan, datagram(i), datagram(i))
		if !r.echo(nil, 7, []byte("still here")) {
			t.Fatal("the oob echo does not answer")
		}
	}
	for _, e := range etherTypes {
		b := append(wire.AppendEthernet(nil, &wire.Header{Dst: e.to, Src: peerMAC}, e.number), make([]byte, 46)...)
		copy(b[14:], e.begin)
		crosses(t, r.lan, r.rt, b, b)
	}
	both := append(wire.AppendEthernet(nil, &wire.Header{Dst: [6]byte{1, 0x0c, 0xcd, 1, 0, 0}, Src: peerMAC}, 0x88b8), make([]byte, 200)...)
	for i := range byte(100) { // more than the rings' positions
		both[20] = i
		crosses(t, r.lan, r.rt, both, both)
		receives(t, r.lan, both)
	}
	bad := r.header(nil)
	bad.SrcIP = [4]byte{10, 0, 0, 66}
	before := r.core()[oob.RuleDrop]
	if err := r.rt.Send(wire.AppendUDP(nil, bad, 40000, 7, []byte("let me in"))); err != nil {
		t.Fatal(err)
	}
	if !r.echo(nil, 7, []byte("behind it")) {
		t.Fatal("the oob echo does not answer")
	}
	if got := r.core()[oob.RuleDrop] - before; got != 1 {
		t.Errorf("%d frames dropped by a rule, want 1", got)
	}

	r.contains(map[string][]string{
		"/metrics": {
			fmt.Sprintf(`mortise_forward_matched_frames_total{device="rt0",rule="cyclic"} %d`, n),
			`mortise_forward_matched_frames_total{device="rt0",rule="unwanted"} 1`,
			`mortise_forward_matched_frames_total{device="rt0",rule="rule-9"} 0`,
			fmt.Sprintf(`mortise_forward_matched_frames_total{device="rt0",rule="rule-70"} %d`, n),
			fmt.Sprintf(`mortise_forward_matched_frames_total{device="lan0",rule="back"} %d`, n), // EtherCAT
			`mortise_forward_matched_frames_total{device="lan0",rule="both"} 100`,
			`mortise_forward_latency_seconds_count{device="lan0",rule="both"} 200`, // one for each destination
			fmt.Sprintf(`mortise_forward_latency_seconds_count{device="rt0",rule="cyclic"} %d`, n),
			fmt.Sprintf(`mortise_forward_latency_seconds_bucket{device="rt0",rule="rule-70",le="+Inf"} %d`, n),
			`mortise_forward_latency_seconds_bucket{device="lan0",rule="ptp",le="+Inf"} 1`,
			`mortise_forward_matched_frames_total{device="lan0",rule="profinet"} 1`,
			`mortise_forward_matched_frames_total{device="lan0",rule="ptp"} 1`,
			`mortise_forward_matched_frames_total{device="lan0",rule="avtp"} 1`,
			`mortise_forward_matched_frames_total{device="lan0",rule="uadp"} 1`,
		},
		"/":           {"Forwarding rules", "half, 99 %, all within", "ethertype=0x88a4 vlan=100 to lan0 pop dst_mac=01:01:05:00:00:00"},
		"/api/status": {`"name": "back"`, `"help": "src=10.0.0.66/32: drop"`, `"below_ns": `},
	})
}

// While other configurations with the same rule are applied all the time, no frame is lost to forwarding, and the rule's counter
// goes on.
func TestForwardReload(t *testing.T) { inModes(t, testForwardReload) }

func testForwardReload(t *testing.T, m mode) {
	r := bootImage(t, m.rulesImage(t, "1+reload"), options{lanWire: true})
	n := uint32(0)
	for end, applied := time.Now().Add(bootLimit), 0; applied < 2; { // it tells of the first, and then once a second
		for range 100 {
			crosses(t, r.rt, r.lan, datagram(n), datagram(n))
			n++
		}
		log, err := r.process.Serial()
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d configurations applied (%v), want 2\n%s", applied, err, log)
		}
		applied = strings.Count(log, "load: reload ")
	}
	log, _ := r.process.Serial()
	t.Logf("%d frames; %s", n, strings.TrimSpace(log[strings.LastIndex(log, "load: "):]))
	r.contains(map[string][]string{"/metrics": {fmt.Sprintf(`mortise_forward_matched_frames_total{device="rt0",rule="rule-1"} %d`, n)}})
}
