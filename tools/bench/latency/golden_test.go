package latency

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGoldenMoved(t *testing.T) {
	g := golden{median: 457, max: 1191}
	tests := []struct {
		median, max int64
		want        int
	}{
		{457, 1191, 0},
		{466, 1250, 0},
		{448, 1132, 0},
		{467, 1191, 1}, // 2.2 %
		{447, 1191, 1}, // faster: look at it, and write the table anew
		{457, 1251, 1},
		{470, 1300, 2},
	}
	if got := (golden{median: 134}).moved(&Result{Statistics: Statistics{Median: 134, Max: 150}}); got != nil {
		t.Errorf("a row without a maximum: %q", got)
	}
	for _, test := range tests {
		r := &Result{Statistics: Statistics{Median: test.median, Max: test.max}}
		if got := g.moved(r); len(got) != test.want {
			t.Errorf("median %d, maximum %d: %q, want %d lines", test.median, test.max, got, test.want)
		}
	}
}

func TestParseGolden(t *testing.T) {
	text := formatGolden([]*Result{
		{Case: "oob", Statistics: Statistics{Median: 457, Max: 458}},
		{Case: "inband", Statistics: Statistics{Median: 74727, Max: 85665}},
		{Case: "oob-flood50", Statistics: Statistics{Median: 719, Max: 1037}},
		{Case: "task-all", Statistics: Statistics{Median: 134, Max: 143}}, // a row without a maximum
	})
	got, err := parseGolden(text)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]golden{"oob": {457, 458}, "inband": {74727, 85665}, "oob-flood50": {719, 1037}, "task-all": {134, 0}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(golden{})); diff != "" {
		t.Errorf("parseGolden (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"oob", "oob 1", "oob one 2", "oob -", "oob one -"} {
		if _, err := parseGolden(bad); err == nil {
			t.Errorf("parseGolden(%q): no error", bad)
		}
	}
}
