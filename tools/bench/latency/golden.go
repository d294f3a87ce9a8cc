package latency

import (
	"fmt"
	"strings"
)

// How far a figure may move from the golden table's: a median by 2 %, a maximum by 5 %.
const (
	medianPercent  = 2
	maximumPercent = 5
)

// golden is a row of the golden table: the figures as they were when somebody last looked at them and agreed. max is 0 where the
// maximum depends on phases that differ from image to image: then the case's bound alone holds.
type golden struct{ median, max int64 }

const goldenHeader = "# case median maximum (-: its bound alone): instructions; go test ./tools/bench/latency -run Golden -update writes it anew\n"

// parseGolden reads the table. A line is: case, median, maximum.
func parseGolden(text string) (map[string]golden, error) {
	rows := map[string]golden{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var name string
		var g golden
		var err error
		if bounded, found := strings.CutSuffix(line, " -"); found {
			_, err = fmt.Sscanf(bounded, "%s %d", &name, &g.median)
		} else {
			_, err = fmt.Sscanf(line, "%s %d %d", &name, &g.median, &g.max)
		}
		if err != nil {
			return nil, fmt.Errorf("golden table: %q: want case, median, maximum: %w", line, err)
		}
		rows[name] = g
	}
	return rows, nil
}

// formatGolden is parseGolden's inverse.
func formatGolden(results []*Result) string {
	bounded := map[string]bool{}
	for _, c := range Cases() {
		bounded[c.Name] = c.held()
	}
	text := goldenHeader
	for _, r := range results {
		if bounded[r.Case] {
			text += fmt.Sprintf("%-16s %7d %7s\n", r.Case, r.Median, "-")
			continue
		}
		text += fmt.Sprintf("%-16s %7d %7d\n", r.Case, r.Median, r.Max)
	}
	return text
}

// moved tells how r differs from the golden figures by more than it may, a line each.
func (g golden) moved(r *Result) (lines []string) {
	for _, f := range []struct {
		name      string
		got, want int64
		percent   int64
	}{
		{"median", r.Median, g.median, medianPercent},
		{"maximum", r.Max, g.max, maximumPercent},
	} {
		if diff := f.got - f.want; f.want != 0 && max(diff, -diff)*100 > f.want*f.percent {
			lines = append(lines, fmt.Sprintf("%s %d instructions, the golden table has %d: %+.1f %%, more than %d %%",
				f.name, f.got, f.want, float64(diff)*100/float64(f.want), f.percent))
		}
	}
	return lines
}
