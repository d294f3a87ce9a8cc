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
	"slices"
	"strings"
	"testing"
	"time"

	"mortise/stack/oob"
	"mortise/stack/wire"
	"mortise/tools/pcap"
	"mortise/tools/qemu"
)

// envRules names images with forwarding rules, of testdata: 1=PATH:64=PATH:1+reload=PATH.
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

// cyclic returns an EtherCAT frame of 64 bytes, with its checksum, that the rule of the image with one sends on to lan0.
func cyclic(sequence uint32) []byte {
	h := &wire.Header{Dst: [6]byte{1, 1, 5, 0, 0, 0}, Src: peerMAC}
	b := append(wire.AppendEthernet(nil, h, 0x88a4), make([]byte, 46)...)
	binary.BigEndian.PutUint32(b[sequenceAt:], sequence)
	return b
}

// sequenceAt is where the number is in the frames that are measured: behind the headers of a datagram.
const sequenceAt = 42

// datagram returns one in a frame of 64 bytes, with its checksum, that the last of 64 rules sends on to lan0.
func datagram(sequence uint32) []byte {
	h := &wire.Header{
		Dst: [6]byte{2, 7, 7, 7, 7, 7}, Src: peerMAC, SrcIP: rtPeer, DstIP: [4]byte{10, 0, 2, 9}, TTL: 3,
	}
	data := make([]byte, 18)
	binary.BigEndian.PutUint32(data, sequence) // at sequenceAt
	return wire.AppendUDP(nil, h, 40000, 5063, data)
}

// crosses sends a frame on one cable and waits until it comes out of another, changed to want.
func crosses(t *testing.T, from, to *qemu.Wire, in, want []byte) {
	t.Helper()
	if err := from.Send(in); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(replyLimit); ; {
		b, err := to.Receive(time.Until(end))
		if errors.Is(err, qemu.ErrTimeout) {
			t.Fatalf("%x did not come out as %x", in, want)
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

// Frames cross the gateway both ways by the rules of gateway.toml, what the ports serve themselves goes on, and each rule's
// frames are counted.
func TestForward(t *testing.T) {
	r := bootImage(t, rulesImage(t, "64"), options{lanWire: true})
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
			`mortise_forward_matched_frames_total{device="rt0",rule="rule-4"} 0`,
			fmt.Sprintf(`mortise_forward_matched_frames_total{device="rt0",rule="rule-65"} %d`, n),
			fmt.Sprintf(`mortise_forward_matched_frames_total{device="lan0",rule="back"} %d`, n),
		},
		"/":           {"Forwarding rules", "ethertype=0x88a4 vlan=100 to lan0 pop dst_mac=01:01:05:00:00:00"},
		"/api/status": {`"name": "back"`, `"help": "src=10.0.0.66/32: drop"`},
	})
}

// While other configurations with the same rule are applied all the time, no frame is lost to forwarding, and the rule's counter
// goes on.
func TestForwardReload(t *testing.T) {
	r := bootImage(t, rulesImage(t, "1+reload"), options{lanWire: true})
	n := uint32(0)
	for end, applied := time.Now().Add(bootLimit), 0; applied < 2; { // it tells of the first, and then once a second
		for range 100 {
			crosses(t, r.rt, r.lan, cyclic(n), cyclic(n))
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

// forwardCost is what a frame of 64 bytes may take from ENET1's cable to ENET2's, by the number of rules that it is looked up in.
var forwardCost = []struct {
	rules  int
	frame  func(sequence uint32) []byte
	median int64 // instructions
}{{1, cyclic, 400}, {64, datagram, 650}}

// The captures' times are whole microseconds, and an instruction takes 1.024 of them.
const forwardShift = 10

// A frame crosses the gateway in so many instructions, and none takes more than 16 more than half of the others.
func TestForwardInstructions(t *testing.T) {
	const (
		spread   = 16
		frames   = 200
		warm     = 50
		interval = 30011 * time.Microsecond // no multiple of anything periodic in the guest
		rounds   = 8000                     // QEMU keeps no more frames for a NIC that is not up yet
		patience = 30 * time.Second
	)
	for _, c := range forwardCost {
		t.Run(fmt.Sprint(c.rules), func(t *testing.T) {
			t.Parallel()
			image := rulesImage(t, fmt.Sprint(c.rules))
			emulator, err := qemu.Find("")
			if err != nil {
				t.Skipf("no emulator: %v", err)
			}
			barrier, err := qemu.NewBarrier()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { barrier.Close() })
			dir, rt, lan := t.TempDir(), newWire(t), newWire(t)
			in, out := filepath.Join(dir, "rt0.pcap"), filepath.Join(dir, "lan0.pcap")
			m := qemu.Machine{
				Emulator: emulator, Kernel: image, Serial: filepath.Join(dir, "serial.log"), Deadline: 5 * time.Minute,
				Icount: &qemu.Icount{Shift: forwardShift}, Steady: true,
				Ports: []qemu.Port{{Net: rt, PCAP: in, Release: interval, Barrier: barrier}, {Net: lan, PCAP: out}},
			}
			sent := uint32(0)
			send := func() {
				t.Helper()
				if err := rt.Send(c.frame(sent)); err != nil {
					t.Fatal(err)
				}
				sent++
			}
			send() // virtual time would run until there is one
			p, err := m.Start(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Stop() })
			if err := p.Steady(); err != nil {
				t.Logf("not quite repeatable: %v", err)
			}
			if _, err := barrier.Wait(patience); err != nil {
				t.Fatal(err)
			}
			last := int64(-1) // the last frame that came out
			next := func() {
				t.Helper()
				send()
				if err := barrier.Pass(); err != nil {
					t.Fatal(err)
				}
				if _, err := barrier.Wait(patience); err != nil {
					log, _ := p.Serial()
					t.Fatalf("%v\n%s", err, log)
				}
				for {
					b, ok := lan.Poll()
					if !ok {
						return
					}
					if n, ok := sequenceOf(b); ok {
						last = int64(n)
					}
				}
			}
			for last < 0 || last+3 < int64(sent) { // until the guest has started, and worked off what waited
				if sent == rounds {
					log, _ := p.Serial()
					t.Fatalf("the guest forwards nothing\n%s", log)
				}
				next()
			}
			for range warm {
				next()
			}
			first := sent
			for range frames + 2 {
				next()
			}
			barrier.Close()
			_ = p.Stop()

			entered, left := times(t, in), times(t, out)
			var costs []int64
			for n := first; n < first+frames; n++ {
				came, ok := entered[n]
				went, ok2 := left[n]
				if !ok || !ok2 {
					t.Fatalf("frame %d: came in %v, went out %v", n, ok, ok2)
				}
				costs = append(costs, ((went-came)*1000+1<<forwardShift/2)>>forwardShift)
			}
			slices.Sort(costs)
			median, most := costs[len(costs)/2], costs[len(costs)-1]
			t.Logf("%d rules, %d frames: %d to %d instructions, median %d, each ± 1", c.rules, len(costs), costs[0], most, median)
			if median > c.median || most-median > spread {
				t.Errorf("median %d, maximum %d instructions, want at most %d, and no more than %d between them", median, most, c.median, spread)
			}
		})
	}
}

// sequenceOf returns the number in a frame that is measured.
func sequenceOf(b []byte) (uint32, bool) {
	if len(b) < sequenceAt+4 {
		return 0, false
	}
	n := binary.BigEndian.Uint32(b[sequenceAt:])
	return n, bytes.Equal(b, datagram(n)) || bytes.Equal(b, cyclic(n))
}

// times returns when the frames of a capture passed, in microseconds, by their numbers.
func times(t *testing.T, path string) map[uint32]int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcap.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	records, err := r.ReadAll()
	if err != nil && len(records) == 0 { // the last one may be cut off
		t.Fatal(err)
	}
	at := map[uint32]int64{}
	for _, r := range records {
		if n, ok := sequenceOf(r.Frame); ok {
			if _, twice := at[n]; !twice {
				at[n] = r.MicroS
			}
		}
	}
	return at
}
