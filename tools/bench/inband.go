package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"

	"mortise/tools/bench/inband"
	"mortise/tools/bench/latency"
	"mortise/tools/qemu"
)

// runInband is "bench inband": what in-band's traffic costs, beside stock TamaGo and gVisor.
func runInband(ctx context.Context, args []string, out, log io.Writer) error {
	f := flag.NewFlagSet("bench inband", flag.ContinueOnError)
	pattern := f.String("case", "", "run the cases whose name matches this `regexp` only")
	emulator := f.String("qemu", "", "`path` of qemu-system-arm (default $"+qemu.EnvPath+", PATH, or it gets installed)")
	ours := f.String("elf", "", "firmware `file` with LOAD=bulk and tools/bench/inband/lan0.toml (default: built now)")
	spin := f.String("spin-elf", "", "firmware `file` with LOAD=bulk,spin and that configuration (default: built now, unless -elf is given)")
	stock := f.String("stock-elf", "", "`file` of image/stockpeer (default: built now, unless -elf is given)")
	dir := f.String("dir", "build/bench", "`directory` for images and serial logs")
	file := f.String("json", "", "write the report to this `file`, too")
	check := f.Bool("check", false, "fail if a figure misses what is demanded of it")
	if err := f.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-case: %w", err)
	}
	var cases []inband.Case
	for _, c := range inband.Cases() {
		if match.MatchString(c.Name) {
			cases = append(cases, c)
		}
	}
	if cases == nil {
		return fmt.Errorf("-case %s: no case has such a name", *pattern)
	}
	m := inbandRun{images: inband.Images{inband.Ours: *ours, inband.Spin: *spin, inband.Stock: *stock}, dir: *dir, cases: cases}
	if m.emulator, err = qemu.Ensure(ctx, *emulator, log); err != nil {
		return err
	}
	report, err := m.measure(ctx, log)
	if err != nil {
		return err
	}
	if err := errors.Join(report.WriteText(out, cases), write(*file, asJSON(report))); err != nil {
		return err
	}
	if *check && len(report.Check(cases)) > 0 {
		return errMissed
	}
	return nil
}

// inbandRun is a measurement of in-band's cost.
type inbandRun struct {
	emulator *qemu.Emulator
	images   inband.Images // none: both are built
	dir      string
	cases    []inband.Case
}

func (m *inbandRun) measure(ctx context.Context, log io.Writer) (*inband.Report, error) {
	if m.images[inband.Ours] == "" && m.images[inband.Spin] == "" && m.images[inband.Stock] == "" {
		root, err := latency.Root()
		if err != nil {
			return nil, err
		}
		if m.images, err = inband.Build(ctx, root, "", m.dir, log); err != nil {
			return nil, err
		}
	}
	return inband.Measure(ctx, m.emulator, m.images, m.dir, m.cases)
}
