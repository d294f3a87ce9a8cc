package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"mortise/tools/mortise/internal/fuzz"
)

func fuzzCommand(f *flag.FlagSet) func(context.Context, string) error {
	cpu := f.Duration("for", 30*time.Minute, "CPU time for each target; 0: fuzz nothing")
	only := f.String("target", "", "only targets whose FOLDER.NAME this `regexp` matches")
	keep := f.Int("keep", 0, "copy at most `N` inputs for each target to its testdata: those that reach code of their own")
	return func(ctx context.Context, root string) error {
		match, err := regexp.Compile(*only)
		if err != nil {
			return err
		}
		all, err := fuzz.Targets(root)
		if err != nil {
			return err
		}
		r := fuzz.Runner{Root: root, Dir: filepath.Join(root, "build", "fuzz")}
		ran, crashed := 0, 0
		for _, t := range all {
			if !match.MatchString(t.String()) {
				continue
			}
			ran++
			err := fuzzOne(ctx, &r, t, *cpu, *keep)
			if errors.Is(err, fuzz.ErrCrash) {
				crashed++
				fmt.Println(err)
				continue
			}
			if err != nil {
				return err
			}
		}
		if ran == 0 {
			return fmt.Errorf("no fuzz target matches %q", *only)
		}
		if crashed != 0 {
			return fmt.Errorf("%d of %d targets failed", crashed, ran)
		}
		return nil
	}
}

// fuzzOne fuzzes a target, keeps inputs of it, and appends a line to the record of what was fuzzed how long.
func fuzzOne(ctx context.Context, r *fuzz.Runner, t fuzz.Target, cpu time.Duration, keep int) error {
	if cpu > 0 {
		show := func(v fuzz.Result) {
			fmt.Printf("%-48s %6.1f CPU min  %6.1f min  %9s execs  %5d inputs\n", t, v.CPU.Minutes(), v.Wall.Minutes(), v.Execs, v.Found)
		}
		done, err := r.Fuzz(ctx, t, cpu, show)
		outcome := "ok"
		if errors.Is(err, fuzz.ErrCrash) {
			outcome = "failed"
		}
		if err := record(r.Dir, fmt.Sprintf("%s %s %.0f CPU s %.0f s %s execs %d inputs %s\n", time.Now().UTC().Format(time.RFC3339), t,
			done.CPU.Seconds(), done.Wall.Seconds(), done.Execs, done.Found, outcome)); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	if keep > 0 {
		n, err := r.Keep(ctx, t, keep)
		if err != nil {
			return err
		}
		fmt.Printf("%-48s %d inputs kept in testdata\n", t, n)
	}
	return nil
}

func record(dir, line string) error {
	w, err := os.OpenFile(filepath.Join(dir, "record.txt"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = w.WriteString(line)
	return errors.Join(err, w.Close())
}
