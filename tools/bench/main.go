// Command bench measures the gateway's wire-to-wire latencies in virtual time, in guest instructions, and compares them
// with what is demanded of them: go run ./tools/bench. What the figures mean is in docs/measure.md.
//
// Stage: none (host). Does not support: hosts other than Linux.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"mortise/tools/bench/inband"
	"mortise/tools/bench/latency"
	"mortise/tools/bench/peer"
	"mortise/tools/bench/plugin"
	"mortise/tools/qemu"
)

// unavailable is the exit status if this machine cannot provide the peers that -peers asks for.
const unavailable = 3

// errMissed ends a run that -check was given for.
var errMissed = errors.New("not all that is demanded was reached")

type options struct {
	pattern  string
	emulator string
	elf      string
	load     latency.Images
	json     string
	dir      string
	check    bool
	list     bool
	full     bool
	svg      string
	repeat   int
	peers    bool
	inband   bool
}

// report is all that a run found.
type report struct {
	*latency.Report
	Inband *inband.Report `json:",omitempty"` // nil: not measured
}

func main() {
	o := options{load: latency.Images{}}
	flag.StringVar(&o.pattern, "case", "", "run the cases whose name matches this `regexp` only")
	flag.StringVar(&o.emulator, "qemu", "", "`path` of qemu-system-arm (default $"+qemu.EnvPath+", PATH, or it gets installed)")
	flag.StringVar(&o.elf, "elf", "", "firmware `file` (default: the checkout's, built now)")
	flag.Var(o.load, "load-elf", "firmware `file` with in-band load, for any load, or LOAD=file for one; may be repeated")
	flag.StringVar(&o.json, "json", "", "write the report to this `file`, too")
	flag.StringVar(&o.dir, "dir", "build/bench", "`directory` for images, serial logs and captures")
	flag.BoolVar(&o.check, "check", false, "fail if a figure misses what is demanded of it")
	flag.BoolVar(&o.list, "list", false, "list the cases and end")
	flag.BoolVar(&o.full, "full", false, "the full matrix: each load, size, tagged and not")
	flag.StringVar(&o.svg, "svg", "", "plot the distributions to this `file`, too")
	flag.BoolVar(&o.peers, "peers", false, "measure the peers, too: Debian's kernels for armhf, stock TamaGo")
	flag.IntVar(&o.repeat, "repeat", 1, "run each case `n` times and compare the runs")
	flag.BoolVar(&o.inband, "inband", false, "what in-band's traffic costs, too, beside stock TamaGo and gVisor")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	work := func() error { return run(ctx, &o, os.Stdout, os.Stderr) }
	if flag.Arg(0) == "inband" { // go run ./tools/bench inband …
		work = func() error { return runInband(ctx, flag.Args()[1:], os.Stdout, os.Stderr) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		if errors.Is(err, peer.ErrUnavailable) {
			os.Exit(unavailable)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, out, log io.Writer) error {
	cases, err := o.selected()
	if err != nil {
		return err
	}
	if o.list {
		for _, c := range cases {
			fmt.Fprintf(out, "%-20s %s\n", c.Name, c.About)
		}
		return nil
	}
	config, err := o.prepare(ctx, cases, log)
	if err != nil {
		return err
	}
	r := report{}
	if r.Report, err = o.measure(ctx, config, cases, log); err != nil {
		return err
	}
	if err := r.WriteText(out, cases); err != nil {
		return err
	}
	missed := r.Missed()
	if o.inband {
		m := inbandRun{emulator: config.Emulator, dir: o.dir, cases: inband.Cases()}
		if r.Inband, err = m.measure(ctx, log); err != nil {
			return err
		}
		fmt.Fprintln(out)
		if err := r.Inband.WriteText(out, m.cases); err != nil {
			return err
		}
		missed = missed || len(r.Inband.Check(m.cases)) > 0
	}
	if err := errors.Join(write(o.json, asJSON(r)), write(o.svg, r.WriteSVG)); err != nil {
		return err
	}
	if o.check && missed {
		return errMissed
	}
	return nil
}

// asJSON returns what writes a report for machines.
func asJSON(report any) func(io.Writer) error {
	return func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(report)
	}
}

func (o *options) selected() (cases []latency.Case, err error) {
	match, err := regexp.Compile(o.pattern)
	if err != nil {
		return nil, fmt.Errorf("-case: %w", err)
	}
	all := append(latency.Cases(), latency.StockCases()...)
	if o.full {
		all = latency.Matrix()
	}
	if o.peers {
		all = append(all, latency.PeerCases()...)
	}
	for _, c := range all {
		if match.MatchString(c.Name) {
			cases = append(cases, c)
		}
	}
	if cases == nil {
		return nil, fmt.Errorf("-case %s: no case has such a name; -list lists them", o.pattern)
	}
	return cases, nil
}

// prepare finds the emulator and the firmware. Firmware that is named is used as it is, and then none is built.
func (o *options) prepare(ctx context.Context, cases []latency.Case, log io.Writer) (c latency.Config, err error) {
	if c.Emulator, err = qemu.Ensure(ctx, o.emulator, log); err != nil {
		return c, err
	}
	c.Dir, c.Images = o.dir, o.load
	if c.Plugin, err = plugin.Build(ctx, o.dir); errors.Is(err, plugin.ErrNoCompiler) {
		fmt.Fprintf(log, "bench: %v: a latency is a whole microsecond, 125 instructions, rounded down\n", err)
	} else if err != nil {
		return c, err
	}
	if o.elf != "" {
		c.Images[""] = o.elf
	}
	if c.Guests, err = o.guests(ctx, cases, log); err != nil {
		return c, err
	}
	if loads := latency.Loads(cases); len(c.Images) == 0 && len(loads) > 0 {
		root, err := latency.Root()
		if err != nil {
			return c, err
		}
		c.Images, err = latency.Build(ctx, root, "", o.dir, loads, log)
		return c, err
	}
	return c, nil
}

// guests makes the peers that cases name. It comes first: it takes little time to see that there are none.
func (o *options) guests(ctx context.Context, cases []latency.Case, log io.Writer) (map[string]latency.Guest, error) {
	names := map[string]bool{}
	for _, c := range cases {
		if c.Guest != "" {
			names[c.Guest] = true
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	root, err := latency.Root()
	if err != nil {
		return nil, err
	}
	b := peer.Builder{Root: root, Dir: o.dir, Log: log}
	if b.Cache, err = peer.CacheDir(); err != nil {
		return nil, err
	}
	return b.Build(ctx, names)
}

func (o *options) measure(ctx context.Context, config latency.Config, cases []latency.Case, log io.Writer) (*latency.Report, error) {
	report := &latency.Report{QEMU: config.Emulator.Version.String(), Emulator: config.Emulator.Path, Peers: latency.PeersBeside(cases), Guests: latency.About(cases, config.Guests)}
	start, done := time.Now(), 0
	for i, c := range cases {
		result, err := latency.Repeat(ctx, config, c, o.repeat)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		done += c.Work()
		left := estimate(time.Since(start), done, cases[i+1:])
		if err != nil {
			fmt.Fprintf(log, "bench: %d/%d %s: %v; %s\n", i+1, len(cases), c.Name, err, left)
			report.Skipped = append(report.Skipped, latency.Skip{Case: c.Name, Why: err.Error()})
			continue
		}
		fmt.Fprintf(log, "bench: %d/%d %s: %.1f s; %s\n", i+1, len(cases), c.Name, result.Took.Seconds(), left)
		report.Results = append(report.Results, result)
	}
	return report, nil
}

// estimate says how long the cases that are left take if they go as those that are done did.
func estimate(took time.Duration, done int, left []latency.Case) string {
	work := 0
	for _, c := range left {
		work += c.Work()
	}
	if work == 0 {
		return "that was the last"
	}
	return fmt.Sprintf("%v left", (took * time.Duration(work) / time.Duration(done)).Round(time.Second))
}

// write writes the report to the file at path, none if it is empty.
func write(path string, report func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report(f), f.Close())
}
