package status_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mortise/stack/status"
)

var update = flag.Bool("update", false, "write the golden files")

func sample() *status.Status {
	return &status.Status{
		Name: "mortise", Version: "0.1-3-g797049f", Board: "mx6ullevk", Uptime: 26*time.Hour + 3*time.Minute + 4*time.Second,
		Stage: status.Stage{
			State: status.Faulted, Activations: 1234567, Longest: 18400 * time.Nanosecond, StackHighWater: 712, StackSize: 16384,
			Fault: &status.Fault{
				Kind: "data abort", Function: "mortise/stack/oob.(*device).ipv4", PC: 0x80123456, Detail: "DFSR 0x805 DFAR 0x00000010",
				File: "mortise/stack/oob/ipv4.go", Line: 31, Cause: "runtime.panicIndex",
				Chain: []status.Call{{PC: 0x80123456, Function: "mortise/stack/oob.Deliver", File: "a/oob.go", Line: 7}, {PC: 0x80abcdef}},
			},
			Faults: 4, Restarts: 3, RestartsLastMinute: 2, RestartsPerMinute: 5, StaysDown: true,
		},
		Crash: &status.Crash{
			Firmware: "v1.2 (image 0badcafe)",
			Uptime:   90 * time.Second, Doing: "an activation for its timer", Activations: 11, Faults: 1, InbandDead: true, Report: "boom",
		},
		Runtime: status.Runtime{GoVersion: "go1.26.8", GCs: 42, HeapBytes: 3 << 20, Goroutines: 17},
		Devices: []status.Device{
			{
				Name: "rt0", Controller: "ENET1", MAC: "02:4d:0a:11:22:33", MACSource: "derived", Up: true,
				Link: "100 Mbit/s full duplex", Diverted: true,
				Ports: []status.Port{
					{Name: "rt0", Address: "10.0.0.1/24", Oob: true, Accepts: "UDP 7, ARP, ICMP echo"},
					{Name: "rt0.42", VID: 42, Address: "10.0.42.1/24", Oob: true, Accepts: "all IPv4"},
				},
				Groups: []status.Group{
					{Name: "oob", Title: "Real-time stage", Counters: []status.Counter{
						{Name: "received", Value: 1200345, Help: "frames taken from the receive ring"},
						{Name: "udp_echo", Value: 1200000},
						{Name: "udp_checksum", Kind: status.Drop, Value: 3},
						{Name: "foreign_mac", Kind: status.Drop},
					}},
					{Name: "forward", Title: "Forwarding rules", Counters: []status.Counter{
						{Name: "cyclic", Kind: status.Rule, Value: 77, Help: "ethertype=0x8892 to lan0", Latency: &status.Latency{
							Frames: 75, Sum: 210 * time.Microsecond, Buckets: []status.Bucket{{2560, 60}, {3072, 14}, {0, 1}},
						}},
						{Name: "idle", Kind: status.Rule, Help: "ethertype=0x88f7 to lan0", Latency: &status.Latency{}},
						{Name: "rule-2", Kind: status.Rule, Value: 5, Help: "everything: drop"},
					}},
					{Name: "crossing", Title: "Crossing", Counters: []status.Counter{
						{Name: "free", Kind: status.Gauge, Unit: "slots", Value: 92},
					}},
				},
			},
			{
				Name: "lan0", NotRealTime: "stock driver, not real-time", Controller: "ENET2", MAC: "00:04:9f:01:02:03", MACSource: "fuses",
				Ports: []status.Port{{Name: "lan0", Address: "10.0.2.15/24"}},
				Groups: []status.Group{{Name: "oob", Title: "Real-time stage", Counters: []status.Counter{
					{Name: "received", Value: 0, Help: "frames taken from the receive ring"},
					{Name: "udp_checksum", Kind: status.Drop},
				}}},
			},
		},
		Groups: []status.Group{
			{Name: "task", Of: "control", Title: "Task control", Counters: []status.Counter{
				{Name: "runs", Unit: "runs", Value: 1000},
				{Name: "longest", Kind: status.Gauge, Unit: "ns", Value: 4016, Help: "longest run"},
			}},
			{Name: "task", Of: "watchdog", Title: "Task watchdog", Counters: []status.Counter{
				{Name: "runs", Unit: "runs", Value: 7},
				{Name: "longest", Kind: status.Gauge, Unit: "ns", Value: 640, Help: "longest run"},
			}},
			{Name: "inband", Title: "gVisor", Counters: []status.Counter{
				{Name: "tcp_accepted", Unit: "connections", Value: 12, Help: "TCP connections accepted"},
			}},
		},
	}
}

func get(t *testing.T, s *status.Status, path string) (body, contentType string, code int) {
	t.Helper()
	w := httptest.NewRecorder()
	status.Handler(func() *status.Status { return s }).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String(), w.Header().Get("Content-Type"), w.Code
}

func TestMetrics(t *testing.T) {
	got, contentType, _ := get(t, sample(), "/metrics")
	if !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type %q", contentType)
	}
	checkExposition(t, got)
	golden := "testdata/metrics.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("/metrics (-want +got):\n%s", diff)
	}
}

var sampleLine = regexp.MustCompile(`^([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)$`)

// checkExposition reads Prometheus text by the format's rules: each family has HELP and TYPE once and first, its samples
// together, no sample twice, and a counter's name ends in _total. Of a histogram each bucket has at least what the one before has, and the
// last one, without an end, as many as there are.
func checkExposition(t *testing.T, text string) {
	t.Helper()
	family, kind := "", ""
	families, samples := map[string]bool{}, map[string]bool{}
	type bucket struct {
		end, value float64
		n          int
	}
	buckets := map[string]bucket{}
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		line := scanner.Text()
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, _, _ = strings.Cut(help, " ")
			if families[family] {
				t.Errorf("%s: twice", family)
			}
			families[family] = true
			continue
		}
		if typ, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, k, _ := strings.Cut(typ, " ")
			if name != family {
				t.Errorf("TYPE of %s behind HELP of %s", name, family)
			}
			kind = k
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("not a sample: %q", line)
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if kind == "histogram" {
			of := regexp.MustCompile(`(^|,)le="[^"]*"`).ReplaceAllString(m[2], "")
			le := regexp.MustCompile(`(?:^|,)le="([^"]*)"`).FindStringSubmatch(m[2])
			suffix := strings.TrimPrefix(m[1], family)
			switch {
			case suffix == "_bucket" && le != nil:
				end, err := strconv.ParseFloat(le[1], 64)
				if b := buckets[family+of]; err != nil || b.n > 0 && (end <= b.end || value < b.value) {
					t.Errorf("%q: behind the bucket of %v with %v (%v)", line, b.end, b.value, err)
				}
				buckets[family+of] = bucket{end, value, buckets[family+of].n + 1}
			case suffix == "_count":
				if b := buckets[family+of]; !math.IsInf(b.end, 1) || b.value != value {
					t.Errorf("%q: the last bucket is that of %v with %v", line, b.end, b.value)
				}
			case suffix != "_sum":
				t.Errorf("%q: no part of a histogram", line)
			}
			m[1] = family
			m[2] = suffix + m[2]
		}
		if m[1] != family || samples[m[1]+m[2]] {
			t.Errorf("%q: not in its family, or twice", line)
		}
		samples[m[1]+m[2]] = true
		if (kind == "counter") != strings.HasSuffix(family, "_total") {
			t.Errorf("%s is a %s", family, kind)
		}
	}
}

func TestMetricsEscapes(t *testing.T) {
	s := sample()
	s.Version = "a\"b\\c\nd"
	got, _, _ := get(t, s, "/metrics")
	checkExposition(t, got)
	if !strings.Contains(got, `version="a\"b\\c\nd"`) {
		t.Errorf("label not escaped:\n%s", got)
	}
}

func TestPage(t *testing.T) {
	s := sample()
	s.Devices[0].Name = "<script>alert(1)</script>"
	got, contentType, _ := get(t, s, "/")
	if contentType != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", contentType)
	}
	for _, want := range []string{
		"Mortise 0.1-3-g797049f", "1d 2h3m4s", "faulted", "1 234 567", "18.4 µs", "712 B", "16.0 KiB",
		"data abort", "ipv4.go:31", "runtime.panicIndex", "mortise/stack/oob.Deliver", "oob.go:7", "0x80abcdef", "stays down",
		"2 of 5 this minute", "an activation for its timer. In-band was silent", "1m30s", "boom", "mortise/stack/oob.(*device).ipv4", "0x80123456", "10.0.42.1/24", "UDP 7, ARP, ICMP echo", "link down", "half, 99 %, all within</td><td class=\"n\">2.56 µs, more, more",
		"udp checksum", "3.0 MiB", "&lt;script&gt;alert(1)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(got, "<script>alert") {
		t.Error("a name is not escaped")
	}
	for _, external := range []string{"http://", "https://", "src=", "@import", "url("} {
		if strings.Contains(got, external) {
			t.Errorf("the page is not self-contained: %s", external)
		}
	}
}

func TestJSON(t *testing.T) {
	got, _, _ := get(t, sample(), "/api/status")
	var back status.Status
	if err := json.Unmarshal([]byte(got), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), &back); diff != "" {
		t.Errorf("/api/status read back (-want +got):\n%s", diff)
	}
}

func TestRoutes(t *testing.T) {
	for path, want := range map[string]int{"/": 200, "/metrics": 200, "/api/status": 200, "/x": 404, "/metrics/": 404} {
		if _, _, code := get(t, sample(), path); code != want {
			t.Errorf("GET %s = %d, want %d", path, code, want)
		}
	}
	w := httptest.NewRecorder()
	status.Handler(sample).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST / = %d, want %d", w.Code, http.StatusMethodNotAllowed)
	}
}

func TestReadRuntime(t *testing.T) {
	r := status.ReadRuntime()
	if r.GoVersion == "" || r.HeapBytes == 0 || r.Goroutines == 0 {
		t.Errorf("ReadRuntime() = %+v", r)
	}
}

// More connections than the limit wait; they are served when others are closed.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- status.Serve(l, sample) }()
	var conns []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for i, c := range conns {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		reply, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if _, err := io.Copy(io.Discard, reply.Body); err != nil || reply.StatusCode != 200 {
			t.Errorf("connection %d: %d, %v", i, reply.StatusCode, err)
		}
		c.Close()
	}
	l.Close()
	if err := <-done; err == nil {
		t.Error("Serve of a closed listener: no error")
	}
}

// With SERVE=address set the page can be looked at.
func TestLook(t *testing.T) {
	addr := os.Getenv("SERVE")
	if addr == "" {
		t.Skip("SERVE is not set")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(status.Serve(l, sample))
}
