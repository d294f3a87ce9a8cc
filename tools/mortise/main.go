// Command mortise builds, checks, shows and tests the firmware of a Mortise gateway. The Makefile calls it; it can be
// called by itself: go run ./tools/mortise help.
//
// Stage: host. Does not support: hosts other than Linux (QEMU's cables are Unix sockets and inherited files).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// command is a subcommand. flags declares its flags and returns what runs it.
type command struct {
	name, args, help string
	flags            func(f *flag.FlagSet) func(ctx context.Context, root string) error
}

var commands = []command{
	{"firmware", "", "build the firmware image", firmwareCommand},
	{"check", "FILE", "check a configuration file", checkCommand},
	{"vet", "", "check the rules for oob code in the sources (tools/oobvet)", vetCommand},
	{"run", "", "boot the firmware in QEMU with live peers and show both stages' latency", runCommand},
	{"test", "", "run all tests, in QEMU too", testCommand},
	{"fuzz", "", "run the fuzz targets, each for a CPU time, and keep inputs", fuzzCommand},
	{"clean", "", "remove what was built, and say what is left in the cache", cleanCommand},
}

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// errUsage ends a command that was called wrongly; what is wrong has been printed.
var errUsage = errors.New("usage")

func main() { os.Exit(run(os.Args[1:])) }

// run runs one command and returns the exit status.
func run(args []string) int {
	// The first ^C asks the command to end, which it may take its time for; the second one kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := dispatch(ctx, args)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "mortise: interrupted")
		return exitFailed
	}
	fmt.Fprintln(os.Stderr, "mortise:", err)
	return exitFailed
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		usage()
		return errUsage
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		f := flag.NewFlagSet("mortise "+c.name, flag.ContinueOnError)
		f.Usage = func() {
			fmt.Fprintf(f.Output(), "usage: mortise %s [flags] %s\n\n%s\n\n", c.name, c.args, c.help)
			f.PrintDefaults()
		}
		action := c.flags(f)
		if err := f.Parse(args[1:]); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return errUsage
		}
		if want := len(strings.Fields(c.args)); f.NArg() != want {
			f.Usage()
			return errUsage
		}
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		return action(ctx, root)
	}
	usage()
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return nil
	}
	return errUsage
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: mortise COMMAND [flags]")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-16s %s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	}
	fmt.Fprintln(os.Stderr, "mortise COMMAND -h lists a command's flags.")
}

// moduleRoot returns the folder of this module's go.mod, the working directory or one above it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module mortise\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this is not below a checkout of Mortise: no go.mod of the module mortise")
		}
		dir = parent
	}
}
