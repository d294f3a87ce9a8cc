// Command stdtest runs the standard library's own tests on our GOOS=tamago,
// as processes of Linux on amd64, and writes the table of their results:
//
//	go run ./tools/toolchain/stdtest             # all of std, docs/stdtests.md
//	go run ./tools/toolchain/stdtest -subset     # those of `make test`
//	go run ./tools/toolchain/stdtest sort bytes  # these, with what they print
//
// The tests find their package's folder in the memory file system, and what
// else they read of Go's source tree: its files are laid into the test
// program's memory, from where a package that an overlay adds writes them
// there. Another such package is a loopback network. A test that ends or hangs
// its program is recorded and left out of the next run. The rules in rules.go
// say which tests cannot pass and why; without -subset nothing depends on them
// but the table's words.
//
// It is a host tool.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

type options struct {
	goCommand string
	subset    bool
	out       string
	parallel  int
	limit     time.Duration
	results   string
	tableOnly bool
}

func main() {
	var o options
	flag.StringVar(&o.goCommand, "go", os.Getenv("MORTISE_TAMAGO_GO"), "`path` of a go command that knows GOOS=tamago (default: that of tools/toolchain)")
	flag.BoolVar(&o.subset, "subset", false, "run the packages of make test, fail on what no rule expects")
	flag.StringVar(&o.out, "o", filepath.Join("docs", "stdtests.md"), "`file` for the table of all packages")
	flag.IntVar(&o.parallel, "p", runtime.NumCPU(), "packages at a time")
	flag.DurationVar(&o.limit, "limit", time.Minute, "of processor time for each run of a package's tests, and five times that by the clock")
	flag.BoolVar(&o.tableOnly, "table", false, "run nothing: the table of what -results has")
	flag.StringVar(&o.results, "results", "", "keep each package's result in `folder`, and take it from there")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "stdtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, names []string) error {
	if o.goCommand == "" {
		cmd := exec.CommandContext(ctx, "go", "run", "mortise/tools/toolchain")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("tools/toolchain: %w", err)
		}
		o.goCommand = strings.TrimSpace(string(out))
	}

	all := !o.subset && len(names) == 0
	switch {
	case o.subset:
		names = subset
	case all:
		names = []string{"std"}
	}

	dir, err := os.MkdirTemp("", "stdtest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	env, err := exec.CommandContext(ctx, o.goCommand, "env", "GOVERSION", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("%s env: %w", o.goCommand, err)
	}
	version, goroot, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	b := &builder{goCommand: o.goCommand, version: version, goroot: goroot, dir: dir}
	packages, err := b.list(ctx, names)
	if err != nil {
		return err
	}
	if err := b.overlay(packages); err != nil {
		return err
	}

	start := time.Now()
	results := runAll(ctx, b, o, packages)
	if err := ctx.Err(); err != nil {
		return err
	}

	if all {
		text := table(results)
		if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil {
			return err
		}
		fmt.Printf("%s in %.0f s; wrote %s\n", summary(results), time.Since(start).Seconds(), o.out)
		return nil
	}

	fmt.Printf("%s in %.0f s\n", summary(results), time.Since(start).Seconds())
	var unexpected []string
	for _, r := range results {
		if r.broken != "" && r.broken != noTests && r.excused() == "" {
			unexpected = append(unexpected, r.pkg.ImportPath+": "+r.broken)
		}
		for _, f := range r.failed {
			if r.rule(f) == "" {
				unexpected = append(unexpected, r.pkg.ImportPath+"."+f.Test+": "+firstSaid(f.Said))
			}
		}
	}
	if len(unexpected) > 0 {
		return fmt.Errorf("not passed, and no rule says why:\n\t%s", strings.Join(unexpected, "\n\t"))
	}

	return nil
}

// runAll tests the packages, some at a time, and returns the results in the
// order of the packages.
func runAll(ctx context.Context, b *builder, o options, packages []*pkg) []*result {
	results := make([]*result, len(packages))
	free := make(chan bool, o.parallel)

	var wg sync.WaitGroup
	var printing sync.Mutex
	done := 0
	for i, p := range packages {
		free <- true
		wg.Go(func() {
			defer func() { <-free }()
			start := time.Now()
			r := o.recall(p)
			switch {
			case r != nil:
			case !p.hasTests():
				r = &result{pkg: p, broken: noTests}
			case o.tableOnly:
				r = &result{pkg: p, broken: notRun}
			default:
				r = b.test(ctx, p, o.limit)
				o.record(ctx, r)
			}
			results[i] = r

			printing.Lock()
			defer printing.Unlock()
			done++
			fmt.Printf("%3d/%d  %-40s %5.1f s  %s\n", done, len(packages), p.ImportPath, time.Since(start).Seconds(), r.words())
			for _, f := range r.failed {
				fmt.Printf("         %s: %s\n", f.Test, r.why(f))
			}
		})
	}
	wg.Wait()

	return results
}

// output runs a command and returns what it printed, limited in time.
func output(ctx context.Context, limit time.Duration, env []string, dir string, command ...string) (text string, timeout bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &out
	err = cmd.Run()

	return out.String(), ctx.Err() == context.DeadlineExceeded, err
}
