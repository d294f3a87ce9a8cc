package main

import (
	"context"
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
	stock := f.String("stock-elf", "", "`file` of image/stockpeer (default: built now, unless -elf is given)")
	dir := f.String("dir", "build/bench", "`directory` for images and serial logs")
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
	e, err := qemu.Ensure(ctx, *emulator, log)
	if err != nil {
		return err
	}
	images := inband.Images{inband.Ours: *ours, inband.Stock: *stock}
	if *ours == "" && *stock == "" {
		root, err := latency.Root()
		if err != nil {
			return err
		}
		if images, err = inband.Build(ctx, root, "", *dir, log); err != nil {
			return err
		}
	}
	report, err := inband.Measure(ctx, e, images, *dir, cases)
	if err != nil {
		return err
	}
	if err := report.WriteText(out, cases); err != nil {
		return err
	}
	if *check && len(report.Check(cases)) > 0 {
		return errMissed
	}
	return nil
}
