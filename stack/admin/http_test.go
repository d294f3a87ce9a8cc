package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mortise/stack/admin"
)

func TestHTTP(t *testing.T) {
	b := newBench(t)
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	for _, tc := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "ports", "", 200, `"name": "rt0.42"`},
		{"GET", "ports/rt0.42", "", 200, `"size": 16`},
		{"GET", "ports/rt9", "", 404, "no such port"},
		{"GET", "devices", "", 200, `"diverted": true`},
		{"GET", "devices/rt0", "", 200, `"udp_echo"`},
		{"GET", "neighbours?port=rt0.42", "", 200, `"address": "10.0.42.77"`},
		{"GET", "routes", "", 200, `"prefix": "10.0.0.0/24"`},
		{"GET", "sockets", "", 200, "[]"},
		{"GET", "conflicts", "", 200, "[]"},
		{"GET", "enable", "", 405, ""},
		{"GET", "nothing", "", 404, ""},
		{"POST", "enable", `{"port": "rt0.43", "pool": 20}`, 200, `"oob": true`},
		{"POST", "enable", `{"port": "rt0.43", "pool": 512}`, 409, "it is on, with 20 buffers of 2048 bytes; disable it first"},
		{"POST", "enable", `{"port": "rt0.44", "pool": 0}`, 400, "a pool of 0 buffers"},
		{"POST", "enable", `{"port": "rt0.44", "pool": 40000}`, 400, "1 to 32768"},
		{"POST", "enable", `{"port": "rt0.44", "pool": 500}`, 409, "no more slots"},
		{"POST", "enable", `{"port": "rt9"}`, 404, "no such port"},
		{"POST", "enable", `{"ports": "rt0.43"}`, 400, "unknown field"},
		{"POST", "enable", `{"port": "rt0.43"} {}`, 400, "more than one"},
		{"POST", "enable", `{`, 400, "JSON"},
		{"POST", "enable", `{"port": "` + strings.Repeat("x", 9000) + `"}`, 400, "too large"},
		{"POST", "disable", `{"port": "rt0.43"}`, 200, `"oob": false`},
		{"POST", "divert", `{"device": "rt0", "on": true}`, 200, `"request"`},
		{"POST", "divert", `{"device": "rt0"}`, 400, "missing"},
		{"POST", "vlans", `{"device": "rt0", "list": "100"}`, 200, `"vlans": "100"`},
		{"POST", "vlans", `{"device": "rt0", "list": "0"}`, 400, "priority tag"},
		{"POST", "solicit", `{"address": "10.0.42.9", "permanent": true}`, 200, `"mac": "02:00:00:00:00:09"`},
		{"POST", "solicit", `{"address": "10.0.43.9"}`, 409, "by the gateway 10.0.0.254 only"},
		{"POST", "solicit", `{"address": "10.0.42.9", "timeout_ms": 9000}`, 400, "1 to 8000"},
		{"POST", "neighbours", `{"port": "rt0", "address": "10.0.0.3", "mac": "02:00:00:00:00:03"}`, 200, `"10.0.0.3"`},
		{"POST", "neighbours/remove", `{"port": "rt0", "address": "10.0.0.3"}`, 200, "[]"},
		{"POST", "neighbours/flush", `{}`, 200, `"forgotten": 0`},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, admin.Path+tc.path, strings.NewReader(tc.body))
		r.Header.Set("Content-Type", "application/json")
		b.Handler(true).ServeHTTP(w, r)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d with %q", tc.method, tc.path, tc.body, w.Code, w.Body, tc.code, tc.want)
		}
	}
	// A browser's form, and a configuration that allows no changes.
	for _, tc := range []struct {
		control bool
		kind    string
		code    int
	}{{true, "text/plain", http.StatusUnsupportedMediaType}, {false, "application/json", http.StatusForbidden}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", admin.Path+"disable", strings.NewReader(`{"port": "rt0"}`))
		r.Header.Set("Content-Type", tc.kind)
		b.Handler(tc.control).ServeHTTP(w, r)
		if p, _ := b.Port("rt0"); w.Code != tc.code || !p.Oob {
			t.Errorf("control %v, %s: %d, want %d and nothing changed", tc.control, tc.kind, w.Code, tc.code)
		}
	}
	b.ok(b.SetVLANs("rt0", ""))
}
