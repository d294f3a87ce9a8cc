package admin_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/console"
)

// settings is all that commands and requests can change.
func (b *bench) settings() string {
	b.Helper()
	devices := b.Devices()
	for i := range devices {
		devices[i].Counters = nil
	}
	neighbours, err := b.Neighbours("")
	b.ok(err)
	text, err := json.Marshal([]any{b.Ports(), devices, neighbours, b.Static(), b.Routes(), b.forwards(), b.Filters()})
	b.ok(err)
	return string(text)
}

// mostSteps bounds the commands or requests of one input: each one has the model look at all it has, twice.
const mostSteps = 16

// FuzzCommands: no line makes a command panic, and one that is refused changes nothing.
func FuzzCommands(f *testing.F) {
	for _, lines := range []string{
		"enable -i rt0.43 -p 20\nquery -i rt0.43\ndisable -i rt0.43", "enable -i rt0.44 -p 0\nenable rt0.44\nenable -i rt9",
		"divert -i rt0 on\ndivert -i rt0 maybe\ndivert -i rt0 off\nquery -i rt0", "vlans -i rt0 100,200-210\nvlans -i rt0 4095\nvlans -i rt0 none",
		"solicit -s 10.0.42.9\nsolicit -g -t 1 -i rt0 10.0.43.9\nneigh\nneigh flush", "disable -i rt0\nneigh set -i rt0 10.0.0.3 02:00:00:00:00:03",
		"neigh set -i rt0 10.0.0.3 02:00:00:00:00:03\nneigh remove -i rt0 10.0.0.3\nneigh -i rt0", "routes\nsockets\nconflicts\nquery",
		"disable -i rt0.42\nneigh remove -i rt0.42 10.0.42.77\nneigh remove -i rt0.42 10.0.42.77\nenable -i rt0.42\nenable -i rt0.42 -p 17\nenable -i rt0.42 -b 4096",
		"forward add from = \"rt0\", ethertype = \"ptp\", to = \"rt0\"\nforward -i rt0\nforward latency -i rt0 -n rule-1\nforward remove -i rt0 -n rule-1",
		"forward add name = \"a\", from = \"rt0\", vlan = 3, to = [\"rt0\", {device = \"rt0\", push = {vid = 7}}]\nforward add -b a from = \"rt0.42\", to = \"rt0.43\"\nforward replace -i rt0 -n a from = \"rt0\", verdict = \"drop\"",
	} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		b := newBench(t)
		b.answer = [6]byte{2, 0, 0, 0, 0, 9}
		c := console.New(b.Commands()...)
		before := b.settings()
		for n, line := range strings.SplitN(lines, "\n", mostSteps+1) {
			if n == mostSteps {
				break
			}
			var out strings.Builder
			c.Do(&out, "net "+line)
			after := b.settings()
			refused := strings.HasPrefix(out.String(), "net ") || strings.HasSuffix(out.String(), "help lists them\n")
			if refused && after != before {
				t.Fatalf("%q: %s, and it has changed\n%s\nto\n%s", line, out.String(), before, after)
			}
			before = after
		}
		b.clear()
	})
}

// clear takes away what Cleanup of the bench does not.
func (b *bench) clear() {
	b.ok(b.SetVLANs("rt0", ""))
	for _, r := range b.forwards() {
		b.ok(b.RemoveForward(r.Device, r.Name))
	}
}

// FuzzHTTP: no request makes the handler panic; the answer is JSON, and one that is refused changes nothing. Each line is a
// path and a body.
func FuzzHTTP(f *testing.F) {
	for _, lines := range []string{
		"GET ports\nGET ports/rt0.42\nGET ports/rt9\nGET devices/rt0\nGET neighbours?port=rt0.42", "GET routes\nGET sockets\nGET conflicts\nGET enable",
		`enable {"port": "rt0.43", "pool": 20}` + "\n" + `disable {"port": "rt0.43"}` + "\nGET ports/rt0.43",
		`enable {"port": "rt0.44", "pool": 0}` + "\n" + `enable {"port": "rt0.43"} {}` + "\nenable {\nenable [1]\nenable null",
		`divert {"device": "rt0", "on": true}` + "\n" + `divert {"device": "rt0"}`, `vlans {"device": "rt0", "list": "100"}` + "\n" + `vlans {"device": "rt0", "list": "0"}`,
		`solicit {"address": "10.0.42.9", "permanent": true}` + "\n" + `solicit {"address": "10.0.43.9", "gateway": true, "timeout_ms": 1}`,
		`neighbours {"port": "rt0", "address": "10.0.0.3", "mac": "02:00:00:00:00:03"}` + "\n" + `neighbours/remove {"port": "rt0", "address": "10.0.0.3"}` + "\nneighbours/flush {}",
		`disable {"port": "rt0.42"}` + "\n" + strings.Repeat(`neighbours/remove {"port": "rt0.42", "address": "10.0.42.77"}`+"\n", 2) + `enable {"port": "rt0.42"}` + "\n" + `enable {"port": "rt0.42", "pool": 17}`,
		`forward/add {"rule": {"from": "rt0", "name": "a", "ethertype": "ptp", "to": ["rt0", {"device": "rt0", "push": {"vid": 7}}]}}` + "\nGET forward\nGET forward/rt0/a\n" +
			`forward/replace {"device": "rt0", "name": "a", "rule": {"from": "rt0", "port": "1-9", "protocol": "udp", "verdict": "skip"}}` + "\n" +
			`forward/add {"before": "a", "rule": {"from": "rt0", "vlan": 3, "to": null}}` + "\n" + `forward/remove {"device": "rt0", "name": "a"}`,
	} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		b := newBench(t)
		b.answer = [6]byte{2, 0, 0, 0, 0, 9}
		h := b.Handler(true)
		before := b.settings()
		for n, line := range strings.SplitN(lines, "\n", mostSteps+1) {
			if n == mostSteps {
				break
			}
			method := "POST"
			path, body, _ := strings.Cut(line, " ")
			if path == "GET" {
				method, path, body = path, body, ""
			}
			r := httptest.NewRequest(method, admin.Path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(admin.Path+path, "?")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if kind := w.Header().Get("Content-Type"); kind == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%q: no JSON: %s", line, w.Body)
			}
			if w.Code >= 500 && w.Code != 504 {
				t.Fatalf("%q: %d %s", line, w.Code, w.Body)
			}
			after := b.settings()
			if (w.Code >= 400 || method == "GET") && after != before {
				t.Fatalf("%q: %d %s, and it has changed\n%s\nto\n%s", line, w.Code, w.Body, before, after)
			}
			before = after
		}
		b.clear()
	})
}
