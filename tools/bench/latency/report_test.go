package latency

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func testReport() (*Report, []Case) {
	cases := Cases()
	r := &Report{QEMU: "7.2.22", Emulator: "/usr/bin/qemu-system-arm", Peers: Peers()}
	for i := range cases[:5] {
		result := good(&cases[i])
		result.Min, result.P99, result.Distribution = result.Median, result.Median, []Count{{result.Median, 9}, {result.Max, 1}}
		result.Hash, result.Told, result.Activations = "0123456789abcdef", nil, Activations{1100, 754, 754}
		r.Results = append(r.Results, result)
	}
	r.Results[4].Told = map[Load]Told{kindGC: {12, 34}}
	r.Results[3].Resolution = 125
	r.Results[2].Bulk = BulkCount{4438250, 1}
	r.Results[1].Median = 1700
	r.Results[1].Missed = cases[1].Check(r.Results[1])
	r.Results[4].Flood = FloodCount{1064, 17}
	r.Results[4].Unsteady = "give the main thread SCHED_RR: operation not permitted"
	r.Skipped = []Skip{{"inband", "no firmware given"}}
	return r, cases
}

func TestWriteText(t *testing.T) {
	report, cases := testReport()
	var got bytes.Buffer
	if err := report.WriteText(&got, cases); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.txt")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestWriteSVG(t *testing.T) {
	report, _ := testReport()
	for name, r := range map[string]*Report{"five": report, "none": {}} {
		var b bytes.Buffer
		if err := r.WriteSVG(&b); err != nil {
			t.Fatal(err)
		}
		paths := 0
		for decoder := xml.NewDecoder(&b); ; {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" && e.Attr[0].Name.Local == "fill" {
				paths++
			}
		}
		if want := map[string]int{"five": 2 * 2, "none": 0}[name]; paths != want { // four of the five are equal
			t.Errorf("%s: %d curves and their marks in the legend, want %d", name, paths, want)
		}
	}
}

// A legend that is longer than the axes are high ends above the panel below it.
func TestLongLegend(t *testing.T) {
	r := &Report{}
	for i := range int64(40) {
		r.Results = append(r.Results, &Result{Case: "legend", Panel: "long", Distribution: []Count{{100 + i, 1}}})
	}
	for _, panel := range []string{"beside", "below"} {
		r.Results = append(r.Results, &Result{Case: panel, Panel: panel, Distribution: []Count{{100, 1}}})
	}
	var b bytes.Buffer
	if err := r.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Height int `xml:"height,attr"`
		Panels []struct {
			Place string `xml:"transform,attr"`
			Text  []struct {
				Y    float64 `xml:"y,attr"`
				Name string  `xml:",chardata"`
			} `xml:"text"`
		} `xml:"g"`
	}
	if err := xml.Unmarshal(b.Bytes(), &svg); err != nil {
		t.Fatal(err)
	}
	var end, below int
	for _, g := range svg.Panels {
		var x, y int
		if _, err := fmt.Sscanf(g.Place, "translate(%d %d)", &x, &y); err != nil {
			t.Fatal(err)
		}
		for _, text := range g.Text {
			switch text.Name {
			case "legend":
				end = max(end, y+int(text.Y))
			case "below":
				below = y
			}
		}
	}
	if end < plotTop+panelHeight || below < end || svg.Height < below+panelHeight {
		t.Errorf("the legend ends at %d, the next row begins at %d, all of it ends at %d", end, below, svg.Height)
	}
}

func TestPanels(t *testing.T) {
	result := func(name, panel string, lost int, counts ...Count) *Result {
		return &Result{Case: name, Panel: panel, Distribution: counts, Statistics: Statistics{Lost: lost}}
	}
	r := Report{Results: []*Result{
		result("a", "oob", 0, Count{364, 9}, Count{906, 1}),
		result("b", "in-band", 0, Count{68_000, 5}),
		result("c", "oob", 1, Count{364, 3}),
		result("d", "oob", 0, Count{364, 90}, Count{906, 10}), // the same distribution as a's
		result("e", "none", 3),
	}}
	got := r.panels()
	want := []panel{
		{"oob", []curve{
			{[]string{"a", "d"}, []point{{364, 0.9}, {906, 1}}},
			{[]string{"c"}, []point{{364, 0.75}}},
		}, axis{0, 1000, false}},
		{"in-band", []curve{{[]string{"b"}, []point{{68_000, 1}}}}, axis{4, 5, true}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(panel{}, curve{}, point{}, axis{})); diff != "" {
		t.Errorf("panels (-want +got):\n%s", diff)
	}
}

func TestAxis(t *testing.T) {
	tests := []struct {
		axis         axis
		instructions int64
		want         float64
	}{
		{decades(457, 85665), 100, axesLeft},
		{decades(457, 85665), 100_000, axesLeft + axesWidth},
		{decades(457, 85665), 1, axesLeft - 2*axesWidth/3.},
		{axis{0, 1000, false}, 0, axesLeft},
		{axis{0, 1000, false}, 250, axesLeft + axesWidth/4},
	}
	for _, test := range tests {
		if got := test.axis.x(test.instructions); math.Abs(got-test.want) > 0.5 {
			t.Errorf("%+v: x(%d) = %.1f, want %.1f", test.axis, test.instructions, got, test.want)
		}
	}
}

func TestJSON(t *testing.T) {
	report, _ := testReport()
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, &got); diff != "" {
		t.Errorf("JSON round trip (-want +got):\n%s", diff)
	}
}

func TestMissed(t *testing.T) {
	tests := []struct {
		name   string
		report Report
		want   bool
	}{
		{"all met", Report{Results: []*Result{{}}}, false},
		{"bound missed", Report{Results: []*Result{{}, {Missed: []string{"median"}}}}, true},
		{"case not run", Report{Skipped: []Skip{{"oob", "no firmware"}}}, true},
	}
	for _, test := range tests {
		if got := test.report.Missed(); got != test.want {
			t.Errorf("%s: Missed = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestGroup(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 30548625: "30,548,625"} {
		if got := group(n); got != want {
			t.Errorf("group(%d) = %q, want %q", n, got, want)
		}
	}
}
