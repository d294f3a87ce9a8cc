package admin_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/console"
	"mortise/stack/filter"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/oob"
	"mortise/stack/wire/wiretest"
)

// always is a classic program that has one verdict, and never what Else says.
func always(v filter.Verdict) admin.Program {
	return admin.Program{Name: strings.ToLower(load.VerdictName(v)), Content: fmt.Appendf(nil, "1\n6 0 0 %d\n", v), Returns: load.Returns{Codes: true}}
}

// object returns a program of the corpus.
func object(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../filter/bpf/load/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFilter(t *testing.T) {
	b := newBench(t)
	b.ok(b.SetFilter("rt0", always(filter.Skip)))
	b.want(0, "in-band")
	b.ok(b.SetFilter("rt0", always(filter.VLAN)))
	b.want(0, "oob")
	b.want(43, "in-band")
	b.ok(b.SetFilter("rt0", always(filter.Drop)))
	b.want(0, "nobody")
	b.ok(b.SetFilter("rt0", admin.Program{Name: "gateway.o", Content: object(t, "gateway.o")}))
	b.want(0, "oob")
	b.want(42, "in-band") // it is for VLAN 42, but to another address
	f, err := b.Filter("rt0")
	b.ok(err)
	if f.Name != "gateway.o" || f.Verdicts == nil || *f.Verdicts != (admin.Judged{Skip: 1, VLAN: 1}) || f.Steps == 0 || f.Longest > uint64(f.Most) || f.Frames != 768/29 {
		t.Errorf("Filter = %+v, %+v", f, f.Verdicts)
	}

	// What is refused changes nothing.
	for want, p := range map[string]admin.Program{
		"beyond.c:6: instruction 8 (r1 += r0): the address may lie outside of the stack": {Content: object(t, "refused/beyond.o")},
		"the object has more than one program, name one: first, second":                  {Content: object(t, "refused/two.o")},
		"line 1: \"\" is not the number of instructions":                                 {Content: []byte("\n")},
		"name its file, or send it":                                                      {},
		"there are none here":                                                            {Name: "/filters/x.o"},
	} {
		if err := b.SetFilter("rt0", p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SetFilter: %v, want %s", err, want)
		}
	}
	if err := b.SetFilter("rt9", always(filter.Drop)); !errors.Is(err, admin.ErrUnknown) {
		t.Errorf("SetFilter of a device that is not there: %v", err)
	}
	b.want(42, "in-band")
	if now, _ := b.Filter("rt0"); now.Verdicts.Skip != 2 {
		t.Errorf("after refused programs: %+v", now.Verdicts)
	}

	// The configuration's programs come and go with it; one that is the same goes on counting.
	tables := b.tables()
	b.ok(b.Reload(tables))
	if now, _ := b.Filter("rt0"); now.Name != "" {
		t.Errorf("after a configuration without a program: %+v", now)
	}
	b.want(42, "oob")

	// A device is diverted for its program alone.
	for _, p := range []string{"rt0", "rt0.42"} {
		_, err := b.Disable(p)
		b.ok(err)
	}
	b.ok(b.SetFilter("rt0", always(filter.Drop)))
	if d, _ := b.Device("rt0"); !d.Diverted || len(d.For) != 1 || d.For[0] != "filter drop" || d.Filter != "drop" {
		t.Errorf("with a program only: %+v", d)
	}
	b.want(0, "nobody")
	b.refuse = errors.New("no")
	if err := b.RemoveFilter("rt0"); err == nil {
		t.Error("the diversion's failure is not told")
	}
	if now, _ := b.Filter("rt0"); now.Name != "drop" || *now.Verdicts != (admin.Judged{Drop: 1}) {
		t.Errorf("after a removal that failed: %+v, %+v", now, now.Verdicts)
	}
	b.want(0, "nobody")
	b.refuse = nil
	b.ok(b.RemoveFilter("rt0"))
	b.ok(b.RemoveFilter("rt0"))
	b.want(0, "in-band")
	for _, p := range []string{"rt0", "rt0.42"} {
		b.ok(b.Enable(p, 16))
	}
}

// Explain says of each frame what the oob stage does with it: its verdict is the one that the counters tell.
func TestExplain(t *testing.T) {
	b := newBench(t)
	b.ok(b.SetFilter("rt0", admin.Program{Name: "gateway.o", Content: object(t, "gateway.o")}))
	own, _ := wiretest.Echo(b.site.From(), 4000, nil)
	tagged, _ := wiretest.Echo(b.site.VFrom(), 4000, nil)
	other := append([]byte{2, 9, 9, 9, 9, 9}, own[6:]...)
	nowhere, _ := wiretest.Echo(b.header(100), 4000, nil)
	for _, tc := range []struct {
		name, verdict, by, why string
		frame                  []byte
	}{
		{"to another station", "DROP", "destination", "it is for another station, 02:09:09:09:09:09; rt0 is ", other},
		{"untagged: the program leaves it to the ports", "ACCEPT", "port rt0", "it has no tag: oob port rt0, which takes UDP ports 7, 5000-5009", own},
		{"to another address", "SKIP", "program gateway.o", "compares 0xa002a01 with 0xa000001 led", tagged},
		{"on a VLAN without a port", "SKIP", "ports", "its VLAN ID is 100, and no oob port is on it", nowhere},
		{"that is cut off", "DROP", "program gateway.o", "of gateway.c:5: compares 0x20 with 0x6 led", own[:20]},
	} {
		before := oob.Snapshot(0)
		e, err := b.Explain("rt0", tc.frame)
		b.ok(err)
		if oob.Snapshot(0) != before {
			t.Errorf("a frame %s: Explain counts", tc.name)
		}
		if tc.name == "on a VLAN without a port" {
			if e.Verdict != "SKIP" || !strings.Contains(strings.Join(e.Why, "\n"), "SKIP by instruction") && e.By != tc.by {
				t.Errorf("a frame %s: %+v", tc.name, e)
			}
			continue
		}
		if e.Verdict != tc.verdict || e.By != tc.by || !strings.Contains(strings.Join(e.Why, "\n"), tc.why) {
			t.Errorf("a frame %s: %s by %s:\n%s\nwant %s by %s: %s", tc.name, e.Verdict, e.By, strings.Join(e.Why, "\n"), tc.verdict, tc.by, tc.why)
		}
		if len(tc.frame) < 60 {
			continue // no controller receives one
		}
		b.nic.Inject(tc.frame)
		b.poll(func([]byte) {})
		after := oob.Snapshot(0)
		if got := after.Dropped() - before.Dropped(); (got == 1) != (tc.verdict == "DROP") {
			t.Errorf("a frame %s: %d dropped", tc.name, got)
		}
		if got := after.Inband() - before.Inband(); (got == 1) != (tc.verdict == "SKIP") {
			t.Errorf("a frame %s: %d left to in-band", tc.name, got)
		}
	}
	for text, want := range map[string]string{"": "14 to 1522", "0": "odd length", "zz": "invalid byte", "00": "14 to 1522"} {
		if _, err := admin.ParseFrame(text); !errors.Is(err, admin.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseFrame(%q): %v, want %s", text, err, want)
		}
	}
}

// Of a device that in-band has, Explain says so, whatever the oob stage would do.
func TestExplainInband(t *testing.T) {
	b := newBench(t)
	own, _ := wiretest.Echo(b.site.From(), 4000, nil)
	other := append([]byte{2, 9, 9, 9, 9, 9}, own[6:]...)
	explained := func(when string, frame []byte, want ...string) {
		t.Helper()
		e, err := b.Explain("rt0", frame)
		b.ok(err)
		if got := append([]string{e.Verdict, e.By}, e.Why...); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	rule := `from = "rt0", name = "a", protocol = "udp", to = "rt0"`
	_, err := b.AddForward(toml("%s", rule), "")
	b.ok(err)
	b.dev.Divert(false) // as a stop of the stage does
	const stopped = "the oob stage is stopped: in-band gets the frame; when the stage runs again:"
	explained("stopped", own, "SKIP", "stage", stopped, "rule 1 (protocol=udp verdict=accept) fits", "protocol=udp to rt0", "that is FORWARD by rule a")
	b.want(0, "in-band")
	b.ok(b.RemoveForward("rt0", "a"))
	explained("stopped, to another station", other, "SKIP", "stage", stopped,
		"it is for another station, 02:09:09:09:09:09; rt0 is "+net.HardwareAddr(b.site.MAC[:]).String(), "that is DROP by destination")
	b.dev.Divert(true)
	for _, name := range []string{"rt0", "rt0.42"} {
		_, err := b.Disable(name)
		b.ok(err)
	}
	for _, f := range [][]byte{own, other} {
		explained("not diverted", f, "SKIP", "diversion", "rt0 is not diverted: in-band gets the frame")
	}
	b.want(0, "in-band")
}

func TestFilterCommands(t *testing.T) {
	b := newBench(t)
	own, _ := wiretest.Echo(b.site.From(), 4000, nil)
	b.files = map[string][]byte{"filters/gateway.o": object(t, "gateway.o"), "two.o": object(t, "refused/two.o"), "all.ddd": []byte("1\n6 0 0 1\n")}
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net filter", "rt0: no filter program\n"},
		{"net filter filters/gateway.o", "net filter: name the device: -i NAME"},
		{"net filter -i rt9 none", `device "rt9": no such port or device`},
		{"net filter -i rt0 filters/gateway.o", "rt0: filters/gateway.o, 24 instructions, at most 29 steps"},
		{"net filter -i rt0 none.o", "net filter: no such port or device: none.o: file does not exist"},
		{"net filter -i rt0 two.o", "refused: the object has more than one program, name one: first, second"},
		{"net filter -i rt0 -f third two.o", `refused: the object has no program "third"`},
		{"net filter -i rt0", "26 frames an activation; DROP 0, ACCEPT 0, SKIP 0, VLAN 0; 0 steps in all, 0 at most"},
		{"net explain -i rt0 " + hex.EncodeToString(own), "rt0: ACCEPT by port rt0, counted as udp_echo"},
		{"net explain -i rt0 " + hex.EncodeToString(own[:7]) + " " + hex.EncodeToString(own[7:]), "of gateway.c:"},
		{"net explain -i rt0 0102", "a frame of 2 bytes: invalid, want 14 to 1522"},
		{"net explain 0102", "name the device"},
		{"net filter -i rt0 -f second two.o", "rt0: two.o second, "},
		{"net filter -i rt0 -m drop -e vlan all.ddd", "rt0: all.ddd, "},
		{"net explain -i rt0 " + hex.EncodeToString(own), "rt0: DROP by program all.ddd, counted as program_drop"},
		{"net filter -i rt0 -c -m drop all.ddd", "match and else are for a program whose value is no verdict"},
		{"net filter -i rt0 -m what all.ddd", `verdict "what": invalid, want accept, skip, drop or vlan`},
		{"net query -i rt0", "diverted, for rt0, rt0.42, filter all.ddd"},
		{"net filter -i rt0 none", "rt0: no filter program\n"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
}

func TestFilterHTTP(t *testing.T) {
	b := newBench(t)
	own, _ := wiretest.Echo(b.site.From(), 4000, nil)
	encoded := func(name string) string { return base64.StdEncoding.EncodeToString(object(t, name)) }
	b.files = map[string][]byte{"two.o": object(t, "refused/two.o")}
	for _, tc := range []struct {
		path, body string // no body: GET
		code       int
		want       string
	}{
		{"filters", "", 200, `"device": "rt0"`},
		{"filters/rt9", "", 404, "no such port or device"},
		{"filter", `{"device": "rt0", "name": "gateway.o", "object": "` + encoded("gateway.o") + `"}`, 200, `"frames_per_activation": 26`},
		{"filters/rt0", "", 200, `"name": "gateway.o"`},
		{"devices/rt0", "", 200, `"filter": "gateway.o"`},
		{"explain?device=rt0&frame=" + hex.EncodeToString(own), "", 200, `VLAN by instruction 21 (r0 = r7) of gateway.c:14`},
		{"explain?device=rt0&frame=" + url.QueryEscape("02 00:00"), "", 400, "a frame of 3 bytes"},
		{"explain?device=rt9&frame=" + hex.EncodeToString(own), "", 404, "no such"},
		{"filter", `{"device": "rt0", "object": "` + encoded("refused/beyond.o") + `"}`, 409, "beyond.c:6: instruction 8 (r1 += r0)"},
		{"filter", `{"device": "rt0", "object": "%"}`, 400, "base64"},
		{"filter", `{"device": "rt0", "object": "AAAA", "classic": "x"}`, 400, "not both"},
		{"filter", `{"device": "rt0", "name": "two.o"}`, 409, "name one: first, second"},
		{"filter", `{"device": "rt0", "name": "none.o"}`, 404, "does not exist"},
		{"filter", `{"device": "rt0", "classic": "1\n6 0 0 1", "match": "sometimes"}`, 400, "want accept, skip, drop or vlan"},
		{"filter", `{"device": "rt0", "classic": "` + strings.Repeat("x", 600<<10) + `"}`, 400, "too large"},
		{"filters/rt0", "", 200, `"name": "gateway.o"`}, // nothing of that has changed it
		{"filter", `{"device": "rt0", "name": "two.o", "function": "first"}`, 200, `"function": "first"`},
		{"filter", `{"device": "rt0", "classic": "1\n6 0 0 1", "match": "vlan"}`, 200, `"name": "program"`},
		{"filter/remove", `{"device": "rt0"}`, 200, `"device": "rt0"`},
		{"filter/remove", `{"device": "rt9"}`, 404, "no such"},
	} {
		method := "POST"
		if tc.body == "" {
			method = "GET"
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, admin.Path+tc.path, strings.NewReader(tc.body))
		r.Header.Set("Content-Type", "application/json")
		b.Handler(true).ServeHTTP(w, r)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d with %q", method, tc.path, tc.body, w.Code, w.Body, tc.code, tc.want)
		}
	}
	b.want(0, "oob")
}
