package latency

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Report is what a run of the bench found.
type Report struct {
	QEMU     string    // version
	Emulator string    // path
	Results  []*Result // in the order run
	Skipped  []Skip
	Guests   []string // that were measured beside the firmware: what they are, with their versions
	Peers    []Peer   // not by this run
}

// Skip is a case that did not run, and why.
type Skip struct{ Case, Why string }

// Peer is another guest's figure: the floor taken once with QEMU 10.0.2 at shift 3, all others by make bench PEERS=1 with
// QEMU 7.2.22, Linux 6.1.176-1 and TamaGo v1.26.5 on 2026-11-22.
type Peer struct {
	Guest       string
	Median, Max int64 // instructions; 0: none answered
}

// Peers returns the figures of docs/measure.md.
func Peers() []Peer {
	return []Peer{
		{"bare-metal C, FIQ, echoes every frame unseen (the floor)", 155, 156},
		{"Debian 6.1, idle", 15264, 29650},
		{"Debian 6.1, loaded", 17208, 517649},
		{"Debian 6.1 PREEMPT_RT, idle", 42256, 64585},
		{"Debian 6.1 PREEMPT_RT, loaded", 44180, 83982},
		{"Debian 6.1 PREEMPT_RT, loaded, flood 1 kpps, threaded NAPI", 51892, 88973},
		{"stock TamaGo + gVisor, idle", 77835, 87167},
		{"stock TamaGo + gVisor, yielding GC churn", 3919101, 18171445},
		{"stock TamaGo + gVisor, goroutines that do not yield (all lost)", 0, 0},
	}
}

// Missed tells whether a bound was missed or a case did not run.
func (r *Report) Missed() bool {
	return len(r.Skipped) > 0 || slices.ContainsFunc(r.Results, func(r *Result) bool { return len(r.Missed) > 0 })
}

// WriteText writes the report for people. cases are those that the results are of.
func (r *Report) WriteText(w io.Writer, cases []Case) error {
	t := table{header: []string{"case", "shift", "requests", "lost", "min", "median", "99 %", "max", "activation", "demanded", "", "hash"}}
	for _, result := range r.Results {
		i := slices.IndexFunc(cases, func(c Case) bool { return c.Name == result.Case })
		t.rows = append(t.rows, cases[i].row(result))
	}
	for _, peer := range r.Peers {
		t.rows = append(t.rows, peer.row())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Wire-to-wire latency in guest instructions, in virtual time. QEMU %s (%s).\n\n", r.QEMU, r.Emulator)
	t.write(&b)
	b.WriteString("\nactivation: the longest activation of the oob stage meanwhile, whatever caused it.\n" +
		"* A figure of another guest on the same board, taken before and not by this run (docs/measure.md; PEERS=1 takes it anew).\n" +
		"A figure is exact to the instruction; to one either way at shift 10. ≈ marks one that is a whole microsecond,\n" +
		"rounded down, because there was no compiler for the plugin. No figure says anything about caches, bus or wire\n" +
		"time. docs/measure.md has the details.\n")
	r.writeLongest(&b)
	r.writeRemarks(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeRemarks(b *strings.Builder) {
	for _, result := range r.Results {
		if result.Flood.Sent > 0 {
			fmt.Fprintf(b, "%s: in-band answered %d of %d flood frames.\n", result.Case, result.Flood.Answered,
				result.Flood.Sent)
		}
		if result.Bulk.Connections > 0 {
			fmt.Fprintf(b, "%s: in-band acknowledged %s bytes of TCP, in %d connections.\n", result.Case,
				group(result.Bulk.Bytes), result.Bulk.Connections)
		}
		for _, kind := range slices.Sorted(maps.Keys(result.Told)) {
			who := "LOAD=" + string(kind)
			if kind == kindLinux {
				who = "the slowest of Linux's loads"
			}
			fmt.Fprintf(b, "%s: %s had done its work %d times before, %d after.\n", result.Case, who,
				result.Told[kind].Before, result.Told[kind].After)
		}
		if result.Unsteady != "" {
			fmt.Fprintf(b, "%s: repetition not compared: %s.\n", result.Case, result.Unsteady)
		}
		for _, missed := range result.Missed {
			fmt.Fprintf(b, "%s: MISSED: %s.\n", result.Case, missed)
		}
	}
	for _, guest := range r.Guests {
		fmt.Fprintf(b, "Measured beside: %s.\n", guest)
	}
	for _, skip := range r.Skipped {
		fmt.Fprintf(b, "%s: NOT RUN: %s.\n", skip.Case, skip.Why)
	}
}

func (c *Case) row(r *Result) []string {
	verdict := "ok"
	if c.Guest != "" {
		verdict = "" // nothing is demanded
	}
	if len(r.Missed) > 0 {
		verdict = "MISSED"
	}
	var bounds []string
	if c.Median != unbounded {
		bounds = append(bounds, "median ≤ "+group(c.Median))
	}
	if c.Spread != unbounded {
		bounds = append(bounds, "max ≤ median + "+group(c.spread(r)))
	}
	demanded := strings.Join(bounds, ", ")
	median := group(r.Median)
	if r.Resolution > 1 {
		median = "≈ " + median
	}
	if r.Lost == r.Requests {
		return []string{c.About, strconv.Itoa(c.Shift), group(int64(r.Requests)), "all", "–", "–", "–", "–", "", demanded, verdict, r.Hash}
	}
	longest := ""
	if r.Activations.Number > 0 {
		longest = group(r.Activations.Longest)
	}
	return []string{c.About, strconv.Itoa(c.Shift), group(int64(r.Requests)), group(int64(r.Lost)), group(r.Min),
		median, group(r.P99), group(r.Max), longest, demanded, verdict, r.Hash}
}

func (p *Peer) row() []string {
	row := []string{"* " + p.Guest, "", "", "", "", "–", "", "–", "", "", "", ""}
	if p.Median > 0 {
		row[5], row[7] = group(p.Median), group(p.Max)
	}
	return row
}

// group writes n with a comma between thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Columns of a table from firstNumber to lastNumber hold numbers, which go to the right.
const (
	firstNumber = 1
	lastNumber  = 8
)

// table is text in columns.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) write(b *strings.Builder) {
	lines := append([][]string{t.header}, t.rows...)
	width := make([]int, len(t.header))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i >= firstNumber && i <= lastNumber {
				cell = gap + cell
			} else {
				cell += gap
			}
			text.WriteString(cell + "  ")
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
}
